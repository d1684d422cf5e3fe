//! The webhooks of an envelope: their bodies, and the signature with the key that created it or the endpoint's secret.

use std::sync::Arc;

use bytes::Bytes;
use domain::time::Timestamp;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use simulation::clock;
use simulation::webhooks::{Attempt, Message, Signed};
use url::Url;

use super::Switches;
use super::second;
use super::state::{Envelope, Event, Generation};
use super::world::World;

/// The messages for an event; none if nobody listens or the event is switched off. `id` makes event ids.
pub(super) fn messages(
    envelope: &Envelope,
    event: Event,
    world: &World,
    mut id: impl FnMut() -> String,
) -> Vec<Message> {
    let (switches, now) = (&world.switches, clock::now());
    match envelope.generation {
        Generation::First => {
            let Some(url) = envelope.webhook_url.as_ref().and_then(|url| url.parse().ok()) else {
                return vec![];
            };
            let told = first(envelope, event, switches, now).into_iter();
            told.map(|(name, body)| message(envelope, name, &body, &url, &envelope.key, switches)).collect()
        }
        Generation::Second => {
            let Some((url, secret)) = &world.endpoint else { return vec![] };
            let told = second_names(event, switches)
                .iter()
                .map(|name| (*name, second_body(envelope, name, now, &id())));
            told.map(|(name, body)| message(envelope, name, &body, url, secret.expose_secret(), switches))
                .collect()
        }
    }
}

fn message(
    envelope: &Envelope,
    name: &str,
    body: &Value,
    url: &Url,
    key: &str,
    switches: &Switches,
) -> Message {
    let (url, key, bare) = (url.clone(), key.to_owned(), switches.bare_hex_signature);
    let sign = move |attempt: &Attempt<'_>| {
        let digest = signatures::hmac_sha256(attempt.key(&key).as_bytes(), &[attempt.body]);
        let digest = hex::encode(attempt.digest(digest));
        let value = if bare { digest } else { format!("sha256={digest}") };
        Signed { url: url.clone(), headers: vec![("X-Atlas-Signature".to_owned(), value)] }
    };
    Message {
        event: name.to_owned(),
        lane: envelope.id.clone(),
        body: Bytes::from(body.to_string()),
        sign: Arc::new(sign),
        retries: None,
        on_answer: None,
    }
}

fn first(
    envelope: &Envelope,
    event: Event,
    switches: &Switches,
    now: Timestamp,
) -> Option<(&'static str, Value)> {
    let (name, wanted) = match event {
        Event::Created => ("envelope.created", switches.created_and_viewed),
        Event::Viewed => ("envelope.viewed", switches.created_and_viewed),
        Event::Sent => ("envelope.sent", true),
        Event::SignedByOne => ("envelope.signed", switches.signed_per_signer),
        Event::SignedByAll => ("envelope.signed", true),
        Event::Declined => ("envelope.declined", true),
        Event::Voided => ("envelope.voided", true),
        Event::Extracted => ("contract.extracted", switches.extraction),
        Event::Expired | Event::Reminded => return None,
    };
    let mut body = json!({
        "event": name, "envelope_id": envelope.id, "status": envelope.status.word(), "metadata": envelope.metadata,
    });
    match event {
        Event::Created => body["created_at"] = json!(clock::iso_millis(envelope.created_at)),
        Event::Sent | Event::Viewed | Event::SignedByOne => body["parties"] = parties(envelope),
        Event::SignedByAll => {
            body["parties"] = parties(envelope);
            body["signed_at"] = json!(envelope.signed_at.map(clock::iso_millis));
        }
        Event::Declined => body["reason"] = json!(envelope.reason),
        Event::Voided | Event::Expired | Event::Reminded => {}
        Event::Extracted => {
            body["extraction"] = json!({"effective_date": &clock::iso_millis(now)[..10]});
        }
    }
    wanted.then_some((name, body))
}

fn parties(envelope: &Envelope) -> Value {
    let shown = |party: &super::state::Party| {
        json!({"email": party.email, "name": party.name, "role": party.role, "order": party.order,
               "status": party.standing.word()})
    };
    envelope.parties.iter().map(shown).collect()
}

/// What generation 2 calls it; the last signature is two pieces of news.
fn second_names(event: Event, switches: &Switches) -> &'static [&'static str] {
    let (names, wanted): (&[&str], bool) = match event {
        Event::Created => (&["envelope.created"], switches.created_and_viewed),
        Event::Viewed => (&["envelope.viewed"], switches.created_and_viewed),
        Event::Sent if switches.internal_events => (&["envelope.sent", "participant.link_issued"], true),
        Event::Sent => (&["envelope.sent"], true),
        Event::SignedByOne => (&["participant.signed"], true),
        Event::SignedByAll => (&["participant.signed", "envelope.completed"], true),
        Event::Declined => (&["envelope.declined"], true),
        Event::Voided => (&["envelope.voided"], true),
        Event::Expired => (&["envelope.expired"], true),
        Event::Reminded => (&["participant.reminder_sent"], switches.internal_events),
        Event::Extracted => (&["contract.extracted"], switches.extraction),
    };
    if wanted { names } else { &[] }
}

fn second_body(envelope: &Envelope, name: &str, now: Timestamp, id: &str) -> Value {
    json!({
        "id": format!("evt_{id}"), "type": name, "occurredAt": clock::iso_millis(now),
        "data": {"envelopeId": envelope.id, "version": envelope.version, "metadata": envelope.metadata,
                 "participants": second::participants(envelope), "reason": envelope.reason},
    })
}
