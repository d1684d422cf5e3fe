//! Hashes of values, and the ledger of our own writes (crm.md §2.9).

use domain::intake::RecordRef;
use domain::sync::{LedgerRow, SyncEvent, ValueHash, norm};
use sha2::{Digest, Sha256};

/// The hash of a normalised value.
pub fn hash(normalised: &str) -> ValueHash {
    ValueHash(Sha256::digest(normalised).into())
}

/// The hash of a value as it stands.
pub fn hash_of(value: &str) -> ValueHash {
    hash(&norm(value))
}

/// Every field that a story planned to write, with its time.
pub fn ledger(record: &RecordRef, story: &[SyncEvent]) -> Vec<LedgerRow> {
    let planned = story.iter().filter_map(|event| match event {
        SyncEvent::Planned { planned, at } => Some((planned, *at)),
        SyncEvent::TriggerTaken { .. }
        | SyncEvent::TriggerFound { .. }
        | SyncEvent::TriggerIgnored { .. }
        | SyncEvent::Applied { .. }
        | SyncEvent::LinkSeen { .. }
        | SyncEvent::Skipped { .. }
        | SyncEvent::Failed { .. }
        | SyncEvent::DeadLettered { .. }
        | SyncEvent::Orphaned { .. } => None,
    });
    let rows = planned.flat_map(|(planned, written_at)| {
        planned.fields.iter().map(move |(field, hash)| LedgerRow {
            record: record.clone(),
            field: field.clone(),
            hash: *hash,
            written_at,
        })
    });
    rows.collect()
}
