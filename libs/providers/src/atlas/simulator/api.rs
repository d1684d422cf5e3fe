//! The envelope API of generation 1, apart from creating.

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use bytes::Bytes;
use domain::time::Timestamp;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use simulation::clock;
use simulation::pdf::{self, Signature};

use super::create::{Outcome, fingerprint, once, parties_with_links};
use super::draft;
use super::shared::{Account, Caller, bearer, written};
use super::state::{Envelope, Event, Refusal, Status};

const PAGE_MAX: usize = 100;
const PAGE_DEFAULT: usize = 50;

pub(super) fn routes() -> Router<Account> {
    Router::new()
        .route("/api/envelopes", get(list))
        .route("/api/envelope/{id}", get(read))
        .route("/api/envelope/{id}/status", get(status))
        .route("/api/envelope/{id}/fields", patch(fields))
        .route("/api/envelope/{id}/send", post(send))
        .route("/api/envelope/{id}/remind", post(remind))
        .route("/api/envelope/{id}/void", post(void))
        .route("/api/envelope/{id}/decline", post(decline))
        .route("/api/envelope/{id}/pdf", get(signed_pdf))
        .route("/storage/{file}", get(storage))
}

/// The shape of one envelope (contract §5).
fn shown(envelope: &Envelope, now: Timestamp) -> Value {
    let parties: Vec<Value> = envelope
        .parties
        .iter()
        .map(|party| {
            json!({"email": party.email, "name": party.name, "role": party.role, "order": party.order,
               "status": party.standing.word(), "signed_at": written(party.signed_at)})
        })
        .collect();
    let roles = envelope.parties.iter().map(|party| json!({"name": party.role, "role": party.role}));
    let detection = envelope.detection_at(now).word();
    let fields = if detection == "ready" { json!(envelope.fields) } else { json!([]) };
    json!({
        "envelope_id": envelope.id, "status": envelope.status.word(), "title": envelope.title,
        "fields_status": detection, "fields_version": envelope.fields_version, "fields": fields,
        "detected_parties": roles.collect::<Vec<_>>(), "parties": parties,
        "metadata": envelope.metadata, "webhook_url": envelope.webhook_url, "reason": envelope.reason,
        "created_at": clock::iso_millis(envelope.created_at), "sent_at": written(envelope.sent_at),
        "signed_at": written(envelope.signed_at), "declined_at": written(envelope.declined_at),
        "voided_at": written(envelope.voided_at),
    })
}

async fn read(
    State(account): State<Account>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let mut world = account.world();
    Ok(Json(shown(world.envelope_of(&id, &caller)?, clock::now())))
}

async fn status(
    State(account): State<Account>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let mut world = account.world();
    let envelope = world.envelope_of(&id, &caller)?;
    let next = envelope.current().filter(|_| envelope.status == Status::Pending);
    Ok(Json(json!({
        "status": envelope.status.word(), "signed_count": envelope.signed_count(), "total": envelope.parties.len(),
        "next_signer_email": next.map(|party| &party.email),
        "sign_url": next.map(|party| account.sign_link(&id, &party.token)),
    })))
}

