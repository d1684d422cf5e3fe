//! Creating envelopes, from a document or a template, at most once per idempotency key.

use std::collections::BTreeSet;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use domain::time::Timestamp;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use simulation::{clock, files};

use super::draft::{self, Draft, Submission};
use super::shared::{Account, Caller};
use super::state::{Detection, Envelope, Event, Generation, Party, Refusal, Status};
use super::world::{Remembered, World};

pub(super) fn routes() -> Router<Account> {
    Router::new()
        .route("/api/envelope", post(create))
        .route("/api/templates/{id}", get(template))
        .route("/api/templates/{id}/send", post(from_template))
}

/// What a request with an idempotency key comes to.
pub(super) type Outcome = Result<(u16, Value), Refusal>;

/// The same for the same bytes.
pub(super) fn fingerprint(body: &[u8]) -> String {
    hex::encode(Sha256::digest(body))
}

/// Runs `work` once per key; without a key, always. Successes are remembered for 24 hours, refusals are not.
pub(super) async fn once(
    account: &Account,
    caller: &Caller,
    scope: &str,
    fingerprint: &str,
    work: impl Future<Output = Outcome>,
) -> Response {
    let Some(key) = &caller.idempotency_key else { return written(work.await, false) };
    let claim = account.world().claim(scope, key, fingerprint, account.hours(24), clock::now());
    match claim {
        Err(refusal) => refusal.into_response(),
        Ok(Some(answer)) => written(Ok(answer), true),
        Ok(None) => {
            let outcome = work.await;
            let (status, body) = outcome.clone().unwrap_or_else(|refusal| (refusal.status, Value::Null));
            let answer =
                Remembered::Answered { fingerprint: fingerprint.to_owned(), status, body, at: clock::now() };
            account.world().settle(scope, key, answer);
            written(outcome, false)
        }
    }
}

fn written(outcome: Outcome, replayed: bool) -> Response {
    let mut response = match outcome {
        Ok((status, body)) => {
            (StatusCode::from_u16(status).unwrap_or(StatusCode::OK), Json(body)).into_response()
        }
        Err(refusal) => refusal.into_response(),
    };
    if replayed {
        let name = HeaderName::from_static("idempotency-replayed");
        response.headers_mut().insert(name, HeaderValue::from_static("true"));
    }
    response
}

async fn create(
    State(account): State<Account>,
    caller: Caller,
    request: Request,
) -> Result<Response, Refusal> {
    let submission = Submission::read(request).await?;
    let scope = format!("create {}", submission.transport);
    let work = create_once(&account, caller.clone(), &submission);
    Ok(once(&account, &caller, &scope, &submission.fingerprint, work).await)
}

async fn create_once(account: &Account, caller: Caller, submission: &Submission) -> Outcome {
    let draft = Draft::read(submission)?;
    let check = account.world().switches.check_documents;
    let (title, document) = draft.document.fetched(account.kit().outbound(), check).await?;
    let (parties, metadata, webhook_url) = (draft.parties, draft.metadata, draft.webhook_url);
    let generation = Generation::First;
    let ready = draft.auto_send;
    let order = Order { caller, generation, title, document, parties, metadata, webhook_url, ready };
    stored(account, order, draft.auto_send)
}

pub(super) struct Order {
    pub caller: Caller,
    pub generation: Generation,
    pub title: String,
    pub document: Bytes,
    pub parties: Vec<Party>,
    pub metadata: Map<String, Value>,
    pub webhook_url: Option<String>,
    /// Fields are known: nothing has to be detected.
    pub ready: bool,
}

fn stored(account: &Account, order: Order, auto_send: bool) -> Outcome {
    let now = clock::now();
    let world = &mut *account.world();
    if auto_send {
        world.not_suspended(order.caller.org.as_deref())?;
        if order.parties.is_empty() {
            return Err(Refusal::bad_request("parties are needed to send"));
        }
        if *world.pool(order.caller.org.as_deref()) == 0 {
            return Err(Refusal::new(402, "credits_exhausted", "No credits left"));
        }
    }
    let envelope = drafted(account, world, order, now);
    let (id, review_url) = (envelope.id.clone(), account.review_link(&envelope));
    world.insert(envelope)?;
    account.tell(world, &id, &[Event::Created]);
    if auto_send {
        account.send(world, &id, None)?;
    }
    let envelope = world.envelope(&id)?;
    let mut body = json!({"envelope_id": id, "review_url": review_url, "status": envelope.status.word()});
    if auto_send {
        body["parties"] = parties_with_links(account, envelope);
    }
    Ok((201, body))
}

