//! The control calls that only Atlas has. They are no part of the vendor's interface.

use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, StatusCode, header};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use simulation::clock;
use simulation::html::{escape, page, section, table};

use super::Switches;
use super::shared::Account;
use super::state::{Detection, Refusal};
use super::world::{DetectionRule, Template};

const RULES_MAX: usize = 1_000;

pub(super) fn routes() -> Router<Account> {
    Router::new()
        .route("/__sim/settings", get(settings).post(change_settings))
        .route("/__sim/detection", post(detection))
        .route("/__sim/credits", get(credits).post(set_credits))
        .route("/__sim/account", post(account_state))
        .route("/__sim/keys", post(keys))
        .route("/__sim/fields-version", post(bump))
        .route("/__sim/templates", post(template))
        .route("/__sim/inbox", get(inbox))
        .route("/__sim/envelopes", get(envelopes))
        .route("/__sim/envelopes/{id}/parties", post(edit_parties))
        .route("/__sim/envelopes/{id}/expire", post(expire))
        .route("/__sim/endpoint", post(endpoint))
}

/// The deadline of an envelope of generation 2 passes.
async fn expire(State(account): State<Account>, Path(id): Path<String>) -> Result<StatusCode, Refusal> {
    let world = &mut *account.world();
    let events = world.envelope(&id)?.expire(clock::now())?;
    account.tell(world, &id, &events);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct Endpoint {
    url: String,
    secret: SecretString,
}

/// Where generation 2 reports from now on; the vendor has a dashboard for it.
async fn endpoint(
    State(account): State<Account>,
    Json(Endpoint { url, secret }): Json<Endpoint>,
) -> Result<StatusCode, Refusal> {
    let url = url.parse().map_err(|_| Refusal::bad_request("url is not a URL"))?;
    account.world().endpoint = Some((url, secret));
    Ok(StatusCode::NO_CONTENT)
}

async fn settings(State(account): State<Account>) -> Json<Switches> {
    Json(account.world().switches)
}

/// Changes the named switches only.
async fn change_settings(
    State(account): State<Account>,
    Json(change): Json<Map<String, Value>>,
) -> Result<Json<Switches>, Refusal> {
    let mut world = account.world();
    let mut merged = json!(world.switches);
    if let Value::Object(known) = &mut merged {
        known.extend(change);
    }
    world.switches =
        serde_json::from_value(merged).map_err(|error| Refusal::bad_request(error.to_string()))?;
    Ok(Json(world.switches))
}

#[derive(Deserialize)]
#[serde(untagged)]
enum DetectionOrder {
    Existing { envelope_id: String, outcome: Detection },
    Future(DetectionRule),
}

async fn detection(
    State(account): State<Account>,
    Json(order): Json<DetectionOrder>,
) -> Result<StatusCode, Refusal> {
    let mut world = account.world();
    match order {
        DetectionOrder::Existing { envelope_id, outcome: Detection::Pending } => {
            world.envelope(&envelope_id)?.detection = (Detection::Ready, domain::time::Timestamp(i64::MAX));
        }
        DetectionOrder::Existing { envelope_id, outcome } => {
            world.envelope(&envelope_id)?.detection = (outcome, clock::now());
        }
        DetectionOrder::Future(rule) if world.detection_rules.len() < RULES_MAX => {
            world.detection_rules.push(rule)
        }
        DetectionOrder::Future(_) => return Err(Refusal::bad_request("Too many rules")),
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn credits(State(account): State<Account>) -> Json<Value> {
    Json(json!({"credits": account.world().credits}))
}

#[derive(Deserialize)]
struct Credits {
    credits: u64,
}

async fn set_credits(State(account): State<Account>, Json(Credits { credits }): Json<Credits>) -> StatusCode {
    account.world().credits = credits;
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct AccountState {
    suspended: bool,
}

async fn account_state(
    State(account): State<Account>,
    Json(AccountState { suspended }): Json<AccountState>,
) -> StatusCode {
    account.world().suspended = suspended;
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct Keys {
    add: Option<String>,
    /// May act for connected accounts.
    add_platform: Option<String>,
    revoke: Option<String>,
}

async fn keys(
    State(account): State<Account>,
    Json(Keys { add, add_platform, revoke }): Json<Keys>,
) -> StatusCode {
    let mut world = account.world();
    world.keys.extend(add.into_iter().chain(add_platform.clone()));
    world.platform_keys.extend(add_platform);
    if let Some(key) = revoke {
        world.keys.remove(&key);
    }
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct Bump {
    envelope_id: String,
}

/// As if somebody else had edited the fields.
async fn bump(
    State(account): State<Account>,
    Json(Bump { envelope_id }): Json<Bump>,
) -> Result<Json<Value>, Refusal> {
    let mut world = account.world();
    let envelope = world.envelope(&envelope_id)?;
    envelope.fields_version += 1;
    Ok(Json(json!({"fields_version": envelope.fields_version})))
}

async fn template(State(account): State<Account>, Json(template): Json<Template>) -> StatusCode {
    account.world().templates.insert(template.template_id.clone(), template);
    StatusCode::NO_CONTENT
}

/// The mails that went out, newest first: for programs as JSON, for people as a page.
async fn inbox(State(account): State<Account>, headers: HeaderMap) -> Response {
    let world = account.world();
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !accept.contains("text/html") {
        return Json(world.mails.iter().rev().collect::<Vec<_>>()).into_response();
    }
    let rows: Vec<Vec<String>> = world
        .mails
        .iter()
        .rev()
        .take(200)
        .map(|mail| {
            let link = format!("<a href=\"{}\">{}</a>", escape(&mail.sign_url), escape(&mail.subject));
            vec![mail.at.clone(), escape(&mail.name), escape(&mail.to), mail.kind.to_owned(), link]
        })
        .collect();
    let list = table(&["At", "To", "Address", "Kind", "Mail"], &rows);
    Html(page("Atlas", "Inbox", &section("Mails sent, newest first", &list))).into_response()
}

/// Every envelope with the links that people hold.
async fn envelopes(State(account): State<Account>) -> Json<Value> {
    let world = account.world();
    let now = clock::now();
    let shown = world.order.iter().filter_map(|id| world.envelopes.get(id)).map(|envelope| {
        let links = envelope.parties.iter().filter(|party| !party.token.is_empty());
        let links: Vec<String> = links.map(|party| account.sign_link(&envelope.id, &party.token)).collect();
        json!({"envelope_id": envelope.id, "title": envelope.title, "status": envelope.status.word(),
               "fields_status": envelope.detection_at(now).word(), "metadata": envelope.metadata,
               "review_url": account.review_link(envelope), "sign_urls": links})
    });
    Json(shown.collect())
}

/// As if the reviewer had replaced the parties of a draft.
async fn edit_parties(
    State(account): State<Account>,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Result<StatusCode, Refusal> {
    let parties = super::draft::parties(body.get("parties"))?;
    account.world().envelope(&id)?.parties = parties;
    Ok(StatusCode::NO_CONTENT)
}
