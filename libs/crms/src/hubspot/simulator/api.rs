//! The object API of deals, their properties and pipelines (crm.md §2.7).

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use domain::time::Timestamp;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use simulation::clock;

use super::account::Account;
use super::answer::{self, answer, refused};
use super::schema::Kind;
use super::search;
use super::state::{Portal, Refused, Values};

/// Most inputs of one batch.
const BATCH_MAX: usize = 100;

pub(super) fn router(account: Account) -> Router {
    let objects = Router::new()
        .route("/", post(create))
        .route("/{id}", get(read).patch(update).delete(archive))
        .route("/batch/read", post(read_batch))
        .route("/search", post(find))
        .route("/merge", post(merge));
    let layer = axum::middleware::from_fn_with_state(account.clone(), super::gate::gate);
    Router::new()
        .nest("/crm/v3/objects/deals", objects.clone())
        .nest("/crm/v3/objects/0-3", objects.clone())
        .nest("/crm/objects/2026-03/0-3", objects.clone())
        .nest("/crm/objects/2026-09/0-3", objects)
        .route("/crm/v3/pipelines/deals", get(pipelines))
        .route("/crm/v3/properties/deals", get(properties).post(create_property))
        .route("/crm/v3/properties/deals/{name}", get(property))
        .layer(layer)
        .with_state(account)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    #[serde(default)]
    properties: String,
    #[serde(default)]
    properties_with_history: String,
    id_property: Option<String>,
}

#[derive(Deserialize)]
struct Properties {
    properties: Values,
}

