//! The control calls that only PandaDoc has. They are no part of the vendor's interface.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use simulation::clock;

use super::Switches;
use super::account::Account;
use super::words::Refusal;

pub(super) fn routes() -> Router<Account> {
    Router::new()
        .route("/__sim/settings", get(settings).post(change))
        .route("/__sim/lock", post(lock))
        .route("/__sim/documents/{id}/reminders", get(reminders))
}

async fn settings(State(account): State<Account>) -> Json<Switches> {
    Json(account.workspace().switches)
}

/// Changes the named switches only.
async fn change(
    State(account): State<Account>,
    Json(change): Json<Map<String, Value>>,
) -> Result<Json<Switches>, Refusal> {
    let mut workspace = account.workspace();
    let mut merged = json!(workspace.switches);
    if let Value::Object(known) = &mut merged {
        known.extend(change);
    }
    workspace.switches =
        serde_json::from_value(merged).map_err(|error| Refusal::validation(&error.to_string()))?;
    Ok(Json(workspace.switches))
}

#[derive(Deserialize)]
struct Lock {
    document_id: String,
    for_ms: u64,
}

/// As if somebody had the document open in the web editor; 0 ends it.
async fn lock(State(account): State<Account>, Json(lock): Json<Lock>) -> Result<StatusCode, Refusal> {
    let mut workspace = account.workspace();
    let document = workspace.documents.get_mut(&lock.document_id).ok_or_else(Refusal::not_found)?;
    document.locked_until = Some(clock::now().after(Duration::from_millis(lock.for_ms)));
    Ok(StatusCode::NO_CONTENT)
}

/// How many reminders of a document went out: the vendor's audit trail does not say.
async fn reminders(State(account): State<Account>, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    let workspace = account.workspace();
    let document = workspace.documents.get(&id).ok_or_else(Refusal::not_found)?;
    Ok(Json(json!({"reminders": document.reminders})))
}
