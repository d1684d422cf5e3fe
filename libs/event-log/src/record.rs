//! Commits to bytes and back, and the hash chain that makes tampering visible.
//!
//! Every event carries the SHA-256 of the entity's event before it, over all of its fields and the metadata
//! of its commit. Whoever changes or removes a stored event breaks every later link of that entity.

use bytes::Bytes;
use domain::ids::{CommandId, EventId};
use domain::time::Timestamp;
use prost::Message as _;
use sha2::{Digest as _, Sha256};

use crate::error::AppendError;
use crate::fields::{Fields, bytes_len, number_len};
use crate::trace::TraceContext;
use crate::types::{COMMIT_BYTES_MAX, Commit, Position, Recorded, RecordedEvent, Version};
use crate::wire::{CommitRecord, EventRecord};
use crate::{Category, Entity};

const FORMAT: u32 = 1;
const CORRELATION_BYTES_MAX: usize = 200;

/// Where the entity's chain ends: what the next commit continues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChainEnd {
    pub(crate) version: Version,
    pub(crate) number: u64,
    pub(crate) hash: [u8; 32],
}

/// Refuses what could never be stored, before anything is queued.
pub(crate) fn check(commit: &Commit) -> Result<(), AppendError> {
    if commit.events.is_empty() {
        return Err(AppendError::Corrupt("a commit needs at least one event".to_owned()));
    }
    if commit.correlation_id.len() > CORRELATION_BYTES_MAX {
        return Err(AppendError::Corrupt(format!(
            "a correlation id has at most {CORRELATION_BYTES_MAX} bytes"
        )));
    }
    let bytes = size(commit);
    if bytes > COMMIT_BYTES_MAX {
        return Err(AppendError::TooLarge { bytes, bytes_max: COMMIT_BYTES_MAX });
    }
    Ok(())
}

/// Upper bound of the encoded size, in bytes.
pub(crate) fn size(commit: &Commit) -> usize {
    let metadata = 512 + commit.correlation_id.len();
    commit.events.iter().map(|event| event.payload.len() + event.kind.len() + 96).sum::<usize>() + metadata
}

/// Encodes a commit that continues `end`; gives the bytes and the new end, whose version is not known yet.
pub(crate) fn encode(
    entity: &Entity,
    end: ChainEnd,
    recorded_at: Timestamp,
    commit: &Commit,
) -> (Vec<u8>, ChainEnd) {
    let seal = CommitSeal::new(entity, recorded_at, commit);
    let causation = commit.causation_id.map(|id| *id.as_bytes());
    let mut fields = Fields::with_capacity(size(commit));
    fields.number(1, FORMAT.into());
    fields.bytes(2, entity.tenant().as_str().as_bytes());
    fields.bytes(3, entity.category().as_str().as_bytes());
    fields.bytes(4, entity.id().as_bytes());
    fields.number(5, end.version.0);
    fields.number(6, recorded_at.0.cast_unsigned());
    fields.bytes(7, commit.command_id.as_bytes());
    fields.bytes(8, commit.correlation_id.as_bytes());
    fields.bytes(9, causation.as_ref().map_or(&[], |id| id.as_slice()));
    fields.bytes(10, commit.trace.traceparent.as_deref().unwrap_or_default().as_bytes());
    fields.bytes(11, commit.trace.tracestate.as_deref().unwrap_or_default().as_bytes());
    let mut next = end;
    for event in &commit.events {
        next.number += 1;
        let sealed = EventSeal {
            previous_hash: &next.hash,
            id: event.id.as_bytes(),
            number: next.number,
            kind: &event.kind,
            schema: event.schema,
            occurred_at: event.occurred_at,
            payload: &event.payload,
        };
        let hash = seal.hash(&sealed);
        sealed.write(&mut fields, 12);
        next.hash = hash;
    }
    (fields.into_bytes(), next)
}

/// Decodes the record at `position`; the error says what is wrong with it.
pub(crate) fn decode(position: u64, bytes: Bytes) -> Result<Recorded, String> {
    let wrong = |what: &str| format!("the record at position {position} {what}");
    let record = CommitRecord::decode(bytes).map_err(|_| wrong("is not a commit record"))?;
    if record.format != FORMAT {
        return Err(wrong(&format!("has format {}, known is {FORMAT}", record.format)));
    }
    let category = Category::from_name(&record.category).ok_or_else(|| wrong("has an unknown category"))?;
    let tenant = record.tenant.parse().map_err(|_| wrong("has no tenant"))?;
    let entity = Entity::new(category, &tenant, record.entity).map_err(|_| wrong("has no entity"))?;
    if record.events.is_empty() {
        return Err(wrong("has no event"));
    }
    let events = record.events.into_iter().map(decode_event).collect::<Option<Vec<_>>>();
    Ok(Recorded {
        entity,
        position: Position(position),
        version: Version(position),
        previous_version: Version(record.previous_version),
        recorded_at: Timestamp(record.recorded_at_ms),
        command_id: CommandId::from_bytes(
            fixed(&record.command_id).ok_or_else(|| wrong("has no command id"))?,
        ),
        correlation_id: record.correlation_id,
        causation_id: fixed(&record.causation_id).map(EventId::from_bytes),
        trace: TraceContext {
            traceparent: Some(record.traceparent).filter(|text| !text.is_empty()),
            tracestate: Some(record.tracestate).filter(|text| !text.is_empty()),
        },
        events: events.ok_or_else(|| wrong("has an event without id or hash"))?,
    })
}

