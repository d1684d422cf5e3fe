//! Deliveries: arrays of events, one per subscription, signed in the query.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::time::Timestamp;
use parking_lot::Mutex;
use serde_json::{Value, json};
use simulation::clock;
use simulation::webhooks::{Answer, Attempt, Message, Signed};

use super::account::{Account, Workspace};
use super::shape;
use super::state::{Document, Recipient};
use super::subscriptions::{Standing, Subscription};
use super::words::Event;

const DELIVERIES_MAX: usize = 50_000;
const BACKOFF_SECONDS: [u64; 3] = [5, 25, 125];
const DEACTIVATED_AFTER: Duration = Duration::from_secs(7 * 24 * 3_600);

/// One delivery as the events API shows it.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    pub uuid: String,
    pub name: String,
    pub kind: String,
    pub url: String,
    pub signature: String,
    pub request_body: String,
    pub response_body: String,
    pub status: Option<u16>,
    pub error: Option<&'static str>,
    pub event_time: Timestamp,
    pub delivery_time: Timestamp,
}

/// The history, oldest first, bounded.
pub(super) type Deliveries = VecDeque<Delivery>;

/// Events waiting for company, by subscription and document.
pub(super) type Batches = HashMap<(String, String), Vec<(Event, Value)>>;

impl Account {
    /// Tells every active subscription that asked for it what happened to a document.
    pub(super) fn tell(&self, workspace: &mut Workspace, id: &str, told: &[(Event, Option<String>)]) {
        for (event, who) in told {
            let Some(document) = workspace.documents.get(id) else { return };
            let data = data(document, *event, who.as_deref(), workspace.switches.action_on);
            self.publish(workspace, id, *event, &data);
        }
    }

    /// Hands one event to the subscriptions. `lane`: what it is about.
    pub(super) fn publish(&self, workspace: &mut Workspace, lane: &str, event: Event, data: &Value) {
        let batch_ms = workspace.switches.batch_ms;
        for subscription in workspace.subscriptions.clone() {
            let (uuid, data) = {
                let subscription = subscription.lock();
                if !subscription.wants(event) {
                    continue;
                }
                (subscription.uuid.clone(), subscription.payload_of(data.clone()))
            };
            if batch_ms == 0 {
                self.deliver(workspace, &subscription, lane, &[(event, data)]);
                continue;
            }
            let slot = (uuid, lane.to_owned());
            let batch = workspace.batches.entry(slot.clone()).or_default();
            batch.push((event, data));
            if batch.len() == 1 {
                self.close_later(subscription, slot, batch_ms, workspace.epoch);
            }
        }
    }

    fn close_later(
        &self,
        subscription: Arc<Mutex<Subscription>>,
        slot: (String, String),
        batch_ms: u64,
        epoch: u64,
    ) {
        let account = self.clone();
        self.kit().spawn(async move {
            tokio::time::sleep(Duration::from_millis(batch_ms)).await;
            let workspace = &mut *account.workspace();
            if workspace.epoch != epoch {
                return;
            }
            if let Some(batch) = workspace.batches.remove(&slot) {
                account.deliver(workspace, &subscription, &slot.1, &batch);
            }
        });
    }

    fn deliver(
        &self,
        workspace: &mut Workspace,
        subscription: &Arc<Mutex<Subscription>>,
        lane: &str,
        batch: &[(Event, Value)],
    ) {
        let Some((first, _)) = batch.first() else { return };
        let elements: Vec<Value> =
            batch.iter().map(|(event, data)| json!({"event": event.word(), "data": data})).collect();
        let body = Bytes::from(Value::from(elements).to_string());
        let (uuid, switches) = (self.kit().ids().uuid(), workspace.switches);
        let header =
            switches.event_id_header.then(|| ("X-PandaDoc-Webhook-Event-Id".to_owned(), uuid.clone()));
        let now = clock::now();
        workspace.deliveries.push_back(Delivery {
            uuid: uuid.clone(),
            name: subscription.lock().name.clone(),
            kind: first.word().to_owned(),
            url: String::new(),
            signature: String::new(),
            request_body: String::from_utf8_lossy(&body).into_owned(),
            response_body: String::new(),
            status: None,
            error: None,
            event_time: now,
            delivery_time: now,
        });
        if workspace.deliveries.len() > DELIVERIES_MAX {
            workspace.deliveries.pop_front();
        }
        let signing = subscription.clone();
        let sign = move |attempt: &Attempt<'_>| {
            let subscription = signing.lock();
            let digest =
                signatures::hmac_sha256(attempt.key(&subscription.shared_key).as_bytes(), &[attempt.body]);
            let mut url = subscription.url.clone();
            url.query_pairs_mut().append_pair("signature", &hex::encode(attempt.digest(digest)));
            Signed { url, headers: header.iter().cloned().collect() }
        };
        let (account, listening) = (self.clone(), subscription.clone());
        let scaled = |seconds: &u64| self.kit().scaled(Duration::from_secs(*seconds));
        let message = Message {
            event: first.word().to_owned(),
            lane: lane.to_owned(),
            body,
            sign: Arc::new(sign),
            retries: Some(BACKOFF_SECONDS.iter().take(switches.retries.into()).map(scaled).collect()),
            on_answer: Some(Arc::new(move |answer: &Answer| account.heard(&listening, &uuid, answer))),
        };
        self.kit().webhooks().send(message);
    }

    /// Writes the answer into the history; deactivates the subscription if it has to. False: no more retries.
    fn heard(&self, subscription: &Mutex<Subscription>, uuid: &str, answer: &Answer) -> bool {
        let mut workspace = self.workspace();
        if let Some(delivery) = workspace.deliveries.iter_mut().rev().find(|delivery| delivery.uuid == uuid) {
            let signature = answer.url.query_pairs().find(|(name, _)| name == "signature");
            delivery.signature = signature.map(|(_, value)| value.into_owned()).unwrap_or_default();
            delivery.url = subscription.lock().url.to_string();
            delivery.response_body = String::from_utf8_lossy(&answer.body).into_owned();
            (delivery.status, delivery.error) = (answer.status, answer.error);
            delivery.delivery_time = answer.at;
        }
        drop(workspace);
        let mut subscription = subscription.lock();
        if answer.status == Some(200) {
            subscription.failing_since = None;
            return true;
        }
        let since = *subscription.failing_since.get_or_insert(answer.at);
        let gave_up = answer.at.since(since) >= self.kit().scaled(DEACTIVATED_AFTER);
        if answer.status == Some(410) || gave_up {
            subscription.standing = Standing::Deactivated;
        }
        subscription.standing == Standing::Active
    }
}

/// `action_on`: the older name of the time at which a recipient was done.
fn data(document: &Document, event: Event, who: Option<&str>, action_on: bool) -> Value {
    if event == Event::Deleted {
        return json!({"id": document.id});
    }
    if let (Event::CreationFailed, (Err(detail), _)) = (event, &document.creation) {
        return json!({"id": document.id, "error": {"type": "validation_error", "detail": detail}});
    }
    // The vendor is known to leave these links empty in webhooks.
    let mut data = shape::details(document, |_: &Recipient| String::new());
    if let Some(recipient) = document.recipients.iter().find(|recipient| Some(recipient.id.as_str()) == who) {
        data[if action_on { "action_on" } else { "action_date" }] =
            json!(recipient.signature_date.map(clock::iso_micros));
        data["action_by"] = json!({"id": recipient.id, "email": recipient.email,
                                   "first_name": recipient.first_name, "last_name": recipient.last_name});
    }
    data
}
