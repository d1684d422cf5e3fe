//! One account as all handlers see it: the world behind a lock, the kit beside it, and the few steps they share.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use domain::time::Timestamp;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use parking_lot::{Mutex, MutexGuard};
use secrecy::ExposeSecret;
use serde_json::json;
use simulation::{Kit, clock};

use super::state::{Envelope, Event, Refusal};
use super::world::{Mail, World};
use super::{Settings, webhooks};

/// Whoever made a request.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// The API key.
    pub key: String,
    /// The connected account it acts for; none for its own.
    pub org: Option<String>,
    /// The idempotency key of the request.
    pub idempotency_key: Option<String>,
}

impl FromRequestParts<Account> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, account: &Account) -> Result<Self, Refusal> {
        account.caller(&parts.headers)
    }
}

#[derive(Clone)]
pub(super) struct Account(Arc<Inner>);

struct Inner {
    kit: Kit,
    world: Mutex<World>,
    public_url: String,
    storage_url: Option<String>,
}

impl Account {
    pub(super) fn new(kit: Kit, settings: Settings, addr: SocketAddr) -> Self {
        let keys: HashSet<String> =
            settings.api_keys.iter().map(|key| key.expose_secret().to_owned()).collect();
        let platform_keys: HashSet<String> =
            settings.platform_keys.iter().map(|key| key.expose_secret().to_owned()).collect();
        let endpoint = settings.endpoint.clone();
        let fresh = move || {
            let mut world = World::new(keys.clone(), settings.credits, settings.switches);
            world.keys.extend(platform_keys.iter().cloned());
            (world.platform_keys, world.endpoint) = (platform_keys.clone(), endpoint.clone());
            world
        };
        let account = Self(Arc::new(Inner {
            kit: kit.clone(),
            world: Mutex::new(fresh()),
            public_url: settings.public_url.unwrap_or_else(|| format!("http://{addr}")),
            storage_url: settings.storage_url,
        }));
        let reset = Arc::downgrade(&account.0);
        kit.on_reset(move |_seed| {
            if let Some(inner) = reset.upgrade() {
                *inner.world.lock() = fresh();
            }
        });
        account
    }

    pub(super) fn kit(&self) -> &Kit {
        &self.0.kit
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.0.world.lock()
    }

    pub(super) fn storage_is_elsewhere(&self) -> bool {
        self.0.storage_url.is_some()
    }

    pub(super) fn storage_link(&self, token: &str) -> String {
        let base = self.0.storage_url.as_ref().unwrap_or(&self.0.public_url);
        format!("{base}/storage/{token}.pdf")
    }

    pub(super) fn review_link(&self, envelope: &Envelope) -> String {
        format!("{}/review/{}?rt={}", self.0.public_url, envelope.id, envelope.review_token)
    }

    pub(super) fn sign_link(&self, id: &str, token: &str) -> String {
        format!("{}/sign/{id}?t={token}", self.0.public_url)
    }

    /// Who asks: a key of ours, and the connected account it acts for.
    pub(super) fn caller(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let world = self.world();
        let given = bearer(headers).or_else(|| headers.get("x-api-key")?.to_str().ok());
        let key = given.filter(|key| world.keys.contains(*key));
        let key = key.ok_or_else(|| Refusal::new(401, "unauthorized", "Missing or unknown API key"))?;
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let idempotency_key = headers.get("idempotency-key").map(text);
        let Some(account) = headers.get("atlas-account").map(|value| value.to_str().unwrap_or_default())
        else {
            return Ok(Caller { key: key.to_owned(), org: None, idempotency_key });
        };
        if !world.platform_keys.contains(key) {
            return Err(Refusal::new(403, "forbidden", "Only platform keys act for connected accounts"));
        }
        let org = super::accounts::named(&world.orgs, account);
        let org = org.ok_or_else(|| Refusal::new(404, "not_found", "No such connected account"))?;
        Ok(Caller { key: key.to_owned(), org: Some(org.id.clone()), idempotency_key })
    }

    /// Sends an envelope: every check first, then the credit, then the mail to the first party and the webhook.
    pub(super) fn send(
        &self,
        world: &mut World,
        id: &str,
        fields_version: Option<u64>,
    ) -> Result<(), Refusal> {
        let now = clock::now();
        let org = world.envelope(id)?.org.clone();
        world.not_suspended(org.as_deref())?;
        let envelope = world.envelope(id)?;
        envelope.may_send(fields_version, now)?;
        if envelope.parties.is_empty() {
            return Err(Refusal::bad_request("parties are needed to send"));
        }
        world.pay(org.as_deref())?;
        let ids = self.kit().ids();
        let events = world.envelope(id)?.send(now, || format!("pt_{}", ids.token(20)))?;
        self.invite(world, id, "invitation");
        self.tell(world, id, &events);
        Ok(())
    }

    /// Mails the party whose turn it is.
    pub(super) fn invite(&self, world: &mut World, id: &str, kind: &'static str) {
        let Ok(envelope) = world.envelope(id) else { return };
        let Some(party) = envelope.current() else { return };
        let mail = Mail {
            kind,
            to: party.email.clone(),
            name: party.name.clone(),
            subject: format!("Please sign: {}", envelope.title),
            envelope_id: id.to_owned(),
            order: party.order,
            sign_url: self.sign_link(id, &party.token),
            at: clock::iso_millis(clock::now()),
        };
        world.post(mail);
    }

    /// After one signature of several, the next party is mailed.
    pub(super) fn invite_next(&self, world: &mut World, id: &str, events: &[Event]) {
        if events.contains(&Event::SignedByOne) {
            self.invite(world, id, "invitation");
        }
    }

    /// Hands the webhooks of these events to the sender.
    pub(super) fn tell(&self, world: &World, id: &str, events: &[Event]) {
        let Some(envelope) = world.envelopes.get(id) else { return };
        for event in events {
            for message in webhooks::messages(envelope, *event, world, || self.kit().ids().token(10)) {
                self.kit().webhooks().send(message);
            }
        }
    }

    /// A vendor's window, scaled.
    pub(super) fn hours(&self, hours: u64) -> Duration {
        self.kit().scaled(Duration::from_secs(3_600 * hours))
    }
}

/// The credential of `Authorization: Bearer …`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ").map(str::trim)
}

/// Absent points in time are null.
pub(super) fn written(at: Option<Timestamp>) -> Option<String> {
    at.map(clock::iso_millis)
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response =
            (status, Json(json!({"code": self.code, "message": self.message}))).into_response();
        if let Some(pause) = self.retry_after {
            let seconds = pause.as_millis().div_ceil(1_000).to_string();
            if let Ok(value) = seconds.parse() {
                response.headers_mut().insert(header::RETRY_AFTER, value);
            }
        }
        response
    }
}
