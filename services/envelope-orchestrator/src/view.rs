//! What the orchestrator must find quickly: which envelope a provider's id means, which are open, which are new.
//!
//! A cache of the log without personal data. Whatever is answered or decided is read from the log itself; the
//! view only says where to look.

use contracts::envelope as codec;
use contracts::ledger::{KIND_PREFIX, LedgerEvent};
use contracts::seal::Opener;
use domain::envelope::{Envelope, Stage, evolve};
use domain::ids::{ConnectionId, EnvelopeId, IdError, ProviderEnvelopeId, TenantId};
use domain::intake::RecordRef;
use event_log::{Entity, Recorded, RecordedEvent, Version};
use ledger::names;
use projection::{Rows, View, ViewError};
use serde::{Deserialize, Serialize};

use crate::store::Subject;

/// Envelope id → [`Row`].
pub const ENVELOPES: &str = "envelopes";
/// Connection and provider id → envelope id.
pub const PROVIDER_IDS: &str = "provider_ids";
/// Id of every open envelope → nothing.
pub const OPEN: &str = "open";
/// Connection and id of every open envelope whose provider id is not known → nothing.
pub const NAMELESS: &str = "nameless";
/// Newest first: inverted request time and envelope id → nothing.
pub const NEWEST: &str = "newest";
/// The record that an envelope is for, then as in [`NEWEST`] → nothing.
pub const RECORDS: &str = "records";
/// Signals that wait for their envelope: tenant, zero byte, entity → the event that parked it.
pub const EARLY: &str = "early";

/// Kind of the event that marks what only a sweep found.
const RECONCILED: &str = "envelope.reconciled";

/// What is known of an envelope beside the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Whose it is.
    pub tenant: String,
    /// The provider connection that carries it.
    pub connection: String,
    /// The provider's id, once known.
    pub provider_id: Option<String>,
    /// Whether its life is not over.
    pub open: bool,
}

impl Row {
    /// Bytes as they are stored.
    fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a row of plain text becomes JSON")
    }

    /// The tenant and id it stands for; `None` for a row that this version did not write.
    pub fn subject(&self, id: EnvelopeId) -> Option<Subject> {
        Some(Subject { tenant: self.tenant.parse::<TenantId>().ok()?, id })
    }
}

/// The view over the category envelopes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Envelopes;

impl View for Envelopes {
    fn name(&self) -> &'static str {
        "envelopes"
    }

    fn version(&self) -> u32 {
        3
    }

    fn apply(&self, recorded: &Recorded, rows: &mut Rows<'_>) -> Result<(), ViewError> {
        let Some(Subject { tenant, id }) = Subject::of(&recorded.entity) else {
            return keep_book(recorded, rows);
        };
        let key = id.as_bytes();
        let before: Option<Row> = match rows.get(ENVELOPES, key)? {
            Some(bytes) => Some(serde_json::from_slice(&bytes).map_err(ViewError::undecodable)?),
            None => None,
        };
        let (after, record) = after(before.as_ref(), tenant, recorded)?;
        if recorded.previous_version == Version::NONE
            && let Some(first) = recorded.events.first()
        {
            let newest = newest_key(first, &id);
            rows.put(NEWEST, &newest, [])?;
            if let Some(RecordRef { connection, object_type, object_id }) = record {
                let of_record = record_prefix(connection.as_str(), &object_type, &object_id);
                rows.put(RECORDS, &[of_record, newest].concat(), [])?;
            }
        }
        count_reconciled(&after.connection, recorded, rows)?;
        if before.as_ref() == Some(&after) {
            return Ok(());
        }
        if let Some(provider_id) = &after.provider_id {
            rows.put(PROVIDER_IDS, &joined(&after.connection, provider_id.as_bytes()), key)?;
        }
        let nameless = joined(&after.connection, key);
        mark(rows, NAMELESS, &nameless, after.open && after.provider_id.is_none())?;
        mark(rows, OPEN, key, after.open)?;
        rows.put(ENVELOPES, key, after.to_bytes())
    }
}

