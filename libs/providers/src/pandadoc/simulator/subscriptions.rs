//! Webhook subscriptions and their management API.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::{get, patch};
use axum::{Json, Router};
use domain::time::Timestamp;
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use serde_json::{Value, json};
use url::Url;

use super::account::{Account, Action, Workspace};
use super::words::{Event, Refusal};

const SUBSCRIPTIONS_MAX: usize = 300;
const OPTIONAL: [&str; 5] = ["metadata", "fields", "products", "tokens", "pricing"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Active,
    Inactive,
    Deactivated,
}

#[derive(Debug)]
pub(super) struct Subscription {
    pub uuid: String,
    pub name: String,
    pub url: Url,
    pub shared_key: String,
    pub standing: Standing,
    /// The first failure since the last success.
    pub failing_since: Option<Timestamp>,
    triggers: Vec<String>,
    payload: Vec<String>,
}

impl Subscription {
    /// A subscription to every event with every payload option.
    pub(super) fn new(uuid: String, name: &str, url: Url, shared_key: &str) -> Self {
        Self {
            uuid,
            name: name.to_owned(),
            url,
            shared_key: shared_key.to_owned(),
            standing: Standing::Active,
            failing_since: None,
            triggers: Event::ALL.iter().map(|event| event.word().to_owned()).collect(),
            payload: OPTIONAL.iter().map(|&option| option.to_owned()).collect(),
        }
    }

    pub(super) fn wants(&self, event: Event) -> bool {
        self.standing == Standing::Active && self.triggers.iter().any(|trigger| trigger == event.word())
    }

    /// Leaves out what the subscription did not ask for.
    pub(super) fn payload_of(&self, mut data: Value) -> Value {
        if let Value::Object(members) = &mut data {
            members.retain(|name, _| {
                !OPTIONAL.contains(&name.as_str()) || self.payload.iter().any(|option| option == name)
            });
        }
        data
    }

    fn shown(&self) -> Value {
        let standing = match self.standing {
            Standing::Active => "ACTIVE",
            Standing::Inactive => "INACTIVE",
            Standing::Deactivated => "DEACTIVATED",
        };
        json!({"uuid": self.uuid, "name": self.name, "url": self.url.as_str(), "active": self.standing == Standing::Active,
               "status": standing, "payload": self.payload, "triggers": self.triggers,
               "workspace_id": "gWk7cKcYxTbUj5V3wzqgCj", "shared_key": self.shared_key})
    }

    fn change(&mut self, body: &Value) -> Result<(), Refusal> {
        let texts = |name: &str| -> Option<Vec<String>> {
            let list = body.get(name)?.as_array()?;
            Some(list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        };
        if let Some(name) = body.get("name").and_then(Value::as_str) {
            self.name = name.to_owned();
        }
        if let Some(url) = body.get("url").and_then(Value::as_str) {
            self.url = url.parse().map_err(|_| Refusal::validation("url is not valid"))?;
        }
        if let Some(triggers) = texts("triggers") {
            if triggers.iter().any(|trigger| Event::read(trigger).is_none()) {
                return Err(Refusal::validation("unknown trigger"));
            }
            self.triggers = triggers;
        }
        if let Some(payload) = texts("payload") {
            if payload.iter().any(|option| !OPTIONAL.contains(&option.as_str())) {
                return Err(Refusal::validation("unknown payload option"));
            }
            self.payload = payload;
        }
        if let Some(active) = body.get("active").and_then(Value::as_bool) {
            self.standing = if active { Standing::Active } else { Standing::Inactive };
            self.failing_since = None;
        }
        Ok(())
    }
}

pub(super) fn routes() -> Router<Account> {
    Router::new()
        .route("/public/v1/webhook-subscriptions", get(list).post(create))
        .route("/public/v1/webhook-subscriptions/{uuid}", get(read).patch(change).delete(remove))
        .route("/public/v1/webhook-subscriptions/{uuid}/shared-key", patch(rotate))
}

fn find(workspace: &Workspace, uuid: &str) -> Result<Arc<Mutex<Subscription>>, Refusal> {
    let found = workspace.subscriptions.iter().find(|subscription| subscription.lock().uuid == uuid);
    found.cloned().ok_or_else(Refusal::not_found)
}

async fn list(State(account): State<Account>, headers: HeaderMap) -> Result<Json<Value>, Refusal> {
    account.enter(&headers, Action::Other)?;
    let workspace = account.workspace();
    let items: Vec<Value> =
        workspace.subscriptions.iter().map(|subscription| subscription.lock().shown()).collect();
    Ok(Json(json!({"items": items})))
}

async fn create(
    State(account): State<Account>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    account.enter(&headers, Action::Other)?;
    let url = body.get("url").and_then(Value::as_str).and_then(|url| url.parse().ok());
    let (Some(url), Some(name)) = (url, body.get("name").and_then(Value::as_str)) else {
        return Err(Refusal::validation("name and url are required"));
    };
    let mut workspace = account.workspace();
    if workspace.subscriptions.len() >= SUBSCRIPTIONS_MAX {
        return Err(Refusal::validation("no more than 300 subscriptions"));
    }
    let ids = account.kit().ids();
    let mut subscription = Subscription::new(ids.uuid(), name, url, &ids.token(22));
    subscription.payload.clear();
    subscription.change(&body)?;
    let shown = subscription.shown();
    workspace.subscriptions.push(Arc::new(Mutex::new(subscription)));
    Ok((StatusCode::CREATED, Json(shown)))
}

async fn read(
    State(account): State<Account>,
    headers: HeaderMap,
    Path(uuid): Path<String>,
) -> Result<Json<Value>, Refusal> {
    account.enter(&headers, Action::Other)?;
    let found = find(&account.workspace(), &uuid)?;
    let shown = found.lock().shown();
    Ok(Json(shown))
}

async fn change(
    State(account): State<Account>,
    headers: HeaderMap,
    Path(uuid): Path<String>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Refusal> {
    account.enter(&headers, Action::Other)?;
    let found = find(&account.workspace(), &uuid)?;
    let mut subscription = found.lock();
    subscription.change(&body)?;
    Ok(Json(subscription.shown()))
}

async fn remove(
    State(account): State<Account>,
    headers: HeaderMap,
    Path(uuid): Path<String>,
) -> Result<StatusCode, Refusal> {
    account.enter(&headers, Action::Other)?;
    let mut workspace = account.workspace();
    find(&workspace, &uuid)?.lock().standing = Standing::Inactive;
    workspace.subscriptions.retain(|subscription| subscription.lock().uuid != uuid);
    Ok(StatusCode::NO_CONTENT)
}

/// A new key at once; the old one is never used again.
async fn rotate(
    State(account): State<Account>,
    headers: HeaderMap,
    Path(uuid): Path<String>,
) -> Result<Json<Value>, Refusal> {
    account.enter(&headers, Action::Other)?;
    let found = find(&account.workspace(), &uuid)?;
    let mut subscription = found.lock();
    subscription.shared_key = account.kit().ids().token(22);
    Ok(Json(json!({"shared_key": subscription.shared_key})))
}
