//! Telling our own writes apart from those of others (crm.md §2.9).

use std::time::Duration;

use super::value::ValueHash;
use crate::intake::{RecordChange, RecordRef};
use crate::time::Timestamp;

/// The CRM's clock may lie this far behind ours.
const ECHO_BEFORE: Duration = Duration::from_secs(5);
/// The CRM may date our change this long after we planned it.
const ECHO_AFTER: Duration = Duration::from_secs(120);

/// One field we wrote, or were about to write: the ledger is filled before the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerRow {
    /// The record.
    pub record: RecordRef,
    /// The field.
    pub field: String,
    /// Hash of the normalised value.
    pub hash: ValueHash,
    /// When the write was planned.
    pub written_at: Timestamp,
}

/// Whether a change is the echo of one of our writes. Judged by the change's own time, not by its arrival, and by
/// value: a person who sets the same value an hour later is heard. Rows stay after a match, duplicates will come.
///
/// `record` is the changed record, `hashed` the hash of the change's normalised value.
pub fn is_echo<'a>(
    ledger: impl IntoIterator<Item = &'a LedgerRow>,
    record: &RecordRef,
    change: &RecordChange,
    hashed: &ValueHash,
) -> bool {
    ledger.into_iter().any(|row| {
        let earliest =
            row.written_at.0.saturating_sub(i64::try_from(ECHO_BEFORE.as_millis()).unwrap_or(i64::MAX));
        let latest = row.written_at.after(ECHO_AFTER);
        row.record == *record
            && row.field == change.property
            && row.hash == *hashed
            && change.changed_at.0 >= earliest
            && change.changed_at <= latest
    })
}
