//! The control calls every simulator has, under `/__sim`. They are no part of any vendor's interface.

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::faults::RuleWire;
use crate::webhooks::Disturbance;
use crate::{Kit, Rule};

pub(crate) fn router(kit: Kit) -> Router {
    Router::new()
        .route("/__sim/requests", get(requests))
        .route("/__sim/reset", post(reset))
        .route("/__sim/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/__sim/webhooks", get(disturbance).post(disturb))
        .route("/__sim/webhooks/flush", post(flush))
        .route("/__sim/deliveries", get(deliveries))
        .with_state(kit)
}

#[derive(Deserialize)]
struct Filter {
    method: Option<String>,
    #[serde(default)]
    path_prefix: String,
    event: Option<String>,
    lane: Option<String>,
}

async fn requests(State(kit): State<Kit>, Query(filter): Query<Filter>) -> Json<Value> {
    Json(json!(kit.journal().requests(filter.method.as_deref(), &filter.path_prefix)))
}

#[derive(Default, Deserialize)]
struct Reset {
    seed: Option<u64>,
}

async fn reset(State(kit): State<Kit>, body: Option<Json<Reset>>) -> StatusCode {
    kit.reset(body.map(|Json(body)| body).unwrap_or_default().seed);
    StatusCode::NO_CONTENT
}

async fn faults(State(kit): State<Kit>) -> Json<Value> {
    let shown = |rule: &Rule| {
        let Rule { method, path, after, times, action } = rule;
        json!({"match": {"method": method, "path": path}, "after": after, "times": times, "action": action.name()})
    };
    Json(kit.faults().rules().iter().map(shown).collect())
}

async fn add_fault(State(kit): State<Kit>, Json(wire): Json<RuleWire>) -> Response {
    match Rule::try_from(wire) {
        Ok(rule) => {
            kit.faults().add(rule);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(reason) => (StatusCode::BAD_REQUEST, reason).into_response(),
    }
}

async fn clear_faults(State(kit): State<Kit>) -> StatusCode {
    kit.faults().clear();
    StatusCode::NO_CONTENT
}

async fn disturbance(State(kit): State<Kit>) -> Json<Disturbance> {
    Json(kit.webhooks().disturbance())
}

async fn disturb(State(kit): State<Kit>, Json(disturbance): Json<Disturbance>) -> StatusCode {
    kit.webhooks().disturb(disturbance);
    StatusCode::NO_CONTENT
}

#[derive(Default, Deserialize)]
struct Flush {
    #[serde(default)]
    permute: Vec<usize>,
}

async fn flush(State(kit): State<Kit>, body: Option<Json<Flush>>) -> Json<Value> {
    let Flush { permute } = body.map(|Json(body)| body).unwrap_or_default();
    Json(json!({"released": kit.webhooks().flush(&permute).await}))
}

async fn deliveries(State(kit): State<Kit>, Query(filter): Query<Filter>) -> Json<Value> {
    let mut deliveries = match filter.lane {
        Some(lane) => kit.webhooks().deliveries_of(&lane),
        None => kit.webhooks().deliveries(),
    };
    deliveries.retain(|delivery| filter.event.as_ref().is_none_or(|event| *event == delivery.event));
    Json(json!(deliveries))
}
