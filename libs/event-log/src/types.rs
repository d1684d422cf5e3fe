//! The words of the log: positions, versions, commits and what comes back from an append.

use std::fmt;

use bytes::Bytes;
use domain::ids::{CommandId, EventId};
use domain::time::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::Entity;
use crate::trace::TraceContext;

/// Where a commit lies in its category. Strictly increasing, not dense.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

impl Position {
    /// Before every commit.
    pub const ZERO: Position = Position(0);
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How far an entity has come: the position of its last commit, 0 when it has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

impl Version {
    /// The version of an entity that has no commit.
    pub const NONE: Version = Version(0);
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the writer believes about the entity it appends to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Nothing was ever appended to it.
    Absent,
    /// Its last commit is this one.
    Exactly(Version),
    /// Whatever: append after what is there. For entities whose commits do not depend on one another.
    Any,
}

/// One fact to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// Unique in the whole log; [`event_id`] derives one.
    pub id: EventId,
    /// Type of the payload, for example `envelope.sent`.
    pub kind: String,
    /// Version of the payload's schema, from 1.
    pub schema: u32,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// The encoded event. Personal data in it is sealed by the writer.
    pub payload: Bytes,
}

/// The id of the event number `index` (from 0) of a command: the same whenever the command is repeated.
pub fn event_id(command: &CommandId, index: usize) -> EventId {
    let digest = Sha256::new()
        .chain_update(b"countersign event\0")
        .chain_update(command.as_bytes())
        .chain_update((index as u64).to_be_bytes())
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    EventId::from_bytes(bytes)
}

/// One command on one entity: stored as a whole or not at all, once per command id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The same command on the same entity is stored once, however often it is appended.
    pub command_id: CommandId,
    /// What ties everything together that follows from one delivery; at most 200 bytes.
    pub correlation_id: String,
    /// The event that caused the command.
    pub causation_id: Option<EventId>,
    /// The writer's trace; when empty, `append` takes the current span's.
    pub trace: TraceContext,
    /// What became true, in order: 1 or more events, together at most [`COMMIT_BYTES_MAX`].
    pub events: Vec<NewEvent>,
}

/// Largest encoded commit, in bytes. What is larger goes into [`crate::Blobs`].
pub const COMMIT_BYTES_MAX: usize = 512 * 1024;

/// Most commits of one entity that [`crate::EventLog::read`] returns.
pub const COMMITS_PER_ENTITY_MAX: usize = 10_000;

/// A commit as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// What it is about.
    pub entity: Entity,
    /// Where it lies in its category.
    pub position: Position,
    /// The entity's version with this commit: the same number as the position.
    pub version: Version,
    /// The entity's version before this commit.
    pub previous_version: Version,
    /// When the log took it.
    pub recorded_at: Timestamp,
    /// The command that made it.
    pub command_id: CommandId,
    /// What ties everything together that follows from one delivery.
    pub correlation_id: String,
    /// The event that caused the command.
    pub causation_id: Option<EventId>,
    /// The trace of the writer.
    pub trace: TraceContext,
    /// What became true, in order; never empty.
    pub events: Vec<RecordedEvent>,
}

/// An event as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedEvent {
    /// Unique in the whole log.
    pub id: EventId,
    /// Number within the entity, from 1 without gaps.
    pub number: u64,
    /// Type of the payload.
    pub kind: String,
    /// Version of the payload's schema.
    pub schema: u32,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// SHA-256 of the entity's event before this one; zeros for the first. See [`crate::verify_chain`].
    pub previous_hash: [u8; 32],
    /// The encoded event.
    pub payload: Bytes,
}

/// The answer to an append: the commit is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Where the commit lies; wait for a projection to reach it to read your own write.
    pub position: Position,
    /// The entity's version with this commit.
    pub version: Version,
    /// The command was stored by an earlier append; nothing was added.
    pub duplicate: bool,
}

impl Appended {
    pub(crate) fn at(position: u64, duplicate: bool) -> Appended {
        Appended { position: Position(position), version: Version(position), duplicate }
    }
}

/// One item of a tail.
#[expect(clippy::large_enum_variant, reason = "nearly every item is a commit; a box would cost each one")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tailed {
    /// The next commit of the category.
    Commit(Recorded),
    /// Everything up to this position was yielded (or skipped by the filter); the next item may take a while.
    CaughtUp(Position),
}

/// What an acknowledged append survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A power cut: every acknowledged commit was synced to the disk.
    PowerLoss,
    /// The death of the process only: the operator accepted `lazy-sync`.
    ProcessOnly,
    /// Nobody looked: the operator accepted `unchecked-sync`.
    Unchecked,
}