/// What a record is about, even where a later version of this program wrote the rest of it.
pub(crate) fn entity_of(bytes: &[u8]) -> Option<Entity> {
    let record = CommitRecord::decode(bytes).ok()?;
    Entity::new(Category::from_name(&record.category)?, &record.tenant.parse().ok()?, record.entity).ok()
}

fn decode_event(event: EventRecord) -> Option<RecordedEvent> {
    Some(RecordedEvent {
        id: EventId::from_bytes(fixed(&event.id)?),
        number: event.number,
        kind: event.kind,
        schema: event.schema,
        occurred_at: Timestamp(event.occurred_at_ms),
        previous_hash: fixed(&event.previous_hash)?,
        payload: event.payload,
    })
}

fn fixed<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

/// The end of the chain after this commit.
pub(crate) fn chain_end(recorded: &Recorded) -> ChainEnd {
    let seal = CommitSeal::of(recorded);
    let last = recorded.events.last();
    ChainEnd {
        version: recorded.version,
        number: last.map_or(0, |event| event.number),
        hash: last.map_or([0; 32], |event| seal.hash(&EventSeal::of(event))),
    }
}

/// An event whose link to the one before it does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("CS-LOG-021: event {number} at position {position} does not continue the event before it")]
pub struct BrokenChain {
    /// The commit.
    pub position: Position,
    /// The event's number within its entity.
    pub number: u64,
}

/// Checks an entity's whole history, from its first commit: numbers without gaps, every link holds.
///
/// # Errors
/// The first event that does not continue the one before it.
pub fn verify_chain(history: &[Recorded]) -> Result<(), BrokenChain> {
    let mut hash = [0; 32];
    let mut number = 0;
    for recorded in history {
        let seal = CommitSeal::of(recorded);
        for event in &recorded.events {
            if event.number != number + 1 || event.previous_hash != hash {
                return Err(BrokenChain { position: recorded.position, number: event.number });
            }
            hash = seal.hash(&EventSeal::of(event));
            number = event.number;
        }
    }
    Ok(())
}

/// The part of the hashed bytes that all events of a commit share.
struct CommitSeal(Sha256);

struct EventSeal<'a> {
    previous_hash: &'a [u8; 32],
    id: &'a [u8; 16],
    number: u64,
    kind: &'a str,
    schema: u32,
    occurred_at: Timestamp,
    payload: &'a [u8],
}

impl<'a> EventSeal<'a> {
    fn of(event: &'a RecordedEvent) -> Self {
        Self {
            previous_hash: &event.previous_hash,
            id: event.id.as_bytes(),
            number: event.number,
            kind: &event.kind,
            schema: event.schema,
            occurred_at: event.occurred_at,
            payload: &event.payload,
        }
    }
}

impl EventSeal<'_> {
    /// As an `EventRecord`.
    fn write(&self, fields: &mut Fields, field: u8) {
        let (schema, occurred_at) = (u64::from(self.schema), self.occurred_at.0.cast_unsigned());
        let numbers = number_len(self.number) + number_len(schema) + number_len(occurred_at);
        let texts = bytes_len(self.id) + bytes_len(self.kind.as_bytes());
        fields.message(field, numbers + texts + bytes_len(self.previous_hash) + bytes_len(self.payload));
        fields.bytes(1, self.id);
        fields.number(2, self.number);
        fields.bytes(3, self.kind.as_bytes());
        fields.number(4, schema);
        fields.number(5, occurred_at);
        fields.bytes(6, self.previous_hash);
        fields.bytes(7, self.payload);
    }
}

impl CommitSeal {
    fn new(entity: &Entity, recorded_at: Timestamp, commit: &Commit) -> Self {
        Self::over(
            entity,
            recorded_at,
            &commit.command_id,
            &commit.correlation_id,
            commit.causation_id,
            &commit.trace,
        )
    }

    fn of(recorded: &Recorded) -> Self {
        Self::over(
            &recorded.entity,
            recorded.recorded_at,
            &recorded.command_id,
            &recorded.correlation_id,
            recorded.causation_id,
            &recorded.trace,
        )
    }

    fn over(
        entity: &Entity,
        recorded_at: Timestamp,
        command: &CommandId,
        correlation: &str,
        causation: Option<EventId>,
        trace: &TraceContext,
    ) -> Self {
        let causation = causation.map(|id| *id.as_bytes());
        let mut hash = Sha256::new();
        field(&mut hash, entity.name().as_bytes());
        field(&mut hash, &recorded_at.0.to_be_bytes());
        field(&mut hash, command.as_bytes());
        field(&mut hash, correlation.as_bytes());
        field(&mut hash, causation.as_ref().map_or(&[], |id| id.as_slice()));
        field(&mut hash, trace.traceparent.as_deref().unwrap_or_default().as_bytes());
        field(&mut hash, trace.tracestate.as_deref().unwrap_or_default().as_bytes());
        CommitSeal(hash)
    }

    fn hash(&self, event: &EventSeal<'_>) -> [u8; 32] {
        let mut hash = self.0.clone();
        field(&mut hash, event.previous_hash);
        field(&mut hash, event.id);
        field(&mut hash, &event.number.to_be_bytes());
        field(&mut hash, event.kind.as_bytes());
        field(&mut hash, &event.schema.to_be_bytes());
        field(&mut hash, &event.occurred_at.0.to_be_bytes());
        field(&mut hash, event.payload);
        hash.finalize().into()
    }
}

/// Length first, so that no two lists of fields have the same bytes.
fn field(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}

#[cfg(test)]
mod tests;
