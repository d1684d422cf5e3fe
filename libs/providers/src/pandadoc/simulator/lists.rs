//! Finding documents again.

use std::time::Duration;

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use domain::time::Timestamp;
use http::HeaderMap;
use serde_json::{Value, json};
use simulation::clock;

use super::account::{Account, Action};
use super::create::TEMPLATE;
use super::shape;
use super::state::Document;
use super::words::Refusal;

const COUNT_DEFAULT: usize = 50;
const COUNT_MAX: usize = 100;

pub(super) fn routes() -> Router<Account> {
    Router::new()
        .route("/public/v1/documents", get(documents))
        .route("/public/v1/templates/{id}/details", get(template))
}

/// One condition of the query; `false` leaves the document out.
fn fits(document: &Document, name: &str, value: &str) -> Result<bool, Refusal> {
    let number = || value.parse::<u64>().map_err(|_| Refusal::validation("status must be a number"));
    let time = || clock::read_iso(value).ok_or_else(|| Refusal::validation("a date is not valid"));
    let from = |at: Option<Timestamp>| Ok(at.is_some_and(|at| at >= time().unwrap_or_default()));
    let to = |at: Option<Timestamp>| Ok(at.is_some_and(|at| at < time().unwrap_or_default()));
    if name.ends_with("_from") || name.ends_with("_to") {
        time()?;
    }
    match name {
        "status" => Ok(document.status.number() == number()?),
        "status__ne" => Ok(document.status.number() != number()?),
        "id" => Ok(document.id == value),
        "q" => Ok(document.name.to_lowercase().contains(&value.to_lowercase())),
        "template_id" => Ok(document.template.as_ref().is_some_and(|(id, _)| id == value)),
        "tag" => Ok(document.tags.as_array().is_some_and(|tags| tags.iter().any(|tag| tag == value))),
        "created_from" => from(Some(document.created_at)),
        "created_to" => to(Some(document.created_at)),
        "modified_from" => from(Some(document.modified_at)),
        "modified_to" => to(Some(document.modified_at)),
        "completed_from" => from(document.completed_at),
        "completed_to" => to(document.completed_at),
        _ => match name.strip_prefix("metadata_") {
            Some(key) => Ok(document.metadata.get(key).is_some_and(|known| written(known) == value)),
            None => Ok(true),
        },
    }
}

/// Metadata as the query writes it: texts without quotes.
fn written(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

async fn documents(
    State(account): State<Account>,
    headers: HeaderMap,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Json<Value>, Refusal> {
    account.enter(&headers, Action::Other)?;
    let asks = |wanted: &str| query.iter().any(|(name, _)| name == wanted);
    if asks("template_id") && asks("form_id") {
        return Err(Refusal::new(400, "request_error", "template_id and form_id exclude each other"));
    }
    let number = |wanted: &str| -> Option<usize> {
        query.iter().find(|(name, _)| name == wanted).and_then(|(_, value)| value.parse().ok())
    };
    let count = number("count").unwrap_or(COUNT_DEFAULT).clamp(1, COUNT_MAX);
    let page = number("page").unwrap_or(1).max(1);
    let workspace = account.workspace();
    let (now, lag) = (clock::now(), Duration::from_millis(workspace.switches.search_lag_ms));
    let mut found = vec![];
    for document in workspace.order.iter().filter_map(|id| workspace.documents.get(id)) {
        let mut wanted = now.since(document.created_at) >= lag;
        for (name, value) in &query {
            wanted = wanted && fits(document, name, value)?;
        }
        if wanted {
            found.push(document);
        }
    }
    let order = query
        .iter()
        .find(|(name, _)| name == "order_by")
        .map_or("date_modified", |(_, value)| value.as_str());
    match order.trim_start_matches('-') {
        "name" => found.sort_by(|a, b| a.name.cmp(&b.name)),
        "date_created" => found.sort_by_key(|document| document.created_at),
        _ => found.sort_by_key(|document| document.modified_at),
    }
    if order.starts_with('-') {
        found.reverse();
    }
    let results: Vec<Value> =
        found.into_iter().skip((page - 1) * count).take(count).map(shape::brief).collect();
    Ok(Json(json!({"results": results})))
}

async fn template(
    State(account): State<Account>,
    headers: HeaderMap,
    axum::extract::Path(id): axum::extract::Path<String>,
) -> Result<Json<Value>, Refusal> {
    account.enter(&headers, Action::Details)?;
    if id != TEMPLATE.0 {
        return Err(Refusal::not_found());
    }
    let roles: Vec<Value> = TEMPLATE.2.iter().map(|role| json!({"name": role})).collect();
    Ok(Json(
        json!({"id": TEMPLATE.0, "name": TEMPLATE.1, "roles": roles, "tokens": [{"name": "Client.Company"}], "fields": []}),
    ))
}
