//! Reading what the log says: signals of the intake and the life of an envelope.

use contracts::DecodeError;
use contracts::intake::IntakeEvent;
use contracts::seal::Opener;
use domain::envelope::{Envelope, Event, evolve};
use domain::ids::EnvelopeId;
use event_log::{DataKey, Entity, EventLog, ReadError, RecordedEvent, Version};

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The log cannot be reached now.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The log holds what this version cannot read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// Reads and opens events. Cheap to clone.
#[derive(Clone)]
pub struct Histories {
    log: EventLog,
}

/// An envelope as the log tells it.
pub struct History {
    /// Its state.
    pub envelope: Envelope,
    /// Number of its last event: grows with every fact.
    pub version: u64,
}

impl Histories {
    /// Reads from `log`.
    pub const fn new(log: EventLog) -> Self {
        Self { log }
    }

    /// One event of the intake.
    pub async fn signal(&self, event: &RecordedEvent) -> Result<IntakeEvent, HistoryError> {
        let group = contracts::intake::group(&event.kind, event.schema, &event.payload)?;
        let key = match group {
            Some(group) => self.log.keys().find(&group).await?,
            None => None,
        };
        let opener = opener(key.as_ref());
        Ok(contracts::intake::decode(&event.kind, event.schema, &event.payload, &event.id, &opener)?)
    }

    /// A whole envelope, as it stands now.
    pub async fn envelope(&self, entity: &Entity, id: &EnvelopeId) -> Result<History, HistoryError> {
        let key = self.log.keys().find(&contracts::envelope::key_group(id)).await?;
        let opener = opener(key.as_ref());
        let mut history = History { envelope: Envelope::default(), version: 0 };
        for recorded in self.log.read(entity, Version(0)).await? {
            for event in recorded.events {
                let fact: Event = contracts::envelope::decode(
                    &event.kind,
                    event.schema,
                    &event.payload,
                    &event.id,
                    &opener,
                )?;
                history.envelope = evolve(history.envelope, &fact);
                history.version = event.number;
            }
        }
        Ok(history)
    }
}

fn opener(key: Option<&DataKey>) -> Opener {
    Opener::new(key.map(DataKey::as_bytes))
}
