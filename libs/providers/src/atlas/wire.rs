//! Atlas' words, read in both vocabularies (atlas.md §8, §11.4).

use domain::envelope::Detection;
use domain::ids::ProviderEnvelopeId;
use domain::intake::{Claim, PartyNews, Standing};
use domain::personal::Personal;
use serde_json::Value;

use super::dialect::Dialect;
use crate::{Created, Snapshot, reading};

/// Where parties are listed.
const PARTIES: [&str; 5] =
    ["/parties", "/participants", "/envelope/parties", "/data/parties", "/data/participants"];

/// Parties read at most of an answer: more than we ever order, for a reviewer may add some.
const PARTIES_READ_MAX: usize = 100;

/// How many signed, of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) signed: u32,
    pub(super) total: u32,
}

impl Count {
    /// Of all parties that are listed: one of whom too little is told has not signed.
    pub(super) fn of(value: &Value) -> Self {
        let count = |parties: usize| u32::try_from(parties).unwrap_or(u32::MAX);
        let listed = listed(value);
        let signed = listed.iter().filter(|party| standing(party) == Some(Standing::Signed)).count();
        Self { signed: count(signed), total: count(listed.len()) }
    }

    pub(super) fn everybody_signed(self) -> bool {
        self.total > 0 && self.signed >= self.total
    }
}

/// The envelope itself: nested under `envelope` or `data` in the second generation, at the top in the first.
pub(super) fn core(value: &Value) -> &Value {
    ["/envelope", "/data/envelope", "/data"]
        .iter()
        .find_map(|pointer| value.pointer(pointer).filter(|found| found.is_object()))
        .unwrap_or(value)
}

/// The parties as the vendor lists them.
pub(super) fn listed(value: &Value) -> &[Value] {
    reading::list(value, &PARTIES)
}

/// Whether it is known to be out, or over: then it cannot be sent any more.
pub(super) fn has_left_draft(value: &Value) -> bool {
    let stands = claim(status(core(value)), Count::default(), false, None);
    !matches!(stands, Claim::Draft | Claim::Processing | Claim::Hint)
}

/// Where each party stands, in signing order; parties whose state is not told are left out.
pub(super) fn parties(value: &Value) -> Vec<PartyNews> {
    let mut news: Vec<PartyNews> = listed(value)
        .iter()
        .zip(1u32..)
        .take(PARTIES_READ_MAX)
        .filter_map(|(party, place)| {
            Some(PartyNews { order: order(party).unwrap_or(place), standing: standing(party)? })
        })
        .collect();
    news.sort_by_key(|party| party.order);
    news
}

/// `order` counts from 1; the second generation's `orderIndex` from 0.
fn order(party: &Value) -> Option<u32> {
    let number = |name: &str| u32::try_from(party.get(name)?.as_u64()?).ok();
    number("order").filter(|order| *order > 0).or_else(|| number("orderIndex")?.checked_add(1))
}

fn standing(party: &Value) -> Option<Standing> {
    match party.get("status").and_then(Value::as_str) {
        Some("waiting") => Some(Standing::Waiting),
        Some("pending") => Some(Standing::Pending),
        Some("signed" | "completed") => Some(Standing::Signed),
        Some("declined") => Some(Standing::Declined),
        Some(_) => None,
        None if party.get("declinedAt").is_some_and(Value::is_string) => Some(Standing::Declined),
        None if party.get("signedAt").is_some_and(Value::is_string) => Some(Standing::Signed),
        None if party.get("signedAt").is_some() => Some(Standing::Waiting),
        None => None,
    }
}

/// The envelope's status word, or the one its timestamps stand for where there is no word.
pub(super) fn status(core: &Value) -> Option<&str> {
    let by_time = [
        ("voided", ["/voided_at", "/voidedAt"]),
        ("declined", ["/declined_at", "/declinedAt"]),
        ("expired", ["/expired_at", "/expiredAt"]),
        ("signed", ["/signed_at", "/completedAt"]),
        ("pending", ["/sent_at", "/sentAt"]),
    ];
    reading::text(core, &["/status"]).or_else(|| {
        by_time.into_iter().find(|(_, at)| reading::text(core, at).is_some()).map(|(word, _)| word)
    })
}

/// What a status word claims. An unknown word claims nothing: only a person or a later GET can tell.
pub(super) fn claim(status: Option<&str>, count: Count, viewed: bool, reason: Option<Personal>) -> Claim {
    match status {
        Some("detecting") => Claim::Processing,
        Some("draft" | "review") => Claim::Draft,
        Some("pending" | "in_progress" | "sent" | "viewed") => match count {
            Count { .. } if count.everybody_signed() => Claim::Completed,
            Count { signed: 1.., .. } => Claim::PartySigned,
            Count { .. } if viewed || status == Some("viewed") => Claim::Viewed,
            Count { .. } => Claim::Sent,
        },
        Some("signed" | "completed") => Claim::Completed,
        Some("declined") => Claim::Declined { reason },
        Some("voided" | "cancelled" | "canceled") => Claim::Voided,
        Some("expired") => Claim::Expired,
        Some(stranger) => {
            reading::strange_status(stranger);
            Claim::Hint
        }
        None => Claim::Hint,
    }
}

/// The reason of a decline or a void, wherever it stands.
pub(super) fn reason(value: &Value) -> Option<Personal> {
    let places = ["/reason", "/decline_reason", "/declineReason", "/data/reason", "/envelope/decline_reason"];
    let of_party = || {
        listed(value)
            .iter()
            .find_map(|party| reading::text(party, &["/decline_reason", "/declineReason", "/reason"]))
    };
    reading::text(value, &places).or_else(of_party).map(Personal::new)
}

