//! PandaDoc's webhooks: proof of origin and meaning (pandadoc.md §4, §5, §7).

use std::net::{IpAddr, Ipv4Addr};

use domain::intake::{Claim, EnvelopeNews, Meaning, NoMeaning, RawDelivery, Refusal, SIGNALS_MAX, Signal};
use domain::time::Timestamp;
use serde_json::Value;
use serde_json::value::RawValue;
use signatures::{VerifyKey, WebhookScheme, decode_hex_digest, sha256_hex, which_key};
use url::form_urlencoded;

use super::wire;
use crate::reading;

/// The header that names a delivery over all its retries, in lower case; older accounts have none.
pub(super) const EVENT_ID_HEADER: &str = "x-pandadoc-webhook-event-id";
/// The query parameter that holds the signature.
pub(super) const SIGNATURE: &str = "signature";
/// Longest event id taken from the header, in bytes.
const EVENT_ID_BYTES_MAX: usize = 200;

/// PandaDoc's webhook scheme: HMAC-SHA256 of the raw body with the subscription's shared key, in the query.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scheme;

/// The regions webhooks come from.
pub(crate) const REGIONS: &[&str] = &["us", "eu"];
/// Where webhooks of the United States come from (pandadoc.md §4).
const SOURCES_US: [IpAddr; 3] =
    [address(52, 12, 31, 116), address(52, 37, 240, 175), address(35, 167, 41, 246)];
/// Where webhooks of the European Union come from (pandadoc.md §4).
const SOURCES_EU: [IpAddr; 3] =
    [address(3, 76, 175, 239), address(18, 192, 96, 161), address(18, 158, 79, 41)];

const fn address(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

impl WebhookScheme for Scheme {
    fn sources(&self, region: &str) -> &'static [IpAddr] {
        match region {
            "us" => &SOURCES_US,
            "eu" => &SOURCES_EU,
            _ => &[],
        }
    }

    fn verify(&self, delivery: &RawDelivery, keys: &[VerifyKey], _now: Timestamp) -> Result<usize, Refusal> {
        let query = delivery.path_and_query.split_once('?').map_or("", |(_, query)| query);
        let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == SIGNATURE);
        let (_, value) = values.next().ok_or(Refusal::SignatureMissing)?;
        if values.next().is_some() {
            return Err(Refusal::SignatureRepeated);
        }
        let received = decode_hex_digest(value.as_bytes()).ok_or(Refusal::SignatureMalformed)?;
        which_key(keys, &[&[&delivery.body]], &received).ok_or(Refusal::SignatureWrong)
    }

    fn split(&self, delivery: &RawDelivery) -> Vec<Signal> {
        let body_hash = sha256_hex(&delivery.body);
        let Some(elements) = elements(&delivery.body) else {
            return vec![unreadable(format!("sha256:{body_hash}"), &body_hash, &delivery.body)];
        };
        // A replay may name the same delivery otherwise, and an older account not at all (pandadoc.md §6).
        let delivery_id = event_id(delivery).unwrap_or_else(|| body_hash.clone());
        elements
            .into_iter()
            .enumerate()
            .map(|(index, element)| {
                let dedupe = format!("{delivery_id}:{index}");
                let raw = element.get().as_bytes();
                let signal = read(&dedupe, raw).unwrap_or_else(|| unreadable(dedupe, &sha256_hex(raw), raw));
                Signal { also: Some(format!("{body_hash}:{index}")), ..signal }
            })
            .collect()
    }
}

/// The elements of the batch, or the one bare object; `None` for anything else and for an absurd number.
fn elements(body: &[u8]) -> Option<Vec<&RawValue>> {
    let elements = serde_json::from_slice::<Vec<&RawValue>>(body).ok().or_else(|| {
        let bare: &RawValue = serde_json::from_slice(body).ok()?;
        bare.get().starts_with('{').then(|| vec![bare])
    })?;
    (elements.len() <= SIGNALS_MAX).then_some(elements)
}

