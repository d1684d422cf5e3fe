//! Access by OAuth: the token endpoint, with refresh tokens that live once.

use std::collections::HashSet;
use std::time::Duration;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use domain::time::Timestamp;
use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use simulation::{Kit, clock};

use super::account::Account;
use super::words::Refusal;

/// Life of an access token, scaled.
const ACCESS_LIFE: Duration = Duration::from_secs(31_535_999);
/// Tokens alive at once; the oldest accesses are forgotten beyond.
const ACCESSES_MAX: usize = 1_000;

/// An application that a person has given its consent.
#[derive(Clone, Debug)]
pub struct OAuthApp {
    /// Its id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretString,
    /// The refresh token of the consent.
    pub refresh_token: SecretString,
}

/// The tokens that are alive.
#[derive(Debug)]
pub(super) struct Access {
    app: Option<OAuthApp>,
    refresh: Option<String>,
    spent: HashSet<String>,
    accesses: Vec<(String, Timestamp)>,
    refreshed: u32,
    reused: u32,
}

impl Access {
    pub(super) fn new(app: Option<OAuthApp>) -> Self {
        let refresh = app.as_ref().map(|app| app.refresh_token.expose_secret().to_owned());
        Self { app, refresh, spent: HashSet::new(), accesses: vec![], refreshed: 0, reused: 0 }
    }

    /// Whether calls with this token are let in.
    pub(super) fn lets_in(&self, token: &str, now: Timestamp) -> bool {
        self.accesses.iter().any(|(alive, until)| alive == token && now < *until)
    }

    fn refresh(&mut self, asked: &Ask, kit: &Kit) -> Result<Value, Refusal> {
        let refused = |error: &str| Refusal { status: 400, body: json!({"error": error}), retry_after: None };
        let app = self.app.as_ref().ok_or_else(|| refused("invalid_client"))?;
        if asked.client_id != app.client_id || asked.client_secret != app.client_secret.expose_secret() {
            return Err(refused("invalid_client"));
        }
        if asked.grant_type != "refresh_token" {
            return Err(refused("unsupported_grant_type"));
        }
        if self.refresh.as_deref() != Some(asked.refresh_token.as_str()) {
            self.reused += u32::from(self.spent.contains(&asked.refresh_token));
            return Err(refused("invalid_grant"));
        }
        let (access, refresh) = (kit.ids().token(40), kit.ids().token(40));
        self.spent.extend(self.refresh.replace(refresh.clone()));
        self.accesses.push((access.clone(), clock::now().after(kit.scaled(ACCESS_LIFE))));
        if self.accesses.len() > ACCESSES_MAX {
            self.accesses.remove(0);
        }
        self.refreshed += 1;
        Ok(json!({"access_token": access, "token_type": "Bearer", "expires_in": ACCESS_LIFE.as_secs(),
                  "scope": "read write", "refresh_token": refresh}))
    }
}

pub(super) fn routes() -> Router<Account> {
    Router::new()
        .route("/oauth2/access_token", post(token))
        .route("/__sim/oauth", get(state))
        .route("/__sim/oauth/expire", post(expire))
        .route("/__sim/oauth/revoke", post(revoke))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Ask {
    grant_type: String,
    client_id: String,
    client_secret: String,
    refresh_token: String,
}

async fn token(State(account): State<Account>, Form(asked): Form<Ask>) -> Result<Json<Value>, Refusal> {
    let kit = account.kit().clone();
    account.workspace().access.refresh(&asked, &kit).map(Json)
}

/// How often tokens were refreshed, and how often a spent refresh token came again.
async fn state(State(account): State<Account>) -> Json<Value> {
    let access = &account.workspace().access;
    Json(json!({"refreshed": access.refreshed, "reused": access.reused, "alive": access.accesses.len()}))
}

/// Every access token ends now; the refresh token stays.
async fn expire(State(account): State<Account>) -> StatusCode {
    account.workspace().access.accesses.clear();
    StatusCode::NO_CONTENT
}

/// The person takes the consent back: everything ends.
async fn revoke(State(account): State<Account>) -> StatusCode {
    let access = &mut account.workspace().access;
    access.accesses.clear();
    access.refresh = None;
    StatusCode::NO_CONTENT
}