/// What became of signals: counted, and who waits for an envelope is listed.
fn keep_book(recorded: &Recorded, rows: &mut Rows<'_>) -> Result<(), ViewError> {
    let key = early_key(&recorded.entity);
    for event in recorded.events.iter().filter(|event| event.kind.starts_with(KIND_PREFIX)) {
        let fact = contracts::ledger::decode(&event.kind, event.schema, &event.payload);
        match fact.map_err(ViewError::undecodable)? {
            LedgerEvent::Parked(_) => rows.put(EARLY, &key, event.payload.to_vec())?,
            LedgerEvent::Settled(settled) => {
                rows.remove(EARLY, &key)?;
                ledger::count_settled(rows, &settled)?;
            }
        }
    }
    Ok(())
}

fn early_key(entity: &Entity) -> Vec<u8> {
    [entity.tenant().as_str().as_bytes(), &[0], entity.id().as_bytes()].concat()
}

fn count_reconciled(connection: &str, recorded: &Recorded, rows: &mut Rows<'_>) -> Result<(), ViewError> {
    for event in recorded.events.iter().filter(|event| event.kind == RECONCILED) {
        let connection: ConnectionId =
            connection.parse().map_err(|error: IdError| ViewError::undecodable(error))?;
        ledger::count(rows, &connection, event.occurred_at, &[(names::RECONCILED, 1)])?;
    }
    Ok(())
}

/// The row after a commit, and the record that the commit names. Only the stage, the connection and the provider's id
/// are followed.
fn after(
    before: Option<&Row>,
    tenant: TenantId,
    recorded: &Recorded,
) -> Result<(Row, Option<RecordRef>), ViewError> {
    let mut envelope = Envelope::default();
    let mut row = before.cloned().unwrap_or_else(|| Row {
        tenant: tenant.to_string(),
        connection: String::new(),
        provider_id: None,
        open: true,
    });
    if !row.open {
        // Which of the closed stages it was does not matter: only a reopening or a correction leaves it.
        envelope.stage = Stage::Declined;
    } else if before.is_some() {
        envelope.stage = Stage::Preparing;
    }
    for event in &recorded.events {
        envelope = evolve(envelope, &decoded(event)?);
    }
    if let Some(connection) = envelope.provider() {
        row.connection = connection.to_string();
    }
    if let Some(id) = &envelope.provider_id {
        row.provider_id = Some(id.to_string());
    }
    row.open = !envelope.stage.is_closed();
    Ok((row, envelope.record().cloned()))
}

fn decoded(event: &RecordedEvent) -> Result<domain::envelope::Event, ViewError> {
    codec::decode(&event.kind, event.schema, &event.payload, &event.id, &Opener::new(None))
        .map_err(ViewError::undecodable)
}

fn mark(rows: &mut Rows<'_>, table: &'static str, key: &[u8], wanted: bool) -> Result<(), ViewError> {
    if wanted { rows.put(table, key, []) } else { rows.remove(table, key) }
}

/// The key of [`PROVIDER_IDS`].
pub fn provider_key(connection: &ConnectionId, id: &ProviderEnvelopeId) -> Vec<u8> {
    joined(connection.as_str(), id.as_str().as_bytes())
}

/// What every key of [`NAMELESS`] of a connection begins with.
pub fn nameless_prefix(connection: &ConnectionId) -> Vec<u8> {
    joined(connection.as_str(), &[])
}

/// What every key of [`RECORDS`] of a record begins with.
pub fn record_prefix(connection: &str, object_type: &str, object_id: &str) -> Vec<u8> {
    [connection, object_type, object_id].map(|part| [part.as_bytes(), &[0]].concat()).concat()
}

fn joined(connection: &str, rest: &[u8]) -> Vec<u8> {
    [connection.as_bytes(), &[0], rest].concat()
}

fn newest_key(first: &RecordedEvent, id: &EnvelopeId) -> Vec<u8> {
    let inverted = u64::MAX - u64::try_from(first.occurred_at.0).unwrap_or(0);
    [inverted.to_be_bytes().as_slice(), id.as_bytes()].concat()
}
