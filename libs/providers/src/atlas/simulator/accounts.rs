//! Connected accounts: a platform's clients, each with envelopes and perhaps credits of its own (contract §16).

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::routing::{patch, post};
use axum::{Json, Router};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::shared::Account;
use super::state::Refusal;

const ORGS_MAX: usize = 10_000;

pub(super) fn routes() -> Router<Account> {
    Router::new()
        .route("/api/platform/connected-accounts", post(provide).get(list))
        .route("/api/platform/connected-accounts/{id}", patch(change))
}

/// One connected account.
#[derive(Clone, Debug)]
pub(super) struct Org {
    pub id: String,
    external_id: String,
    name: String,
    billing: Billing,
    status: Status,
    /// Its own credits, where it pays itself.
    pub credits: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Billing {
    #[default]
    PlatformPays,
    ChildPays,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Active,
    Suspended,
}

impl Org {
    pub(super) fn pays_itself(&self) -> bool {
        self.billing == Billing::ChildPays
    }

    pub(super) fn is_suspended(&self) -> bool {
        self.status == Status::Suspended
    }

    fn shown(&self) -> Value {
        let status = if self.is_suspended() { "suspended" } else { "active" };
        let billing = if self.pays_itself() { "child_pays" } else { "platform_pays" };
        json!({"connected_org_id": self.id, "external_id": self.external_id, "name": self.name,
               "billing_mode": billing, "status": status, "credits": self.credits})
    }
}

/// The account that a header names: `ext_` and its external id, or its own id.
pub(super) fn named<'a>(orgs: &'a BTreeMap<String, Org>, name: &str) -> Option<&'a Org> {
    match name.strip_prefix("ext_") {
        Some(external_id) => orgs.get(external_id),
        None => orgs.values().find(|org| org.id == name),
    }
}

/// Only a platform key may look after accounts.
fn platform(account: &Account, headers: &HeaderMap) -> Result<(), Refusal> {
    let caller = account.caller(headers)?;
    if account.world().platform_keys.contains(&caller.key) {
        return Ok(());
    }
    Err(Refusal::new(403, "forbidden", "Not a platform key"))
}

#[derive(Deserialize)]
struct Wish {
    external_id: String,
    name: String,
    #[serde(default)]
    billing_mode: Billing,
    #[serde(default)]
    initial_credits: u64,
}

/// The same external id again is the same account.
async fn provide(
    State(account): State<Account>,
    headers: HeaderMap,
    Json(wish): Json<Wish>,
) -> Result<Json<Value>, Refusal> {
    platform(&account, &headers)?;
    let id = account.kit().ids().uuid();
    let mut world = account.world();
    let created = !world.orgs.contains_key(&wish.external_id);
    if created && world.orgs.len() >= ORGS_MAX {
        return Err(Refusal::bad_request("Too many accounts"));
    }
    let org = world.orgs.entry(wish.external_id.clone()).or_insert_with(|| Org {
        id,
        external_id: wish.external_id,
        name: wish.name,
        billing: wish.billing_mode,
        status: Status::Active,
        credits: wish.initial_credits,
    });
    Ok(Json(json!({"success": true, "connected_org_id": org.id, "external_id": org.external_id,
                   "created": created, "next_step": "Name it in the Atlas-Account header"})))
}

async fn list(State(account): State<Account>, headers: HeaderMap) -> Result<Json<Value>, Refusal> {
    platform(&account, &headers)?;
    let accounts: Vec<Value> = account.world().orgs.values().map(Org::shown).collect();
    Ok(Json(json!({"items": accounts})))
}

#[derive(Deserialize)]
struct Change {
    status: Option<Status>,
    billing_mode: Option<Billing>,
}

async fn change(
    State(account): State<Account>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Json(change): Json<Change>,
) -> Result<Json<Value>, Refusal> {
    platform(&account, &headers)?;
    let mut world = account.world();
    let org = world.orgs.values_mut().find(|org| org.id == id);
    let org = org.ok_or_else(|| Refusal::new(404, "not_found", "No such connected account"))?;
    org.status = change.status.unwrap_or(org.status);
    org.billing = change.billing_mode.unwrap_or(org.billing);
    Ok(Json(org.shown()))
}