#[derive(Deserialize)]
struct Filter {
    status: Option<String>,
    external_id: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// Newest last; the cursor is the id of the last envelope of the page before.
async fn list(
    State(account): State<Account>,
    caller: Caller,
    Query(filter): Query<Filter>,
) -> Result<Json<Value>, Refusal> {
    let (world, now) = (account.world(), clock::now());
    let limit = filter.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
    let wanted = |envelope: &Envelope| {
        envelope.org == caller.org
            && filter.status.as_deref().is_none_or(|word| word == envelope.status.word())
            && filter.external_id.as_deref().is_none_or(|id| envelope.external_id() == Some(id))
    };
    let page = world.page(filter.cursor.as_deref(), limit, wanted);
    let (page, next) = page.ok_or_else(|| Refusal::bad_request("Unknown cursor"))?;
    let items: Vec<Value> = page.into_iter().map(|envelope| shown(envelope, now)).collect();
    Ok(Json(json!({"items": items, "nextCursor": next})))
}

async fn fields(
    State(account): State<Account>,
    caller: Caller,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Refusal> {
    let version = body.get("fields_version").and_then(Value::as_u64);
    let version = version.ok_or_else(|| Refusal::bad_request("fields_version is needed"))?;
    let fields = body.get("fields").and_then(Value::as_array).cloned();
    let fields = fields.ok_or_else(|| Refusal::bad_request("fields is needed"))?;
    let mut world = account.world();
    let envelope = world.envelope_of(&id, &caller)?;
    envelope.patch_fields(version, fields)?;
    Ok(Json(json!({"envelope_id": id, "fields_version": envelope.fields_version, "fields": envelope.fields})))
}

async fn send(
    State(account): State<Account>,
    caller: Caller,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let work = async { send_once(&account, &caller, &id, &body) };
    Ok(once(&account, &caller, &format!("send {id}"), &fingerprint(&body), work).await)
}

fn send_once(account: &Account, caller: &Caller, id: &str, body: &[u8]) -> Outcome {
    let body = object(body)?;
    let parties = draft::parties(body.get("parties"))?;
    let world = &mut *account.world();
    let envelope = world.envelope_of(id, caller)?;
    let version = body.get("fields_version").and_then(Value::as_u64);
    envelope.may_send(version, clock::now())?;
    let before = envelope.parties.clone();
    if !parties.is_empty() {
        envelope.parties = parties;
    }
    if let Err(refusal) = account.send(world, id, version) {
        world.envelope(id)?.parties = before;
        return Err(refusal);
    }
    let envelope = world.envelope(id)?;
    let parties = parties_with_links(account, envelope);
    Ok((200, json!({"envelope_id": id, "status": envelope.status.word(), "parties": parties})))
}

async fn remind(
    State(account): State<Account>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let order = reminded(&account, &caller, &id)?;
    Ok(Json(json!({"envelope_id": id, "reminded_order": order})))
}

async fn void(
    State(account): State<Account>,
    caller: Caller,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    let refund = voided(&account, &caller, &id, &body)?;
    Ok(Json(json!({"envelope_id": id, "status": "voided", "refunded": refund})))
}

/// Nudges whose turn it is; answers with their order.
pub(super) fn reminded(account: &Account, caller: &Caller, id: &str) -> Result<u32, Refusal> {
    let window = account.hours(1);
    let world = &mut *account.world();
    let order = world.envelope_of(id, caller)?.remind(clock::now(), window)?;
    account.invite(world, id, "reminder");
    account.tell(world, id, &[Event::Reminded]);
    Ok(order)
}

/// Takes an envelope back; answers whether its credit came back.
pub(super) fn voided(account: &Account, caller: &Caller, id: &str, body: &[u8]) -> Result<bool, Refusal> {
    let reason = object(body)?.get("reason").and_then(Value::as_str).map(str::to_owned);
    let world = &mut *account.world();
    let (events, refund) = world.envelope_of(id, caller)?.void(reason, clock::now())?;
    *world.pool(caller.org.as_deref()) += u64::from(refund);
    account.tell(world, id, &events);
    Ok(refund)
}

/// Authorised by the signer's token, never by an API key.
async fn decline(
    State(account): State<Account>,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    let reason = object(&body)?.get("reason").and_then(Value::as_str).map(str::to_owned);
    let world = &mut *account.world();
    let events = world.envelope(&id)?.decline(bearer(&headers).unwrap_or_default(), reason, clock::now())?;
    account.tell(world, &id, &events);
    Ok(Json(json!({"envelope_id": id, "status": "declined"})))
}

/// 404 until the signed copy exists, then the way to a place that can be visited once.
pub(super) async fn signed_pdf(
    State(account): State<Account>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let mut world = account.world();
    let delay = std::time::Duration::from_millis(world.switches.pdf_delay_ms);
    let ready_at = world.envelope_of(&id, &caller)?.signed_at.map(|at| at.after(delay));
    if ready_at.is_none_or(|at| clock::now() < at) {
        return Err(Refusal::new(404, "not_found", "The signed PDF is not there yet"));
    }
    let token = account.kit().ids().token(32);
    world.storage.insert(token.clone(), id);
    Ok((StatusCode::FOUND, [(header::LOCATION, account.storage_link(&token))]).into_response())
}

async fn storage(State(account): State<Account>, headers: HeaderMap, Path(file): Path<String>) -> Response {
    if account.storage_is_elsewhere() && headers.contains_key(header::AUTHORIZATION) {
        return (StatusCode::BAD_REQUEST, "Only one way to authorise is allowed").into_response();
    }
    let world = &mut *account.world();
    let id = world.storage.remove(file.trim_end_matches(".pdf"));
    let Some(envelope) = id.and_then(|id| world.envelopes.get(&id)) else {
        return (StatusCode::FORBIDDEN, "This link has expired").into_response();
    };
    ([(header::CONTENT_TYPE, "application/pdf")], signed_copy(envelope)).into_response()
}

/// The signed document as PDF.
pub(super) fn signed_copy(envelope: &Envelope) -> Vec<u8> {
    let signature = |party: &super::state::Party| Signature {
        name: party.name.clone(),
        role: party.role.clone(),
        signed_at: written(party.signed_at).unwrap_or_default(),
    };
    let signatures: Vec<Signature> = envelope.parties.iter().map(signature).collect();
    pdf::signed(&format!("{} ({})", envelope.title, envelope.id), &signatures)
}

/// A JSON object; an empty body is an empty one.
pub(super) fn object(body: &[u8]) -> Result<Value, Refusal> {
    if body.is_empty() {
        return Ok(json!({}));
    }
    let value = serde_json::from_slice(body).ok().filter(Value::is_object);
    value.ok_or_else(|| Refusal::bad_request("The body is not a JSON object"))
}
