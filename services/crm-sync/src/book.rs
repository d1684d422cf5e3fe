//! The ledger of crm-sync: what became of changes of records, and what was written.

use contracts::ledger::{KIND_PREFIX, LedgerEvent};
use domain::sync::SyncEvent;
use event_log::{Recorded, RecordedEvent};
use ledger::names;
use projection::{Rows, View, ViewError};

/// Kinds of the events of a story that are counted.
const COUNTED: [&str; 2] = ["sync.applied", "sync.trigger_found"];

/// Counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Book;

impl View for Book {
    fn name(&self) -> &'static str {
        "crm-sync"
    }

    fn version(&self) -> u32 {
        1
    }

    fn apply(&self, recorded: &Recorded, rows: &mut Rows<'_>) -> Result<(), ViewError> {
        for event in &recorded.events {
            if event.kind.starts_with(KIND_PREFIX) {
                settled(event, rows)?;
            } else if COUNTED.contains(&event.kind.as_str()) {
                told(event, rows)?;
            }
        }
        Ok(())
    }
}

fn settled(event: &RecordedEvent, rows: &mut Rows<'_>) -> Result<(), ViewError> {
    let fact = contracts::ledger::decode(&event.kind, event.schema, &event.payload);
    match fact.map_err(ViewError::undecodable)? {
        LedgerEvent::Settled(settled) => ledger::count_settled(rows, &settled),
        // Changes of records wait for nothing.
        LedgerEvent::Parked(_) => Ok(()),
    }
}

fn told(event: &RecordedEvent, rows: &mut Rows<'_>) -> Result<(), ViewError> {
    let fact = contracts::sync::decode_plain(&event.kind, event.schema, &event.payload);
    match fact.map_err(ViewError::undecodable)? {
        SyncEvent::Applied { connection: Some(connection), at, .. } => {
            ledger::count(rows, &connection, at, &[(names::SYNCED, 1)])
        }
        SyncEvent::TriggerFound { record, at, .. } => {
            ledger::count(rows, &record.connection, at, &[(names::RECONCILED, 1)])
        }
        SyncEvent::Applied { connection: None, .. }
        | SyncEvent::TriggerTaken { .. }
        | SyncEvent::TriggerIgnored { .. }
        | SyncEvent::Planned { .. }
        | SyncEvent::LinkSeen { .. }
        | SyncEvent::Skipped { .. }
        | SyncEvent::Failed { .. }
        | SyncEvent::DeadLettered { .. }
        | SyncEvent::Orphaned { .. } => Ok(()),
    }
}
