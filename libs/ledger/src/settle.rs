//! Saying in the log what became of a signal.

use contracts::ledger::{self as codec, LedgerEvent, Parked, Settled, Settlement};
use domain::ids::{CommandId, ConnectionId, EventId, TenantId};
use domain::time::Timestamp;
use event_log::{
    AppendError, Category, Commit, Entity, EntityError, EventLog, Expected, NewEvent, Position, ReadError,
    Recorded, TraceContext, Version, event_id,
};
use sha2::{Digest as _, Sha256};

use crate::DeskError;

/// Tries of an append whose outcome is unknown.
const TRIES_MAX: u32 = 3;

/// The signal that is settled.
#[derive(Clone, Debug)]
pub struct Signal<'a> {
    /// Whose it is.
    pub tenant: &'a TenantId,
    /// Id of its event in the intake.
    pub event: &'a EventId,
    /// Connection it came over.
    pub connection: &'a ConnectionId,
    /// When it had been read.
    pub received_at: Timestamp,
    /// What ties it to its delivery.
    pub correlation_id: &'a str,
}

/// Settles signals in one category. Cheap to clone.
#[derive(Clone)]
pub struct Settler {
    log: EventLog,
    category: Category,
}

/// The entity that says what became of a signal.
///
/// # Errors
/// When the tenant's name cannot stand in the log.
pub fn entity_of(category: Category, tenant: &TenantId, event: &EventId) -> Result<Entity, EntityError> {
    Entity::new(category, tenant, format!("l-{}", hex::encode(event.as_bytes())))
}

impl Settler {
    /// Settles in `category`, whose only writer the caller is.
    pub const fn new(log: EventLog, category: Category) -> Self {
        Self { log, category }
    }

    /// Says what became of the signal; durable when it returns. The first word stands, whoever says it again.
    ///
    /// # Errors
    /// When the log does not take it: the signal must be handled again.
    pub async fn settle(
        &self,
        signal: &Signal<'_>,
        settlement: Settlement,
        reason: &str,
        at: Timestamp,
    ) -> Result<(), DeskError> {
        let fact = LedgerEvent::Settled(Settled {
            connection: signal.connection.clone(),
            received_at: signal.received_at,
            settlement,
            reason: reason.to_owned(),
            at,
        });
        self.append(signal, &fact, at, Expected::Any).await
    }

    /// Says that the signal waits for its envelope, unless it waits or is settled already.
    ///
    /// # Errors
    /// As [`Settler::settle`].
    pub async fn park(&self, signal: &Signal<'_>, parked: Parked) -> Result<(), DeskError> {
        let at = parked.at;
        match self.append(signal, &LedgerEvent::Parked(parked), at, Expected::Absent).await {
            Err(DeskError::Append(AppendError::Conflict { .. })) => Ok(()),
            appended => appended,
        }
    }

    /// Whether anything was said of the signal up to a position of the settler's category.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn told_until(
        &self,
        tenant: &TenantId,
        event: &EventId,
        position: Position,
    ) -> Result<bool, DeskError> {
        let history = self.log.read(&entity_of(self.category, tenant, event)?, Version::NONE).await?;
        Ok(history.first().is_some_and(|recorded| recorded.position <= position))
    }

    /// The commit of the intake that a dead letter or a parked signal names.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn commit_at(&self, entity: &Entity, position: u64) -> Result<Option<Recorded>, ReadError> {
        let history = self.log.read(entity, Version::NONE).await?;
        Ok(history.into_iter().find(|recorded| recorded.position.0 == position))
    }

    async fn append(
        &self,
        signal: &Signal<'_>,
        fact: &LedgerEvent,
        at: Timestamp,
        expected: Expected,
    ) -> Result<(), DeskError> {
        let entity = entity_of(self.category, signal.tenant, signal.event)?;
        let encoded = codec::encode(fact);
        let command_id = command(self.category, signal.event, encoded.kind);
        let commit = Commit {
            command_id,
            correlation_id: signal.correlation_id.to_owned(),
            causation_id: Some(*signal.event),
            trace: TraceContext::current(),
            events: vec![NewEvent {
                id: event_id(&command_id, 0),
                kind: encoded.kind.to_owned(),
                schema: encoded.schema,
                occurred_at: at,
                payload: encoded.payload.into(),
            }],
        };
        for _ in 1..TRIES_MAX {
            match self.log.append(&entity, expected, commit.clone()).await {
                Err(AppendError::Unknown) => {}
                appended => return Ok(appended.map(|_| ())?),
            }
        }
        Ok(self.log.append(&entity, expected, commit).await.map(|_| ())?)
    }
}

/// The same word about the same signal is one command.
fn command(category: Category, event: &EventId, kind: &str) -> CommandId {
    let digest = Sha256::new()
        .chain_update(b"countersign ledger\0")
        .chain_update(category.as_str())
        .chain_update(event.as_bytes())
        .chain_update(kind)
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    CommandId::from_bytes(bytes)
}