/// How far field detection is, if the answer speaks of it. The second generation says it by the state alone.
pub(super) fn detection(dialect: Dialect, core: &Value) -> Option<Detection> {
    match (reading::text(core, &["/fields_status", "/fieldsStatus"]), dialect) {
        (Some("pending"), _) => Some(Detection::Pending),
        (Some("ready"), _) => Some(Detection::Ready),
        (Some("failed"), _) => Some(Detection::Failed),
        (Some("recovered_empty"), _) => Some(Detection::RecoveredEmpty),
        (Some(_), _) | (None, Dialect::First) => None,
        (None, Dialect::Second) => match status(core) {
            Some("draft" | "detecting") => Some(Detection::Pending),
            Some(_) => Some(Detection::Ready),
            None => None,
        },
    }
}

/// The version that a send has to name: of the fields in the first generation, of everything in the second.
fn version(dialect: Dialect, core: &Value) -> Option<u64> {
    match dialect {
        Dialect::First => fields_version(core),
        Dialect::Second => reading::number(core, &["/version"]),
    }
}

/// The fields' version in an answer of the first generation.
pub(super) fn fields_version(value: &Value) -> Option<u64> {
    reading::number(value, &["/fields_version", "/fieldsVersion", "/envelope/fields_version"])
}

/// The envelope's id in an answer.
const IDS: [&str; 5] = ["/envelope_id", "/envelopeId", "/envelope/id", "/envelope/envelope_id", "/id"];
/// The review link in an answer.
const REVIEW_LINKS: [&str; 3] = ["/review_url", "/reviewUrl", "/envelope/review_url"];

/// Whether it is a draft that the vendor sends by itself later; only the second generation has such.
fn is_scheduled(core: &Value) -> bool {
    status(core) == Some("review") && reading::text(core, &["/scheduledSendAt"]).is_some()
}

/// Whether signers have it and somebody's signature is awaited.
fn is_out(core: &Value) -> bool {
    matches!(status(core), Some("pending" | "in_progress" | "sent" | "viewed"))
}

/// Where only times are told, it is the turn of the first who has not answered: nobody signs beside others here.
fn invite(parties: &mut [PartyNews]) {
    let answered = |party: &PartyNews| matches!(party.standing, Standing::Signed | Standing::Declined);
    if let Some(next) = parties.iter_mut().find(|party| !answered(party)) {
        next.standing = Standing::Pending;
    }
}

/// What became of a create. A second-hand claim of having been sent is not made: only the status word counts.
pub(super) fn created(value: &Value) -> Option<Created> {
    let sent = matches!(status(core(value)), Some("pending" | "in_progress" | "sent"));
    Some(Created {
        provider_id: reading::envelope_id(value, &IDS)?,
        review_link: reading::text(value, &REVIEW_LINKS).map(Personal::new),
        sent,
    })
}

/// Whether the parties' states are all told; if not, the light status call has to be asked for the count.
pub(super) fn tells_progress(value: &Value) -> bool {
    let listed = listed(value).len().min(PARTIES_READ_MAX);
    !is_out(core(value)) || (listed > 0 && parties(value).len() == listed)
}

/// How the envelope stands; `progress` is the answer of the light status call, where it was needed.
pub(super) fn snapshot(dialect: Dialect, value: &Value, progress: Option<&Value>) -> Option<Snapshot> {
    let core = core(value);
    // what the first generation calls a draft from the start, the second calls so only before it looks for fields
    let word = status(core).map(|word| match (dialect, word) {
        (Dialect::Second, "draft") => "detecting",
        (Dialect::First | Dialect::Second, word) => word,
    });
    let mut parties = parties(value);
    if dialect == Dialect::Second && is_out(core) {
        invite(&mut parties);
    }
    let counted = progress.and_then(count_told).unwrap_or_else(|| Count::of(value));
    let reason = reason(value);
    let viewed = reading::text(core, &["/viewed_at", "/viewedAt"]).is_some()
        || reading::list(value, &PARTIES)
            .iter()
            .any(|party| reading::text(party, &["/viewed_at", "/lastViewedAt"]).is_some());
    Some(Snapshot {
        provider_id: reading::envelope_id(value, &IDS)?,
        claim: match is_scheduled(core) {
            true => Claim::Scheduled,
            false => claim(word, counted, viewed, reason.clone()),
        },
        detection: detection(dialect, core),
        fields_version: version(dialect, core),
        signed: counted.signed,
        total: counted.total,
        parties,
        revision: core.get("version").and_then(Value::as_i64),
        review_link: reading::text(value, &REVIEW_LINKS).map(Personal::new),
        correlation: reading::correlation(core, &["/metadata"]),
        completed_at: reading::time(core, &["/signed_at", "/completed_at", "/completedAt"]),
        reason,
    })
}

fn count_told(progress: &Value) -> Option<Count> {
    let number = |names: &[&str]| u32::try_from(reading::number(progress, names)?).ok();
    Some(Count {
        signed: number(&["/signed_count", "/signedCount"])?,
        total: number(&["/total", "/total_count"])?,
    })
}

/// One page of a list: its items, and where the next page begins.
pub(super) fn page(value: &Value) -> (&[Value], Option<&str>) {
    let items = match value {
        Value::Array(items) => items.as_slice(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            reading::list(value, &["/envelopes", "/items", "/data", "/results"])
        }
    };
    (items, reading::text(value, &["/next_cursor", "/nextCursor", "/next"]))
}

/// The id of a list's item.
pub(super) fn id(value: &Value) -> Option<ProviderEnvelopeId> {
    reading::envelope_id(value, &IDS)
}

#[cfg(test)]
mod tests;