/// The delivery's id, if there is exactly one and it looks like an id.
fn event_id(delivery: &RawDelivery) -> Option<String> {
    let mut values = delivery.header(EVENT_ID_HEADER);
    let id = std::str::from_utf8(values.next()?).ok()?.trim();
    let plausible = !id.is_empty()
        && id.len() <= EVENT_ID_BYTES_MAX
        && id.bytes().all(|byte| byte.is_ascii_graphic())
        && values.next().is_none();
    plausible.then(|| id.to_owned())
}

fn unreadable(dedupe: String, hash: &str, raw: &[u8]) -> Signal {
    Signal {
        dedupe,
        also: None,
        subject: format!("unreadable:{hash}"),
        event: "unreadable".into(),
        occurred_at: None,
        meaning: Meaning::Nothing(NoMeaning::Unreadable),
        raw: raw.to_vec(),
    }
}

fn read(dedupe: &str, raw: &[u8]) -> Option<Signal> {
    let element: Value = serde_json::from_slice(raw).ok()?;
    let event = reading::text(&element, &["/event", "/type"])?;
    let data = match element.get("data") {
        Some(Value::Array(only)) if only.len() == 1 => only.first()?,
        Some(data) => data,
        None => &Value::Null,
    };
    let provider_id = reading::envelope_id(data, &["/id", "/uuid", "/document_id"]);
    let meaning = match (claim(event, data), &provider_id) {
        (Ok(claim), Some(provider_id)) => Meaning::Envelope(EnvelopeNews {
            provider_id: provider_id.clone(),
            conclusive: conclusive(&claim),
            claim,
            correlation: reading::correlation(data, &["/metadata"]),
            revision: wire::revision(data),
            parties: wire::parties(data),
        }),
        (Ok(_), None) => return None,
        (Err(nothing), _) => Meaning::Nothing(nothing),
    };
    Some(Signal {
        dedupe: dedupe.to_owned(),
        also: None,
        subject: provider_id.map_or_else(|| format!("other:{}", sha256_hex(raw)), |id| id.to_string()),
        event: reading::event_name(event),
        occurred_at: reading::time(data, &["/action_date", "/action_on", "/date_modified", "/date_created"]),
        meaning,
        raw: raw.to_vec(),
    })
}

fn claim(event: &str, data: &Value) -> Result<Claim, NoMeaning> {
    match event {
        "document_state_changed" | "document_status_changed" => {
            Ok(reading::text(data, &["/status"]).map_or(Claim::Hint, |status| wire::claim(status, data)))
        }
        "document_completed_pdf_ready" | "completed_pdf_ready" => Ok(Claim::ArtifactReady),
        // Two vendor pages disagree on what it means (pandadoc.md §5): only a GET can tell.
        "document_updated" => Ok(Claim::Hint),
        "recipient_completed" | "document_recipient_completed" => Ok(Claim::PartySigned),
        "document_deleted" => Ok(Claim::Deleted),
        "document_creation_failed" => Ok(Claim::PreparationFailed { reason: wire::failure(data) }),
        "document_section_added"
        | "quote_updated"
        | "template_created"
        | "teamplate_created"
        | "template_updated"
        | "template_deleted"
        | "content_library_item_created"
        | "content_library_item_creation_failed" => Err(NoMeaning::NotOurs),
        _ => Err(NoMeaning::UnknownEvent),
    }
}

/// Success and a way back to draft are confirmed by a GET before they count (lifecycle.md §5.3). That the last recipient
/// is done is no completion either: money may be due (pandadoc.md §5). `voided` may mean that
/// its time ran out or that somebody ended it, and a refusal is told without its reason: both stand in the audit trail,
/// which the adapter reads along (pandadoc.md §12).
fn conclusive(claim: &Claim) -> bool {
    let more_to_ask = matches!(
        claim,
        Claim::PartySigned | Claim::Completed | Claim::Paid | Claim::Draft | Claim::Hint | Claim::Expired
    );
    !more_to_ask && !matches!(claim, Claim::Declined { reason: None })
}

#[cfg(test)]
mod tests;
