//! The control calls of this simulator, beside those of the kit.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use simulation::clock;

use super::Switches;
use super::account::Account;
use super::answer::refused;
use super::state::{Author, Deal, Values};

pub(super) fn router(account: Account) -> Router {
    Router::new()
        .route("/__sim/deals", get(deals).post(create))
        .route("/__sim/deals/{id}", get(deal).delete(archive))
        .route("/__sim/ui-edit", post(edit))
        .route("/__sim/settings", get(settings).post(set))
        .route("/__sim/tokens", post(tokens))
        .route("/__sim/client-secret", post(client_secret))
        .with_state(account)
}

/// A deal with everything that was ever written to it, in order.
fn shown(deal: &Deal) -> Value {
    json!({
        "id": deal.id.to_string(),
        "properties": deal.values,
        "history": deal.history,
        "created_at": clock::iso_millis(deal.created_at),
        "updated_at": clock::iso_millis(deal.updated_at),
        "archived": deal.archived,
    })
}

async fn deals(State(account): State<Account>) -> Json<Value> {
    Json(account.portal().deals.values().map(shown).collect())
}

async fn deal(State(account): State<Account>, Path(id): Path<u64>) -> Response {
    match account.portal().deals.get(&id) {
        Some(deal) => Json(shown(deal)).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn archive(State(account): State<Account>, Path(id): Path<u64>) -> Response {
    match account.portal().archive(id) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => refused(&refusal, ""),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    #[serde(default)]
    properties: Values,
    #[serde(default = "person")]
    actor: String,
    #[serde(default = "interface")]
    source: String,
}

fn person() -> String {
    "userId:777".to_owned()
}

fn interface() -> String {
    "CRM_UI".to_owned()
}

/// A person makes a deal. Properties that do not exist yet become texts.
async fn create(State(account): State<Account>, Json(new): Json<New>) -> Response {
    account.portal().declare(new.properties.keys());
    let author = Author { source: new.source, source_id: new.actor };
    match account.create(new.properties, author).await {
        Ok(id) => (StatusCode::CREATED, Json(json!({"id": id.to_string()}))).into_response(),
        Err(refusal) => refused(&refusal, ""),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    #[serde(default)]
    #[expect(dead_code, reason = "taken for the form of crm.md §9; there are only deals here")]
    object: String,
    id: String,
    properties: Values,
    #[serde(default = "person")]
    actor: String,
    #[serde(default = "interface")]
    source: String,
}

/// A person (or, with another `source`, an import or a workflow) edits a deal.
async fn edit(State(account): State<Account>, Json(edit): Json<Edit>) -> Response {
    let Ok(id) = edit.id.parse() else { return StatusCode::NOT_FOUND.into_response() };
    account.portal().declare(edit.properties.keys());
    let author = Author { source: edit.source, source_id: edit.actor };
    match account.update(id, edit.properties, author).await {
        Ok(changed) => Json(json!({"changed": changed})).into_response(),
        Err(refusal) => refused(&refusal, ""),
    }
}

async fn settings(State(account): State<Account>) -> Json<Switches> {
    Json(account.switches())
}

/// Any subset of the switches; the others stay.
async fn set(State(account): State<Account>, Json(changes): Json<Map<String, Value>>) -> Response {
    let mut merged = serde_json::to_value(account.switches()).unwrap_or_default();
    for (name, value) in changes {
        merged[name.as_str()] = value;
    }
    match serde_json::from_value(merged) {
        Ok(switches) => {
            account.set_switches(switches);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

#[derive(Deserialize)]
struct Tokens {
    accepted: Vec<SecretString>,
}

/// Replaces the tokens that are accepted: an empty list locks everybody out.
async fn tokens(State(account): State<Account>, Json(tokens): Json<Tokens>) -> StatusCode {
    account.set_access_tokens(tokens.accepted);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct ClientSecret {
    secret: SecretString,
}

/// Replaces the secret webhooks are signed with, from the next attempt on.
async fn client_secret(State(account): State<Account>, Json(body): Json<ClientSecret>) -> StatusCode {
    account.set_client_secret(body.secret);
    StatusCode::NO_CONTENT
}
