//! The story of one record and one envelope in the log: read, and told on under its expected version.

use contracts::DecodeError;
use domain::ids::{CommandId, EnvelopeId, EventId, TenantId};
use domain::intake::{RecordChange, RecordRef};
use domain::sync::{SyncEvent, SyncState, evolve};
use domain::time::Timestamp;
use event_log::{
    AppendError, Category, Commit, Entity, EntityError, EventLog, Expected, NewEvent, ReadError,
    TraceContext, Version, event_id,
};
use runtime::random::derive_id;

use crate::echo;

/// Why a story could not be read or told on.
#[derive(Debug, thiserror::Error)]
pub enum StoryError {
    /// Its name is not allowed: the tenant's name has characters an entity's may not have.
    #[error(transparent)]
    Entity(#[from] EntityError),
    /// The log cannot be reached now.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Another replica told it on meanwhile, or the log takes no writes now.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The log holds what this version cannot read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// Reads and tells stories. Cheap to clone.
#[derive(Clone)]
pub struct Stories {
    log: EventLog,
}

/// A story so far.
pub struct Story {
    entity: Entity,
    version: Version,
    /// The state that follows from it.
    pub state: SyncState,
    /// Its facts, in order, each with its time: the ledger of our own writes is among them.
    pub events: Vec<SyncEvent>,
    /// How many facts it has; names the next command.
    count: u64,
}

/// What caused a story to go on.
#[derive(Clone, Debug)]
pub struct Cause {
    /// The event that caused it; a sweep has none.
    pub event: Option<EventId>,
    /// What ties it to the trigger.
    pub correlation_id: String,
    /// The trace it belongs to.
    pub trace: TraceContext,
}

impl Stories {
    /// Stories in `log`.
    pub const fn new(log: EventLog) -> Self {
        Self { log }
    }

    /// The story of the writes to one record about one envelope.
    pub async fn of_writes(
        &self,
        tenant: &TenantId,
        envelope: &EnvelopeId,
        record: &RecordRef,
    ) -> Result<Story, StoryError> {
        let RecordRef { connection, object_type, object_id } = record;
        let parts = [&envelope.to_string(), connection.as_str(), object_type, object_id];
        self.read(tenant, &format!("w-{}", hex::encode(derive_id("sync story", &parts)))).await
    }

    /// The story of one change of a record and one flow: the same by whomever the change is told, and however often.
    pub async fn of_trigger(
        &self,
        tenant: &TenantId,
        record: &RecordRef,
        change: &RecordChange,
        flow: &str,
    ) -> Result<Story, StoryError> {
        let RecordRef { connection, object_type, object_id } = record;
        let value = hex::encode(echo::hash_of(change.value.reveal().unwrap_or_default()).0);
        let changed_at = change.changed_at.0.to_string();
        let (property, by) = (change.property.as_str(), change.actor.name());
        let parts = [connection.as_str(), object_type, object_id, property, &value, &changed_at, by, flow];
        self.read(tenant, &format!("t-{}", hex::encode(derive_id("trigger story", &parts)))).await
    }

    async fn read(&self, tenant: &TenantId, id: &str) -> Result<Story, StoryError> {
        let entity = Entity::new(Category::Sync, tenant, id)?;
        let mut story =
            Story { entity, version: Version(0), state: SyncState::default(), events: Vec::new(), count: 0 };
        for recorded in self.log.read(&story.entity, Version(0)).await? {
            story.version = recorded.version;
            for event in recorded.events {
                let fact = contracts::sync::decode_plain(&event.kind, event.schema, &event.payload)?;
                story.take(fact);
            }
        }
        Ok(story)
    }

    /// Tells the story on by one fact.
    ///
    /// # Errors
    /// A conflict when another replica was faster: read it again and decide anew.
    pub async fn tell(
        &self,
        story: &mut Story,
        fact: SyncEvent,
        at: Timestamp,
        cause: &Cause,
    ) -> Result<(), StoryError> {
        let encoded = contracts::sync::encode_plain(&fact);
        let parts = [story.entity.id(), &story.version.0.to_string(), &story.count.to_string(), encoded.kind];
        let command_id = CommandId::from_bytes(derive_id("sync", &parts));
        let commit = Commit {
            command_id,
            correlation_id: cause.correlation_id.clone(),
            causation_id: cause.event,
            trace: cause.trace.clone(),
            events: vec![NewEvent {
                id: event_id(&command_id, 0),
                kind: encoded.kind.to_owned(),
                schema: encoded.schema,
                occurred_at: at,
                payload: encoded.payload.into(),
            }],
        };
        let expected =
            if story.version == Version(0) { Expected::Absent } else { Expected::Exactly(story.version) };
        story.version = self.log.append(&story.entity, expected, commit).await?.version;
        story.take(fact);
        Ok(())
    }
}

impl Story {
    fn take(&mut self, fact: SyncEvent) {
        self.state = evolve(std::mem::take(&mut self.state), &fact);
        self.events.push(fact);
        self.count += 1;
    }
}