pub(super) fn drafted(account: &Account, world: &World, order: Order, now: Timestamp) -> Envelope {
    let ids = account.kit().ids();
    let (found, delay) = world.detection_of(&order.title);
    let detection = if order.ready { (Detection::Ready, now) } else { (found, now.after(delay)) };
    let fields = order.parties.iter().enumerate().map(|(index, party)| field(index, party)).collect();
    Envelope {
        id: ids.uuid(),
        key: order.caller.key,
        org: order.caller.org,
        generation: order.generation,
        version: 1,
        title: order.title,
        document: order.document,
        status: Status::Draft,
        detection,
        fields_version: 1,
        fields,
        parties: order.parties,
        metadata: order.metadata,
        webhook_url: order.webhook_url,
        review_token: ids.token(24),
        reason: None,
        created_at: now,
        sent_at: None,
        signed_at: None,
        declined_at: None,
        voided_at: None,
        expired_at: None,
    }
}

fn field(index: usize, party: &Party) -> Value {
    json!({"id": format!("fld_{}", index + 1), "type": "signature", "label": "Signature", "page": 2,
           "party_index": index, "party_order": party.order, "x_pct": 0.13, "y_pct": 0.18 + 0.05 * index as f64,
           "w_pct": 0.4, "h_pct": 0.04, "confidence": 0.96, "required": true})
}

/// The parties of a sent envelope, each with the link that is theirs alone.
pub(super) fn parties_with_links(account: &Account, envelope: &Envelope) -> Value {
    let shown = |party: &Party| {
        json!({"email": party.email, "name": party.name, "role": party.role, "order": party.order,
               "status": party.standing.word(), "sign_url": account.sign_link(&envelope.id, &party.token)})
    };
    envelope.parties.iter().map(shown).collect()
}

async fn template(
    State(account): State<Account>,
    _caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let world = account.world();
    let template =
        world.templates.get(&id).ok_or_else(|| Refusal::new(404, "not_found", "No such template"))?;
    let parties =
        template.roles.iter().map(|role| json!({"role": role, "role_name": role})).collect::<Vec<_>>();
    Ok(Json(json!({"template_id": template.template_id, "name": template.name, "roles": template.roles,
                   "parties_for_send": parties, "prefill_keys": template.prefill_keys}))
    .into_response())
}

async fn from_template(
    State(account): State<Account>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let submission = Submission::read(request).await?;
    let scope = format!("template {id}");
    let work = async { from_template_once(&account, caller.clone(), &id, &submission.members) };
    Ok(once(&account, &caller, &scope, &submission.fingerprint, work).await)
}

fn from_template_once(account: &Account, caller: Caller, id: &str, members: &Map<String, Value>) -> Outcome {
    let template = account.world().templates.get(id).cloned();
    let template = template.ok_or_else(|| Refusal::new(404, "not_found", "No such template"))?;
    let parties = draft::parties(members.get("parties"))?;
    let given: BTreeSet<&str> = parties.iter().map(|party| party.role.as_str()).collect();
    let wanted: BTreeSet<&str> = template.roles.iter().map(String::as_str).collect();
    if given != wanted {
        return Err(Refusal::bad_request("The roles of the parties are not the roles of the template"));
    }
    let metadata = draft::metadata(members)?;
    let number = metadata.get("external_id").and_then(Value::as_str).unwrap_or("template").to_owned();
    let order = Order {
        caller,
        generation: Generation::First,
        title: template.name,
        document: files::order_pdf(&number).into(),
        parties,
        metadata,
        webhook_url: draft::webhook_url(members)?,
        ready: true,
    };
    stored(account, order, members.get("auto_send").and_then(Value::as_bool).unwrap_or(false))
}
