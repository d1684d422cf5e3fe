//! Answers in HubSpot's shapes.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};
use simulation::clock;

use super::state::{Deal, Refused};

/// Properties shown when none are asked for.
const DEFAULTS: [&str; 5] = ["amount", "closedate", "dealname", "dealstage", "pipeline"];
/// Properties shown always.
const ALWAYS: [&str; 3] = ["createdate", "hs_lastmodifieddate", "hs_object_id"];

/// A standard error. `details` are pairs of property and code.
pub(super) fn error(
    status: u16,
    category: &str,
    correlation_id: &str,
    details: &[(String, &'static str)],
) -> Response {
    let errors: Vec<Value> = details
        .iter()
        .map(|(property, code)| {
            json!({"message": "property values were not valid", "code": code, "in": property, "context": {"propertyName": [property]}})
        })
        .collect();
    let mut body = json!({
        "status": "error", "message": "(simulated)", "category": category, "correlationId": correlation_id, "links": {},
    });
    if !errors.is_empty() {
        body["errors"] = errors.into();
    }
    answer(status, correlation_id, body)
}

/// The answer to a refused write or read.
pub(super) fn refused(refused: &Refused, correlation_id: &str) -> Response {
    match refused {
        Refused::NotFound => error(404, "OBJECT_NOT_FOUND", correlation_id, &[]),
        Refused::Invalid(problems) => error(400, "VALIDATION_ERROR", correlation_id, problems),
        Refused::Conflict(holder) => {
            let message = format!("a unique value is taken. Existing ID: {holder}");
            let body = json!({
                "status": "error", "message": message, "category": "CONFLICT", "correlationId": correlation_id,
            });
            answer(409, correlation_id, body)
        }
    }
}

/// 429 under one of the policies.
pub(super) fn too_many(policy: &str, correlation_id: &str) -> Response {
    let body = json!({
        "status": "error", "message": "(simulated)", "errorType": "RATE_LIMIT", "correlationId": correlation_id,
        "policyName": policy,
    });
    answer(429, correlation_id, body)
}

/// JSON with a status and the correlation id.
pub(super) fn answer(status: u16, correlation_id: &str, body: Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Json(body)).into_response();
    set(&mut response, "x-hubspot-correlation-id", correlation_id);
    response
}

/// Sets a header of ours.
pub(super) fn set(response: &mut Response, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
}

/// A deal as the object API shows it.
pub(super) fn deal(deal: &Deal, asked: &[String], with_history: &[String]) -> Value {
    let names = asked.iter().map(String::as_str);
    let names: Vec<&str> = if asked.is_empty() { DEFAULTS.to_vec() } else { names.collect() };
    let properties: Map<String, Value> = names
        .into_iter()
        .chain(ALWAYS)
        .map(|name| (name.to_owned(), deal.values.get(name).cloned().map_or(Value::Null, Value::from)))
        .collect();
    let mut body = json!({
        "id": deal.id.to_string(),
        "properties": properties,
        "createdAt": clock::iso_millis(deal.created_at),
        "updatedAt": clock::iso_millis(deal.updated_at),
        "archived": deal.archived,
    });
    if !with_history.is_empty() {
        let histories = with_history.iter().map(|name| (name.clone(), history(deal, name)));
        body["propertiesWithHistory"] = Value::Object(histories.collect());
    }
    body
}

/// Newest first, changes only.
fn history(deal: &Deal, property: &str) -> Value {
    let writes = deal.history.iter().rev().filter(|write| write.property == property && write.changed);
    writes
        .map(|write| {
            json!({
                "value": write.value, "timestamp": clock::iso_millis(write.at), "sourceType": write.source,
                "sourceId": write.source_id,
            })
        })
        .collect()
}
