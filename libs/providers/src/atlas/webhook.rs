//! Atlas' webhooks: proof of origin and meaning (atlas.md §11).

use std::time::Duration;

use domain::intake::{Claim, EnvelopeNews, Meaning, NoMeaning, RawDelivery, Refusal, Signal};
use domain::time::Timestamp;
use serde_json::{Map, Value};
use signatures::{VerifyKey, WebhookScheme, decode_hex_digest, sha256_hex, which_key};

use super::wire::{self, Count};
use crate::reading;

/// The header that carries the signature, in lower case. The second generation's name is not published: it is taken
/// for the same, and can be set.
const SIGNATURE_HEADER: &str = "x-atlas-signature";
/// The option that names another header.
const HEADER_OPTION: &str = "signature_header";
/// Longest vendor event id used for deduplication, in bytes; longer ones are not ids.
const EVENT_ID_BYTES_MAX: usize = 200;

/// Atlas' webhook scheme: HMAC-SHA256 of the raw body, with the API key that created the envelope or the secret of the
/// registered address.
#[derive(Clone, Debug)]
pub struct Scheme {
    header: String,
}

impl Scheme {
    /// The scheme of a connection with these options.
    pub fn new(options: &Map<String, Value>) -> Self {
        let named = options.get(HEADER_OPTION).and_then(Value::as_str);
        Self { header: named.unwrap_or(SIGNATURE_HEADER).to_ascii_lowercase() }
    }
}

impl Default for Scheme {
    fn default() -> Self {
        Self::new(&Map::new())
    }
}

impl WebhookScheme for Scheme {
    fn verify(&self, delivery: &RawDelivery, keys: &[VerifyKey], _now: Timestamp) -> Result<usize, Refusal> {
        let mut values = delivery.header(&self.header);
        let value = values.next().ok_or(Refusal::SignatureMissing)?;
        if values.next().is_some() {
            return Err(Refusal::SignatureRepeated);
        }
        let value = value.trim_ascii();
        let digits = value.strip_prefix(b"sha256=").unwrap_or(value);
        let received = decode_hex_digest(digits).ok_or(Refusal::SignatureMalformed)?;
        which_key(keys, &[&[&delivery.body]], &received).ok_or(Refusal::SignatureWrong)
    }

    fn split(&self, delivery: &RawDelivery) -> Vec<Signal> {
        vec![read(&delivery.body).unwrap_or_else(|| unreadable(&delivery.body))]
    }

    /// The last retry comes 2 h 36 min after the first try (atlas.md §11.1).
    fn retry_horizon(&self) -> Duration {
        Duration::from_secs(3 * 3_600)
    }

    /// The signing key is the one that created the envelope.
    fn signs_with_key_of_creation(&self) -> bool {
        true
    }
}

fn unreadable(body: &[u8]) -> Signal {
    let hash = sha256_hex(body);
    Signal {
        subject: format!("unreadable:{hash}"),
        dedupe: format!("sha256:{hash}"),
        also: None,
        event: "unreadable".into(),
        occurred_at: None,
        meaning: Meaning::Nothing(NoMeaning::Unreadable),
        raw: body.to_vec(),
    }
}

fn read(body: &[u8]) -> Option<Signal> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let event = reading::text(&value, &["/event", "/type", "/event_type"])?;
    let ids = ["/envelope_id", "/envelopeId", "/data/envelope_id", "/data/envelopeId", "/data/id"];
    let provider_id = reading::envelope_id(&value, &ids)?;

    // An `id` that repeats the envelope's id names no event: taking it would drop all news but the first.
    let event_id = reading::text(&value, &["/event_id", "/id"])
        .filter(|id| id.len() <= EVENT_ID_BYTES_MAX && *id != provider_id.as_str());
    let meaning = match claim(event, &value) {
        Ok(claim) => Meaning::Envelope(EnvelopeNews {
            // success is confirmed by a GET before it counts
            conclusive: !matches!(claim, Claim::Completed | Claim::Hint),
            claim,
            correlation: reading::correlation(&value, &["/metadata", "/data/metadata", "/envelope/metadata"]),
            revision: version(&value),
            parties: wire::parties(&value),
            provider_id: provider_id.clone(),
        }),
        Err(nothing) => Meaning::Nothing(nothing),
    };
    Some(Signal {
        dedupe: event_id.map_or_else(|| format!("sha256:{}", sha256_hex(body)), |id| format!("id:{id}")),
        also: None,
        subject: provider_id.to_string(),
        event: reading::event_name(event),
        occurred_at: occurred_at(&value),
        meaning,
        raw: body.to_vec(),
    })
}

fn claim(event: &str, value: &Value) -> Result<Claim, NoMeaning> {
    match event {
        // A stored draft: its fields are still being looked for, so it cannot be reviewed yet.
        "envelope.created" => Ok(Claim::Processing),
        "envelope.sent" => Ok(Claim::Sent),
        "envelope.viewed" => Ok(Claim::Viewed),
        "envelope.signed" => Ok(signed(value)),
        "participant.signed" => Ok(Claim::PartySigned),
        "envelope.completed" => Ok(Claim::Completed),
        "envelope.declined" => Ok(Claim::Declined { reason: wire::reason(value) }),
        "envelope.voided" | "envelope.cancelled" | "envelope.canceled" => Ok(Claim::Voided),
        "envelope.expired" => Ok(Claim::Expired),
        "contract.extracted" => Ok(Claim::DataExtracted),
        "participant.link_issued" | "participant.link_reissued" | "participant.reminder_sent" => {
            Err(NoMeaning::NotOurs)
        }
        _ => Err(NoMeaning::UnknownEvent),
    }
}

/// `envelope.signed` may come once a signer or once at the end: only what the body shows counts, and where it
/// shows too little, only a GET can tell (atlas.md §11.2).
fn signed(value: &Value) -> Claim {
    let parties = wire::parties(value);
    match reading::text(wire::core(value), &["/status"]) {
        Some("signed" | "completed") => Claim::Completed,
        _ if Count::of(value).everybody_signed() => Claim::Completed,
        Some("pending" | "in_progress") if !parties.is_empty() => Claim::PartySigned,
        _ => Claim::Hint,
    }
}

/// The second generation counts an envelope's versions; the first has no revision.
fn version(value: &Value) -> Option<i64> {
    ["/data/version", "/envelope/version"].iter().find_map(|pointer| value.pointer(pointer)?.as_i64())
}

fn occurred_at(value: &Value) -> Option<Timestamp> {
    let names = [
        "/occurred_at",
        "/occurredAt",
        "/timestamp",
        "/signed_at",
        "/declined_at",
        "/voided_at",
        "/viewed_at",
        "/sent_at",
        "/created_at",
    ];
    reading::time(value, &names)
}

#[cfg(test)]
mod tests;
