//! One account as all handlers see it: the world behind a lock, the kit beside it, and the few steps they share.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use domain::time::Timestamp;
use http::{HeaderMap, StatusCode, header};
use parking_lot::{Mutex, MutexGuard};
use secrecy::ExposeSecret;
use serde_json::json;
use simulation::{Kit, clock};

use super::state::{Envelope, Event, Refusal};
use super::world::{Mail, World};
use super::{Settings, webhooks};

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
        let fresh = move || World::new(keys.clone(), settings.credits, settings.switches);
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

    /// The API key of a request, if it is one of ours.
    pub(super) fn key(&self, headers: &HeaderMap) -> Result<String, Refusal> {
        let key = bearer(headers).filter(|key| self.world().keys.contains(*key));
        key.map(str::to_owned).ok_or_else(|| Refusal::new(401, "unauthorized", "Missing or unknown API key"))
    }

    /// Sends an envelope: every check first, then the credit, then the mail to the first party and the webhook.
    pub(super) fn send(
        &self,
        world: &mut World,
        id: &str,
        fields_version: Option<u64>,
    ) -> Result<(), Refusal> {
        let now = clock::now();
        world.envelope(id)?;
        world.not_suspended()?;
        let envelope = world.envelope(id)?;
        envelope.may_send(fields_version, now)?;
        if envelope.parties.is_empty() {
            return Err(Refusal::bad_request("parties are needed to send"));
        }
        world.pay()?;
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
            if let Some(message) = webhooks::message(envelope, *event, &world.switches, clock::now()) {
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
