//! The history of webhook deliveries, for filling gaps after an outage.

use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::routing::get;
use axum::{Json, Router};
use http::HeaderMap;
use serde_json::{Value, json};
use simulation::clock;

use super::account::{Account, Action};
use super::webhooks::Delivery;
use super::words::Refusal;

const COUNT_MAX: usize = 100;
/// How long the history is kept, scaled.
const RETENTION: Duration = Duration::from_secs(15 * 24 * 3_600);

pub(super) fn routes() -> Router<Account> {
    Router::new()
        .route("/public/v1/webhook-events", get(list))
        .route("/public/v1/webhook-events/{uuid}", get(read))
}

fn brief(delivery: &Delivery) -> Value {
    json!({"uuid": delivery.uuid, "name": delivery.name, "type": delivery.kind, "http_status_code": delivery.status,
           "error": delivery.error, "delivery_time": clock::iso_micros(delivery.delivery_time)})
}

fn kept(account: &Account, delivery: &Delivery) -> bool {
    clock::now().since(delivery.event_time) < account.kit().scaled(RETENTION)
}

/// One condition of the query. Status codes are asked for by their hundreds.
fn fits(delivery: &Delivery, name: &str, values: &[&str]) -> bool {
    let Some(value) = values.first() else { return true };
    let at = || clock::read_iso(value).unwrap_or_default();
    match name {
        "since" => delivery.delivery_time >= at(),
        "to" => delivery.delivery_time < at(),
        "type" => values.contains(&delivery.kind.as_str()),
        "http_status_code" => {
            delivery.status.is_some_and(|status| values.contains(&(status / 100 * 100).to_string().as_str()))
        }
        "error" => delivery.error.is_some_and(|error| values.contains(&error)),
        _ => true,
    }
}

async fn list(
    State(account): State<Account>,
    headers: HeaderMap,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Json<Value>, Refusal> {
    account.enter(&headers, Action::Other)?;
    let values = |wanted: &str| -> Vec<&str> {
        let named = query.iter().filter(|(name, _)| name.trim_end_matches("[]") == wanted);
        named.map(|(_, value)| value.as_str()).collect()
    };
    let number = |name: &str| values(name).first().and_then(|value| value.parse::<usize>().ok());
    let (Some(count), Some(page)) = (number("count"), number("page")) else {
        return Err(Refusal::validation("count and page are required"));
    };
    let (count, page) = (count.clamp(1, COUNT_MAX), page.max(1));
    let workspace = account.workspace();
    let names = ["since", "to", "type", "http_status_code", "error"];
    let wanted = |delivery: &&Delivery| names.iter().all(|name| fits(delivery, name, &values(name)));
    let found = workspace.deliveries.iter().rev().filter(|one| kept(&account, one)).filter(wanted);
    let items: Vec<Value> = found.skip((page - 1) * count).take(count).map(brief).collect();
    Ok(Json(json!({"items": items})))
}

async fn read(
    State(account): State<Account>,
    headers: HeaderMap,
    Path(uuid): Path<String>,
) -> Result<Json<Value>, Refusal> {
    account.enter(&headers, Action::Other)?;
    let workspace = account.workspace();
    let mut known = workspace.deliveries.iter().filter(|delivery| kept(&account, delivery));
    let delivery = known.find(|delivery| delivery.uuid == uuid).ok_or_else(Refusal::not_found)?;
    let mut shown = brief(delivery);
    let more = json!({
        "url": delivery.url, "signature": delivery.signature, "request_body": delivery.request_body,
        "response_body": delivery.response_body, "response_headers": {},
        "event_time": clock::iso_micros(delivery.event_time),
    });
    if let (Value::Object(shown), Value::Object(more)) = (&mut shown, more) {
        shown.extend(more);
    }
    Ok(Json(shown))
}