fn names(list: &str) -> Vec<String> {
    list.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The deal meant by an id, or by the value of a unique property.
fn locate(portal: &Portal, id: &str, id_property: Option<&str>) -> Result<u64, Refused> {
    let found = match id_property {
        Some(property) => portal.find(property, id),
        None => id.parse().ok().and_then(|id| portal.deal(id)).map(|deal| deal.id),
    };
    found.ok_or(Refused::NotFound)
}

async fn read(
    State(account): State<Account>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    let correlation_id = account.kit().ids().uuid();
    let portal = account.portal();
    let found = locate(&portal, &id, asked.id_property.as_deref());
    match found.and_then(|id| portal.deal(id).ok_or(Refused::NotFound)) {
        Ok(deal) => {
            let shown = answer::deal(deal, &names(&asked.properties), &names(&asked.properties_with_history));
            answer(200, &correlation_id, shown)
        }
        Err(refusal) => refused(&refusal, &correlation_id),
    }
}

async fn update(
    State(account): State<Account>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
    Json(body): Json<Properties>,
) -> Response {
    let correlation_id = account.kit().ids().uuid();
    let written: Vec<String> = body.properties.keys().cloned().collect();
    let found = locate(&account.portal(), &id, asked.id_property.as_deref());
    let outcome = match found {
        Ok(id) => account.update(id, body.properties, account.app()).await.map(|_changed| id),
        Err(refusal) => Err(refusal),
    };
    shown(&account, outcome, 200, &written, &correlation_id)
}

async fn create(State(account): State<Account>, Json(body): Json<Properties>) -> Response {
    let correlation_id = account.kit().ids().uuid();
    let written: Vec<String> = body.properties.keys().cloned().collect();
    let outcome = account.create(body.properties, account.app()).await;
    shown(&account, outcome, 201, &written, &correlation_id)
}

/// The deal after a write.
fn shown(
    account: &Account,
    outcome: Result<u64, Refused>,
    status: u16,
    names: &[String],
    correlation_id: &str,
) -> Response {
    let portal = account.portal();
    match outcome.and_then(|id| portal.deal(id).ok_or(Refused::NotFound)) {
        Ok(deal) => answer(status, correlation_id, answer::deal(deal, names, &[])),
        Err(refusal) => refused(&refusal, correlation_id),
    }
}

async fn archive(State(account): State<Account>, Path(id): Path<u64>) -> Response {
    match account.portal().archive(id) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => refused(&refusal, &account.kit().ids().uuid()),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Merge {
    primary_object_id: String,
    object_id_to_merge: String,
}

async fn merge(State(account): State<Account>, Json(body): Json<Merge>) -> Response {
    let correlation_id = account.kit().ids().uuid();
    let (primary, other) = (body.primary_object_id.parse(), body.object_id_to_merge.parse());
    let outcome = match (primary, other) {
        (Ok(primary), Ok(other)) => account.portal().merge(primary, other).map(|()| primary),
        _ => Err(Refused::NotFound),
    };
    shown(&account, outcome, 200, &[], &correlation_id)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReadBatch {
    inputs: Vec<Input>,
    #[serde(default)]
    properties: Vec<String>,
    #[serde(default)]
    properties_with_history: Vec<String>,
    id_property: Option<String>,
}

#[derive(Deserialize)]
struct Input {
    id: String,
}

async fn read_batch(State(account): State<Account>, Json(body): Json<ReadBatch>) -> Response {
    let correlation_id = account.kit().ids().uuid();
    let mut ids: Vec<&str> = body.inputs.iter().map(|input| input.id.as_str()).collect();
    ids.sort_unstable();
    if ids.len() > BATCH_MAX || ids.windows(2).any(|pair| pair[0] == pair[1]) {
        return answer::error(400, "VALIDATION_ERROR", &correlation_id, &[]);
    }
    let portal = account.portal();
    let (mut results, mut missing) = (vec![], vec![]);
    // not in the order of the inputs, as HubSpot's
    for id in ids.into_iter().rev() {
        let found =
            locate(&portal, id, body.id_property.as_deref()).ok().and_then(|id| portal.deals.get(&id));
        match found {
            Some(deal) => results.push(answer::deal(deal, &body.properties, &body.properties_with_history)),
            None => missing.push(id),
        }
    }
    let now = clock::iso_millis(clock::now());
    let mut answered =
        json!({"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now});
    if missing.is_empty() {
        return answer(200, &correlation_id, answered);
    }
    answered["numErrors"] = 1.into();
    answered["errors"] =
        json!([{"status": "error", "category": "OBJECT_NOT_FOUND", "context": {"ids": missing}}]);
    answer(207, &correlation_id, answered)
}

async fn find(State(account): State<Account>, Json(query): Json<search::Query>) -> Response {
    let correlation_id = account.kit().ids().uuid();
    let lag = i64::try_from(account.switches().search_lag_ms).unwrap_or(i64::MAX);
    let as_of = Timestamp(clock::now().0.saturating_sub(lag));
    match search::run(&account.portal(), &query, as_of) {
        Ok(found) => answer(200, &correlation_id, found),
        Err(code) => {
            answer::error(400, "VALIDATION_ERROR", &correlation_id, &[("filterGroups".to_owned(), code)])
        }
    }
}

async fn pipelines(State(account): State<Account>) -> Json<Value> {
    Json(account.portal().schema.pipelines())
}

async fn properties(State(account): State<Account>) -> Json<Value> {
    let portal = account.portal();
    let shown: Vec<Value> =
        portal.schema.properties.keys().filter_map(|name| portal.schema.shown(name)).collect();
    Json(json!({"results": shown}))
}

async fn property(State(account): State<Account>, Path(name): Path<String>) -> Response {
    let correlation_id = account.kit().ids().uuid();
    match account.portal().schema.shown(&name) {
        Some(shown) => answer(200, &correlation_id, shown),
        None => answer::error(404, "OBJECT_NOT_FOUND", &correlation_id, &[]),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewProperty {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    options: Vec<Choice>,
    #[serde(default)]
    has_unique_value: bool,
}

#[derive(Deserialize)]
struct Choice {
    value: String,
}

async fn create_property(State(account): State<Account>, Json(new): Json<NewProperty>) -> Response {
    let correlation_id = account.kit().ids().uuid();
    let kind = match new.kind.as_str() {
        "string" => Kind::Text,
        "number" => Kind::Number,
        "date" | "datetime" => Kind::Time,
        "enumeration" => Kind::Choice(new.options.into_iter().map(|choice| choice.value).collect()),
        _ => {
            return answer::error(
                400,
                "VALIDATION_ERROR",
                &correlation_id,
                &[("type".to_owned(), "INVALID_OPTION")],
            );
        }
    };
    let schema = &mut account.portal().schema;
    if schema.properties.contains_key(&new.name) {
        return answer::error(409, "CONFLICT", &correlation_id, &[]);
    }
    schema.add(&new.name, kind, new.has_unique_value);
    answer(201, &correlation_id, schema.shown(&new.name).unwrap_or_default())
}
