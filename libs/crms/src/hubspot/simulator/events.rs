//! From changes to signed deliveries.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use signatures::{hmac_sha256, sha256_hex};
use simulation::Kit;
use simulation::webhooks::{Attempt, Message, OnAnswer, Signed};
use tokio::sync::oneshot;
use url::Url;

use super::state::Change;
use super::{Settings, Switches};

/// Most events in one delivery.
const EVENTS_MAX: usize = 100;
/// Most events that wait for their delivery; more are lost, as HubSpot loses them after a day.
const WAITING_MAX: usize = 100_000;
/// Longest wait of an answer for its own event.
const ECHO_WAIT_MAX: Duration = Duration::from_secs(2);

/// What deliveries are addressed and signed with.
pub(super) struct Signer {
    portal_id: u64,
    app_id: u64,
    secret: Mutex<SecretString>,
    /// The signed address and the one really called.
    addresses: Option<(Url, Url)>,
}

impl Signer {
    pub(super) fn new(settings: &Settings) -> Self {
        let signed = settings.webhook_url.clone();
        Self {
            portal_id: settings.portal_id,
            app_id: settings.app_id,
            secret: Mutex::new(settings.client_secret.clone()),
            addresses: signed.map(|url| (url.clone(), settings.deliver_to.clone().unwrap_or(url))),
        }
    }

    pub(super) fn set_secret(&self, secret: SecretString) {
        *self.secret.lock() = secret;
    }

    /// Version 3 over this attempt's time, version 1 beside it.
    fn sign(&self, (signed, called): &(Url, Url), attempt: &Attempt<'_>) -> Signed {
        let secret = attempt.key(self.secret.lock().expose_secret());
        let timestamp = attempt.now.0.to_string();
        let parts: [&[u8]; 4] = [b"POST", signed.as_str().as_bytes(), attempt.body, timestamp.as_bytes()];
        let digest = attempt.digest(hmac_sha256(secret.as_bytes(), &parts));
        let version_1 = sha256_hex(&[secret.as_bytes(), attempt.body].concat());
        let headers = [
            ("x-hubspot-request-timestamp", timestamp),
            ("x-hubspot-signature-v3", STANDARD.encode(digest)),
            ("x-hubspot-signature-version", "v1".to_owned()),
            ("x-hubspot-signature", version_1),
        ];
        Signed {
            url: called.clone(),
            headers: headers.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        }
    }
}

/// Collects events for a moment and hands them over as batches.
#[derive(Clone)]
pub(super) struct Collector(Arc<Inner>);

struct Inner {
    kit: Kit,
    signer: Arc<Signer>,
    waiting: Mutex<Vec<Event>>,
    events: AtomicU64,
}

struct Event {
    deal: u64,
    body: Value,
}

impl Collector {
    pub(super) fn new(kit: Kit, signer: Arc<Signer>) -> Self {
        Self(Arc::new(Inner { kit, signer, waiting: Mutex::default(), events: AtomicU64::new(1000) }))
    }

    /// Forgets what waits.
    pub(super) fn clear(&self) {
        self.0.waiting.lock().clear();
    }

    /// Sends the changes with whatever else comes in within the window.
    pub(super) fn collect(&self, changes: &[Change], switches: &Switches) {
        let events: Vec<Event> = changes.iter().map(|change| self.event(change, switches)).collect();
        let first = {
            let mut waiting = self.0.waiting.lock();
            let first = waiting.is_empty();
            let room = WAITING_MAX.saturating_sub(waiting.len());
            waiting.extend(events.into_iter().take(room));
            first
        };
        if first {
            let (collector, window) = (self.clone(), Duration::from_millis(switches.collect_ms));
            self.0.kit.spawn(async move {
                tokio::time::sleep(window).await;
                let mut events = std::mem::take(&mut *collector.0.waiting.lock());
                while !events.is_empty() {
                    let rest = events.split_off(events.len().min(EVENTS_MAX));
                    collector.send(events, None);
                    events = rest;
                }
            });
        }
    }

    /// Sends the changes at once and waits until they were answered, at most for a short while.
    pub(super) async fn deliver_first(&self, changes: &[Change], switches: &Switches) {
        let events = changes.iter().map(|change| self.event(change, switches)).collect();
        let (told, answered) = oneshot::channel();
        let told = Mutex::new(Some(told));
        let hear: OnAnswer = Arc::new(move |_answer| {
            if let Some(told) = told.lock().take() {
                // nobody waits any more: the caller gave up
                let _ = told.send(());
            }
            true
        });
        self.send(events, Some(hear));
        let _ = tokio::time::timeout(ECHO_WAIT_MAX, answered).await;
    }

    fn send(&self, events: Vec<Event>, on_answer: Option<OnAnswer>) {
        let signer = Arc::clone(&self.0.signer);
        let Some(addresses) = signer.addresses.clone() else { return };
        let Some(first) = events.first() else { return };
        // one deal's deliveries start in order; a mixed batch stands for itself
        let alone = events.iter().all(|event| event.deal == first.deal);
        let lane = if alone { first.deal.to_string() } else { format!("batch-{}", first.body["eventId"]) };
        let event = first.body["subscriptionType"].as_str().unwrap_or_default().to_owned();
        let bodies: Vec<Value> = events.into_iter().map(|event| event.body).collect();
        self.0.kit.webhooks().send(Message {
            event,
            lane,
            body: Bytes::from(Value::Array(bodies).to_string()),
            sign: Arc::new(move |attempt| signer.sign(&addresses, attempt)),
            retries: None,
            on_answer,
        });
    }

    fn event(&self, change: &Change, switches: &Switches) -> Event {
        let signer = &self.0.signer;
        let family = if switches.generic_events { "object" } else { "deal" };
        let kind = if change.property.is_some() { "propertyChange" } else { "creation" };
        let mut body = json!({
            "eventId": self.0.events.fetch_add(1, Ordering::SeqCst) + 1,
            "subscriptionId": 7001,
            "portalId": signer.portal_id,
            "appId": signer.app_id,
            "occurredAt": change.at.0,
            "subscriptionType": format!("{family}.{kind}"),
            "attemptNumber": 0,
            "objectId": change.deal,
            "changeSource": change.author.source,
            "sourceId": change.author.source_id,
        });
        if switches.generic_events {
            body["objectTypeId"] = "0-3".into();
        }
        match &change.property {
            Some((name, value)) => {
                body["propertyName"] = name.as_str().into();
                body["propertyValue"] = value.as_str().into();
            }
            None => body["changeFlag"] = "CREATED".into(),
        }
        if self.0.kit.ids().chance(20) {
            body["isSensitive"] = false.into();
        }
        Event { deal: change.deal, body }
    }
}
