//! What people do in the vendor's web application: sales people and recipients. No part of its API.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value, json};
use simulation::clock;

use super::account::Account;
use super::state::{Document, Told};
use super::words::{Event, Refusal, Status};
use super::{create, shape};

pub(super) fn routes() -> Router<Account> {
    Router::new()
        .route("/__sim/ui/documents", post(make))
        .route("/__sim/ui/documents/{id}/{act}", post(act))
        .route("/__sim/ui/events", post(raise))
}

/// Members of a JSON object or of a form; an empty body has none.
fn members(headers: &HeaderMap, body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    if is_form(headers) {
        let pairs = url::form_urlencoded::parse(body).filter(|(_, value)| !value.is_empty());
        return Ok(pairs
            .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
            .collect());
    }
    if body.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_slice(body).map_err(|_| Refusal::validation("the body is not a JSON object"))
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.starts_with("application/x-www-form-urlencoded")
}

/// A sales person makes a document: at once a draft, with two recipients unless others are named.
async fn make(State(account): State<Account>, headers: HeaderMap, body: Bytes) -> Result<Response, Refusal> {
    let body = members(&headers, &body)?;
    let mut metadata = body.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
    if let Some(deal) = body.get("deal_id") {
        metadata.insert("deal_id".into(), deal.clone());
    }
    let usual = json!([
        {"email": "dana@buyer.test", "first_name": "Dana", "last_name": "Buyer", "role": "Client", "signing_order": 1},
        {"email": "sam@acme.test", "first_name": "Sam", "last_name": "Seller", "role": "Sender", "signing_order": 2},
    ]);
    let recipients = create::recipients(&account, Some(body.get("recipients").unwrap_or(&usual)))?;
    let name = body.get("name").and_then(Value::as_str).unwrap_or("Offer").to_owned();
    let document = create::blank(&account, name, recipients, metadata, clock::now());
    let (id, workspace) = (document.id.clone(), &mut *account.workspace());
    account.take_in(workspace, document)?;
    let shown =
        account.change(workspace, &id, |document| Ok(document.created(clock::now())), shape::brief)?;
    Ok(if is_form(&headers) { to_page(&id) } else { (StatusCode::CREATED, Json(shown)).into_response() })
}

fn to_page(id: &str) -> Response {
    Redirect::to(&format!("/documents/{id}")).into_response()
}

async fn act(
    State(account): State<Account>,
    Path((id, act)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let body = members(&headers, &body)?;
    if act == "delete" {
        account.forget(&id)?;
        return Ok(if is_form(&headers) {
            Redirect::to("/").into_response()
        } else {
            StatusCode::NO_CONTENT.into_response()
        });
    }
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let (who, reason, now) = (text("recipient"), text("reason"), clock::now());
    let workspace = &mut *account.workspace();
    let (approval, payment) = (workspace.switches.approval, workspace.switches.payment);
    let change = |document: &mut Document| -> Result<Told, Refusal> {
        match act.as_str() {
            "send" => document.send(approval, now),
            "schedule" => document.schedule(now),
            "suggest" => document.suggest(true, now),
            "resolve" => document.suggest(false, now),
            "approve" => document.approve(true, now),
            "reject" => document.approve(false, now),
            "view" => document.view(now),
            "sign" => document.sign(who, payment, now),
            "pay" => document.pay(now),
            "decline" => document.decline(who, reason, now),
            "expire" => document.expire(now),
            "edit-back-to-draft" => document.revert(now),
            "complete-by-hand" => document.set(Status::Completed, payment, reason, now),
            "decline-by-hand" => document.set(Status::Declined, payment, reason, now),
            "expire-by-hand" => document.set(Status::Voided, payment, reason, now),
            _ => Err(Refusal::not_found()),
        }
    };
    let shown = account.change(workspace, &id, change, shape::brief)?;
    Ok(if is_form(&headers) { to_page(&id) } else { Json(shown).into_response() })
}

/// Any of the thirteen events, about a document (`document_id`) or with the `data` given.
async fn raise(State(account): State<Account>, Json(body): Json<Value>) -> Result<StatusCode, Refusal> {
    let event = body.get("event").and_then(Value::as_str).and_then(Event::read);
    let event = event.ok_or_else(|| Refusal::validation("unknown event"))?;
    let workspace = &mut *account.workspace();
    match body.get("document_id").and_then(Value::as_str) {
        Some(id) => account.change(workspace, id, |_| Ok(vec![(event, None)]), |_| ())?,
        None => account.publish(workspace, event.word(), event, body.get("data").unwrap_or(&Value::Null)),
    }
    Ok(StatusCode::NO_CONTENT)
}
