//! The envelope API of generation 2 (contract §21). Same envelopes, other words.
//!
//! Chosen where the contract is silent (`SIM`): an inline document is `{"base64","filename"}`; the signed PDF lies
//! under `…/pdf`; a reminder's path is `…/remind`; `{"upload":true}` is refused.

mod shape;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use simulation::clock;

use super::api::{object, reminded, signed_pdf, voided};
use super::create::{Order, Outcome, drafted, fingerprint, once};
use super::draft::{self, Source};
use super::shared::{Account, Caller};
use super::state::{Event, Generation, Party, Refusal, Status};
pub(super) use shape::participants;

const PAGE_MAX: usize = 100;
const PAGE_DEFAULT: usize = 20;

pub(super) fn routes() -> Router<Account> {
    Router::new()
        .route("/api/v1/ping", get(ping))
        .route("/api/v1/envelopes", post(create).get(list))
        .route("/api/v1/envelopes/{id}", get(read))
        .route("/api/v1/envelopes/{id}/draft", put(edit))
        .route("/api/v1/envelopes/{id}/send", post(send))
        .route("/api/v1/envelopes/{id}/remind", post(remind))
        .route("/api/v1/envelopes/{id}/void", post(void))
        .route("/api/v1/envelopes/{id}/pdf", get(signed_pdf))
}

async fn ping(_caller: Caller) -> Result<Json<Value>, Refusal> {
    Ok(Json(json!({"ok": true})))
}

async fn create(State(account): State<Account>, caller: Caller, body: Bytes) -> Result<Response, Refusal> {
    let work = create_once(&account, caller.clone(), &body);
    Ok(once(&account, &caller, "v1 create", &fingerprint(&body), work).await)
}

async fn create_once(account: &Account, caller: Caller, body: &[u8]) -> Outcome {
    let Value::Object(members) = object(body)? else { return Err(invalid("The body is not an object")) };
    let check = account.world().switches.check_documents;
    let (title, document) = source(&members)?.fetched(account.kit().outbound(), check).await?;
    let order = Order {
        caller,
        generation: Generation::Second,
        title,
        document,
        parties: people(members.get("participants"))?,
        metadata: draft::metadata(&members)?,
        webhook_url: None,
        ready: false,
    };
    let now = clock::now();
    let world = &mut *account.world();
    let envelope = drafted(account, world, order, now);
    let (id, review_url) = (envelope.id.clone(), account.review_link(&envelope));
    let mut shown = shape::graph(&envelope, now);
    world.insert(envelope)?;
    account.tell(world, &id, &[Event::Created]);
    shown["reviewUrl"] = json!(review_url);
    shown["note"] = json!("Review the fields, then send");
    Ok((201, shown))
}

fn source(members: &Map<String, Value>) -> Result<Source, Refusal> {
    let document = members.get("document").ok_or_else(|| invalid("document is needed"))?;
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    if let Some(url) = text("url") {
        return url.parse().map(Source::At).map_err(|_| invalid("document.url is not a URL"));
    }
    let encoded = text("base64").ok_or_else(|| invalid("document is neither an address nor base64"))?;
    let bytes = STANDARD.decode(encoded).map_err(|_| invalid("document.base64 is not base64"))?;
    Ok(Source::Here { title: text("filename").unwrap_or("Document").to_owned(), bytes: bytes.into() })
}

/// Strict: a member that the vendor does not know is a schema error.
fn people(value: Option<&Value>) -> Result<Vec<Party>, Refusal> {
    let known = ["name", "email"];
    let entries = value.and_then(Value::as_array).ok_or_else(|| invalid("participants is not a list"))?;
    let stranger = |entry: &Value| {
        entry.as_object().is_none_or(|entry| entry.keys().any(|key| !known.contains(&key.as_str())))
    };
    if entries.iter().any(stranger) {
        return Err(invalid("A participant has a name and an email"));
    }
    draft::parties(value).map_err(|refusal| Refusal { status: 422, code: "validation_error", ..refusal })
}

fn invalid(message: &str) -> Refusal {
    Refusal::new(422, "validation_error", message)
}

#[derive(Deserialize)]
struct Page {
    cursor: Option<String>,
    limit: Option<usize>,
}

/// Newest last; the cursor is the id of the last envelope of the page before. There is no filter.
async fn list(
    State(account): State<Account>,
    caller: Caller,
    Query(page): Query<Page>,
) -> Result<Json<Value>, Refusal> {
    let (world, now) = (account.world(), clock::now());
    let limit = page.limit.unwrap_or(PAGE_DEFAULT);
    if limit == 0 || limit > PAGE_MAX {
        return Err(invalid("limit is between 1 and 100"));
    }
    let found = world.page(page.cursor.as_deref(), limit, |envelope| envelope.org == caller.org);
    let (found, next) = found.ok_or_else(|| invalid("Unknown cursor"))?;
    let items: Vec<Value> = found.into_iter().map(|envelope| shape::core(envelope, now)).collect();
    Ok(Json(json!({"items": items, "nextCursor": next})))
}

async fn read(
    State(account): State<Account>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let mut world = account.world();
    Ok(Json(shape::graph(world.envelope_of(&id, &caller)?, clock::now())))
}

/// Replaces participants and fields of a draft; `expectedVersion` counts if it is given.
async fn edit(
    State(account): State<Account>,
    caller: Caller,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Refusal> {
    let participants = body.get("participants").map(|_| people(body.get("participants"))).transpose()?;
    let fields = body.get("fields").and_then(Value::as_array).cloned();
    if participants.is_some() && fields.is_none() {
        return Err(invalid("participants requires fields"));
    }
    let mut world = account.world();
    let envelope = world.envelope_of(&id, &caller)?;
    if envelope.status != Status::Draft {
        return Err(Refusal::new(409, "conflict", "Only drafts can be edited"));
    }
    envelope.expect_version(body.get("expectedVersion").and_then(Value::as_u64))?;
    if let Some(participants) = participants {
        envelope.parties = participants;
    }
    if let Some(fields) = fields {
        envelope.fields = fields;
    }
    envelope.version += 1;
    Ok(Json(shape::graph(envelope, clock::now())))
}

async fn send(
    State(account): State<Account>,
    caller: Caller,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let work = async { send_once(&account, &caller, &id, &body) };
    Ok(once(&account, &caller, &format!("v1 send {id}"), &fingerprint(&body), work).await)
}

fn send_once(account: &Account, caller: &Caller, id: &str, body: &[u8]) -> Outcome {
    let expected = object(body)?.get("expectedVersion").and_then(Value::as_u64);
    let world = &mut *account.world();
    world.envelope_of(id, caller)?.expect_version(expected)?;
    account.send(world, id, None)?;
    Ok((200, shape::graph(world.envelope(id)?, clock::now())))
}

async fn remind(
    State(account): State<Account>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    reminded(&account, &caller, &id)?;
    Ok(Json(json!({"reminded": true})))
}

async fn void(
    State(account): State<Account>,
    caller: Caller,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    voided(&account, &caller, &id, &body)?;
    Ok(Json(shape::graph(account.world().envelope(&id)?, clock::now())))
}
