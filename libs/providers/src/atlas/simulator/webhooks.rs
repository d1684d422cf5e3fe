//! The webhooks of an envelope: their bodies, and the signature with the key that created it.

use std::sync::Arc;

use bytes::Bytes;
use domain::time::Timestamp;
use serde_json::{Value, json};
use simulation::clock;
use simulation::webhooks::{Attempt, Message, Signed};
use url::Url;

use super::Switches;
use super::state::{Envelope, Event};

/// The message for an event, unless the envelope has no address or the event is switched off.
pub(super) fn message(
    envelope: &Envelope,
    event: Event,
    switches: &Switches,
    now: Timestamp,
) -> Option<Message> {
    let url: Url = envelope.webhook_url.as_ref()?.parse().ok()?;
    let (name, body) = body(envelope, event, switches, now)?;
    let (key, bare) = (envelope.key.clone(), switches.bare_hex_signature);
    let sign = move |attempt: &Attempt<'_>| {
        let digest = signatures::hmac_sha256(attempt.key(&key).as_bytes(), &[attempt.body]);
        let digest = hex::encode(attempt.digest(digest));
        let value = if bare { digest } else { format!("sha256={digest}") };
        Signed { url: url.clone(), headers: vec![("X-Atlas-Signature".to_owned(), value)] }
    };
    Some(Message {
        event: name.to_owned(),
        lane: envelope.id.clone(),
        body: Bytes::from(body.to_string()),
        sign: Arc::new(sign),
        retries: None,
        on_answer: None,
    })
}

fn body(
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
        Event::Voided => {}
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
