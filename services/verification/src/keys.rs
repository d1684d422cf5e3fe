//! Which key verified what, and when last: so that an operator knows when an old key is safe to remove.
//!
//! Counted from the log, so that it is the same on every replica and after every restart.

use std::sync::Arc;
use std::time::Duration;

use contracts::intake::{Accepted, Duplicated};
use contracts::wire::verification::{ConnectionWarning, KeyStatus};
use domain::ids::ConnectionId;
use domain::intake::{Claim, Meaning};
use domain::time::Timestamp;
use projection::{Projection, ProjectionError, Rows, ViewError};
use runtime::config::VerifyKey;

use crate::connections::{Connections, Known};
use crate::ledger::LedgerView;

/// One row a key: connection, zero byte, id of the key.
const USE: &str = "key-use";
/// One row an envelope that was heard of: connection, zero byte, its id. Holds the key that told of it last, and
/// nothing once it is closed: late news of it must not open it again.
const ENVELOPES: &str = "key-envelopes";

/// How a key was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Usage {
    /// When the last delivery that it verified was received.
    last_used_at: Timestamp,
    /// How many signals it verified.
    verified: u64,
    /// Envelopes that are not closed and were last told of under it.
    open: u64,
}

impl Usage {
    fn to_bytes(self) -> Vec<u8> {
        [self.last_used_at.0.to_be_bytes(), self.verified.to_be_bytes(), self.open.to_be_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let number =
            |at: usize| bytes.get(at..at + 8).map_or([0; 8], |part| part.try_into().unwrap_or_default());
        Self {
            last_used_at: Timestamp(i64::from_be_bytes(number(0))),
            verified: u64::from_be_bytes(number(8)),
            open: u64::from_be_bytes(number(16)),
        }
    }
}

fn key(connection: &ConnectionId, name: &str) -> Vec<u8> {
    [connection.as_str().as_bytes(), &[0], name.as_bytes()].concat()
}

fn change(
    connection: &ConnectionId,
    key_id: &str,
    rows: &mut Rows<'_>,
    change: impl FnOnce(&mut Usage),
) -> Result<(), ViewError> {
    let row = key(connection, key_id);
    let mut usage = rows.get(USE, &row)?.as_deref().map(Usage::from_bytes).unwrap_or_default();
    change(&mut usage);
    rows.put(USE, &row, usage.to_bytes())
}

/// Counts a signal that was new. What the vendor gave us itself was verified by no key, but closes an envelope as well
/// as any.
pub fn accepted(accepted: &Accepted, rows: &mut Rows<'_>) -> Result<(), ViewError> {
    let opened = note_envelope(accepted, rows)?;
    if accepted.key_id.is_empty() {
        return Ok(());
    }
    change(&accepted.connection, &accepted.key_id, rows, |usage| {
        usage.last_used_at = usage.last_used_at.max(accepted.received_at);
        usage.verified += 1;
        usage.open += u64::from(opened);
    })
}

/// Counts a signal that was known.
pub fn duplicated(duplicated: &Duplicated, rows: &mut Rows<'_>) -> Result<(), ViewError> {
    if duplicated.key_id.is_empty() {
        return Ok(());
    }
    change(&duplicated.connection, &duplicated.key_id, rows, |usage| {
        usage.last_used_at = usage.last_used_at.max(duplicated.received_at);
        usage.verified += u64::from(duplicated.times);
    })
}

/// Follows which envelopes are open under which key; says whether one is now counted under the key of this signal
/// that was not before.
fn note_envelope(accepted: &Accepted, rows: &mut Rows<'_>) -> Result<bool, ViewError> {
    let Meaning::Envelope(news) = &accepted.meaning else { return Ok(false) };
    let Some(open) = leaves_open(&news.claim) else { return Ok(false) };
    if open && accepted.key_id.is_empty() {
        return Ok(false);
    }
    let row = key(&accepted.connection, &news.provider_id.to_string());
    let before = rows.get(ENVELOPES, &row)?;
    let under: &[u8] = if open { accepted.key_id.as_bytes() } else { &[] };
    if before.as_deref().is_some_and(|before| before.is_empty() || before == under) {
        return Ok(false);
    }
    if let Some(other) = before.and_then(|before| String::from_utf8(before).ok()) {
        change(&accepted.connection, &other, rows, |usage| usage.open = usage.open.saturating_sub(1))?;
    }
    rows.put(ENVELOPES, &row, under)?;
    Ok(open)
}

/// Whether an envelope is still open after this claim; `None` if the claim does not tell.
const fn leaves_open(claim: &Claim) -> Option<bool> {
    match claim {
        Claim::Processing
        | Claim::Draft
        | Claim::Scheduled
        | Claim::ApprovalRequested
        | Claim::ApprovalGranted
        | Claim::ApprovalRefused
        | Claim::Sent
        | Claim::Viewed
        | Claim::ChangesSuggested
        | Claim::PartySigned
        | Claim::PaymentDue
        | Claim::Paid => Some(true),
        Claim::PreparationFailed { .. }
        | Claim::Completed
        | Claim::Declined { .. }
        | Claim::Voided
        | Claim::Expired
        | Claim::Deleted => Some(false),
        Claim::ArtifactReady | Claim::DataExtracted | Claim::Hint => None,
    }
}

/// What the configuration allows although it weakens the proof of origin, of one connection or of all.
pub fn warnings(connections: &Connections, only: &str) -> Vec<ConnectionWarning> {
    let connections = connections.current();
    let wanted = connections.iter().filter(|(id, _)| only.is_empty() || id.as_str() == only);
    let mut warnings: Vec<ConnectionWarning> = wanted
        .flat_map(|(id, known)| {
            let warning =
                |what: &&str| ConnectionWarning { connection: id.to_string(), what: (*what).to_owned() };
            known.warnings.iter().map(warning).collect::<Vec<_>>()
        })
        .collect();
    warnings.sort_by(|one, other| one.connection.cmp(&other.connection));
    warnings
}

/// Every key that verifies, of one connection or (`only` is empty) of all.
///
/// # Errors
/// While the view is being rebuilt.
pub fn status(
    connections: &Connections,
    view: &Projection<LedgerView>,
    now: Timestamp,
    only: &str,
) -> Result<Vec<KeyStatus>, ProjectionError> {
    let connections = connections.current();
    let mut wanted: Vec<(&ConnectionId, &Arc<Known>)> =
        connections.iter().filter(|(id, _)| only.is_empty() || id.as_str() == only).collect();
    wanted.sort_by_key(|(id, _)| *id);
    let mut told = Vec::new();
    for (id, known) in wanted {
        let keys = known.credentials.verify.keys();
        let mut used = Vec::with_capacity(keys.len());
        for key in keys {
            let row = view.get(USE, &self::key(id, &key.id))?;
            used.push((key, row.as_deref().map(Usage::from_bytes).unwrap_or_default()));
        }
        told.extend(used.iter().map(|(key, usage)| {
            let kept_because = kept_because(known, &used, key, *usage, now);
            KeyStatus {
                connection: id.to_string(),
                key_id: key.id.clone(),
                in_force: key.is_in_force(now),
                not_before_ms: key.not_before.unwrap_or_default().0,
                not_after_ms: key.not_after.unwrap_or_default().0,
                last_used_at_ms: usage.last_used_at.0,
                verified: usage.verified,
                safe_to_remove: kept_because.is_empty(),
                kept_because,
            }
        }));
    }
    Ok(told)
}

/// When a delivery of the connection last arrived by itself and verified, under whichever key; `None` for never.
///
/// # Errors
/// While the view is being rebuilt.
pub fn last_arrival(
    known: &Known,
    view: &Projection<LedgerView>,
    connection: &ConnectionId,
) -> Result<Option<Timestamp>, ProjectionError> {
    let mut last = None;
    for verify in known.credentials.verify.keys() {
        let row = view.get(USE, &key(connection, &verify.id))?;
        last = last.max(row.as_deref().map(|bytes| Usage::from_bytes(bytes).last_used_at));
    }
    Ok(last)
}

/// Why a key must stay; empty when it may go.
fn kept_because(
    known: &Known,
    all: &[(&VerifyKey, Usage)],
    key: &VerifyKey,
    usage: Usage,
    now: Timestamp,
) -> String {
    if key.not_after.is_some_and(|end| end <= now) {
        return String::new();
    }
    if known.credentials.calls_with(key, now) {
        return "calls are made with it".to_owned();
    }
    let others = || all.iter().filter(|(other, _)| other.id != key.id && other.is_in_force(now));
    if others().next().is_none() {
        return "no other key is in force".to_owned();
    }
    if usage.verified == 0 {
        return "it has verified nothing yet: a new key waits for the vendor to use it".to_owned();
    }
    if !others().any(|(_, other)| other.last_used_at > usage.last_used_at) {
        return "no other key has verified anything since".to_owned();
    }
    let idle = now.since(usage.last_used_at);
    if idle < known.key_idle {
        let (idle, wanted) = (whole(idle), whole(known.key_idle));
        return format!("it verified a delivery {idle} ago; wait until that is {wanted}");
    }
    if known.scheme.signs_with_key_of_creation() && usage.open > 0 {
        return format!("{} envelopes that were last told of under it are not closed", usage.open);
    }
    String::new()
}

/// A span of time for people: minutes and seconds are enough.
fn whole(span: Duration) -> String {
    let seconds = span.as_secs();
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (hours, minutes, _) => format!("{hours}h {minutes}m"),
    }
}
