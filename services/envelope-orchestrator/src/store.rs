//! Load, decide, append: the only way events are born.

use std::time::Duration;

use contracts::seal::{Opener, Sealer};
use contracts::{DecodeError, envelope as codec};
use domain::envelope::{Command, Envelope, Event, Rejection, Stage, decide, evolve};
use domain::ids::{CommandId, EnvelopeId, EventId, TenantId};
use event_log::{
    AppendError, Category, Commit, DataKey, Entity, EntityError, EventLog, Expected, NewEvent, Position,
    ReadError, Recorded, TraceContext, Version, event_id,
};
use runtime::clock::Clock;

use crate::alarms;

/// Most times a command is decided anew because another writer was faster, or an append's outcome was unknown.
const ATTEMPTS_MAX: u32 = 16;

/// Which envelope, and whose.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    /// The tenant it belongs to.
    pub tenant: TenantId,
    /// The envelope.
    pub id: EnvelopeId,
}

impl Subject {
    /// The envelope that a commit is about; `None` for a name that is no envelope id.
    pub fn of(entity: &Entity) -> Option<Subject> {
        Some(Subject { tenant: entity.tenant().clone(), id: entity.id().parse().ok()? })
    }

    fn entity(&self) -> Result<Entity, EntityError> {
        Entity::new(Category::Envelopes, &self.tenant, self.id.to_string())
    }
}

/// Why a command is given, for the commit's metadata.
#[derive(Clone, Debug)]
pub struct Cause {
    /// The same command id is stored once.
    pub command_id: CommandId,
    /// Ties together what follows from one delivery; taken from the envelope's first commit when there is one.
    pub correlation_id: String,
    /// The event that made us do it.
    pub event: Option<EventId>,
}

impl Cause {
    /// A command that follows from an event: the same event and the same `what` are the same command.
    pub fn event(event: &EventId, what: &str, correlation_id: &str) -> Cause {
        let bytes = runtime::random::derive_id("countersign command", &[&event.to_string(), what]);
        Cause {
            command_id: CommandId::from_bytes(bytes),
            correlation_id: correlation_id.to_owned(),
            event: Some(*event),
        }
    }

    /// A command nobody can repeat: an operator's wish, a poll's answer.
    pub fn fresh(correlation_id: &str) -> Cause {
        let command_id = CommandId::from_bytes(runtime::random::new_id());
        Cause { command_id, correlation_id: correlation_id.to_owned(), event: None }
    }
}

/// An envelope as the log has it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Its state.
    pub envelope: Envelope,
    /// Its version.
    pub version: Version,
    /// The correlation id of its first commit; empty when there is none.
    pub correlation_id: String,
    /// Its commits.
    pub history: Vec<Recorded>,
}

/// What a command did.
#[derive(Clone, Debug)]
pub struct Executed {
    /// What became true; empty when nothing changed. Of a command that was carried out before: what it did then,
    /// without what is personal in it.
    pub events: Vec<Event>,
    /// The envelope afterwards.
    pub envelope: Envelope,
    /// Where the envelope's last commit lies.
    pub position: Position,
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// The envelope's stage does not allow it.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The tenant's name cannot stand in the log.
    #[error(transparent)]
    Entity(#[from] EntityError),
    /// The log did not take it.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The log or the keys cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An event of this version or its sealed part is not readable.
    #[error("CS-ORCH-002: {0}")]
    Decode(#[from] DecodeError),
    /// Too many writers at once.
    #[error("the envelope changed {ATTEMPTS_MAX} times while a command was decided")]
    Contended,
}

/// The envelopes in the log.
#[derive(Clone)]
pub struct Store {
    log: EventLog,
    clock: Clock,
}

impl Store {
    /// The envelopes of this log.
    pub fn new(log: EventLog, clock: Clock) -> Self {
        Self { log, clock }
    }

    /// The log behind it.
    pub fn log(&self) -> &EventLog {
        &self.log
    }

    /// The clock that commands carry.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Reads an envelope with its personal data, as far as it is not erased.
    ///
    /// # Errors
    /// When the log does not answer or an event is not readable.
    pub async fn load(&self, subject: &Subject) -> Result<Loaded, ExecuteError> {
        self.load_until(subject, Version(u64::MAX)).await
    }

    /// Reads an envelope as it was at a version.
    ///
    /// # Errors
    /// As [`Store::load`].
    pub async fn load_until(&self, subject: &Subject, version: Version) -> Result<Loaded, ExecuteError> {
        let mut history = self.log.read(&subject.entity()?, Version::NONE).await?;
        history.retain(|recorded| recorded.version <= version);
        let key = match history.is_empty() {
            true => None,
            false => self.log.keys().find(&codec::key_group(&subject.id)).await?,
        };
        replay(history, &Opener::new(key.as_ref().map(DataKey::as_bytes)))
    }

    /// Reads an envelope and leaves its personal data sealed: it looks erased.
    ///
    /// # Errors
    /// As [`Store::load`].
    pub async fn load_sealed(&self, subject: &Subject) -> Result<Loaded, ExecuteError> {
        let history = self.log.read(&subject.entity()?, Version::NONE).await?;
        replay(history, &Opener::new(None))
    }

    /// What has become true of an envelope, without its personal data.
    ///
    /// # Errors
    /// As [`Store::load`].
    pub async fn events(&self, subject: &Subject) -> Result<Vec<Event>, ExecuteError> {
        let mut events = Vec::new();
        for recorded in self.log.read(&subject.entity()?, Version::NONE).await? {
            events.extend(decoded(&recorded, &Opener::new(None))?);
        }
        Ok(events)
    }

    /// Reads an envelope, decides on the command and appends what follows; decides again when somebody was faster.
    ///
    /// # Errors
    /// A rejection by the domain, or trouble with the log. After trouble, the same cause may be repeated.
    pub async fn execute(
        &self,
        subject: &Subject,
        command: Command,
        cause: &Cause,
    ) -> Result<Executed, ExecuteError> {
        let entity = subject.entity()?;
        for attempt in 1..=ATTEMPTS_MAX {
            let loaded = self.load(subject).await?;
            let done = loaded.history.iter().find(|recorded| recorded.command_id == cause.command_id);
            let repeated = done.is_some();
            let events = match done {
                Some(recorded) => decoded(recorded, &Opener::new(None))?,
                None => decide(&loaded.envelope, command.clone())?,
            };
            if repeated || events.is_empty() {
                let position = Position(loaded.version.0);
                return Ok(Executed { events, envelope: loaded.envelope, position });
            }
            let commit = self.commit(subject, &loaded, &events, cause).await?;
            let expected = match loaded.version {
                Version::NONE => Expected::Absent,
                version => Expected::Exactly(version),
            };
            match self.log.append(&entity, expected, commit).await {
                Ok(appended) => {
                    let envelope = count(subject, loaded.envelope, &events);
                    let position = appended.position;
                    return Ok(Executed { events, envelope, position });
                }
                Err(AppendError::Conflict { .. }) => {}
                Err(AppendError::Unknown) if attempt < 3 => {}
                Err(error @ (AppendError::Unknown | AppendError::TooLarge { .. })) => {
                    return Err(error.into());
                }
                Err(error @ (AppendError::Unavailable(_) | AppendError::Corrupt(_))) => {
                    return Err(error.into());
                }
            }
        }
        Err(ExecuteError::Contended)
    }

    async fn commit(
        &self,
        subject: &Subject,
        loaded: &Loaded,
        events: &[Event],
        cause: &Cause,
    ) -> Result<Commit, ExecuteError> {
        let key = self.log.keys().key(&codec::key_group(&subject.id)).await?;
        let sealer = Sealer::new(key.as_bytes());
        let occurred_at = self.clock.now();
        let mut sealed = Vec::with_capacity(events.len());
        for (index, event) in events.iter().enumerate() {
            let id = event_id(&cause.command_id, index);
            let encoded = codec::encode(event, &id, &sealer);
            sealed.push(NewEvent {
                id,
                kind: encoded.kind.to_owned(),
                schema: encoded.schema,
                occurred_at,
                payload: encoded.payload.into(),
            });
        }
        let carried = &loaded.correlation_id;
        let correlation_id = if carried.is_empty() { &cause.correlation_id } else { carried };
        Ok(Commit {
            command_id: cause.command_id,
            correlation_id: correlation_id.clone(),
            causation_id: cause.event,
            trace: TraceContext::current(),
            events: sealed,
        })
    }
}

impl ExecuteError {
    /// How long to wait before trying again; `None` when only a person can help.
    pub fn pause(&self) -> Option<Duration> {
        match self {
            ExecuteError::Contended | ExecuteError::Append(AppendError::Conflict { .. }) => {
                Some(Duration::from_millis(100))
            }
            ExecuteError::Append(AppendError::Unknown | AppendError::Unavailable(_))
            | ExecuteError::Read(ReadError::Unavailable(_)) => Some(Duration::from_secs(2)),
            ExecuteError::Rejected(_)
            | ExecuteError::Entity(_)
            | ExecuteError::Decode(_)
            | ExecuteError::Append(AppendError::TooLarge { .. } | AppendError::Corrupt(_))
            | ExecuteError::Read(ReadError::Corrupt(_) | ReadError::TooLong { .. }) => None,
        }
    }
}

fn decoded(recorded: &Recorded, opener: &Opener) -> Result<Vec<Event>, DecodeError> {
    let events = recorded.events.iter();
    events.map(|event| codec::decode(&event.kind, event.schema, &event.payload, &event.id, opener)).collect()
}

fn replay(history: Vec<Recorded>, opener: &Opener) -> Result<Loaded, ExecuteError> {
    let mut envelope = Envelope::default();
    for recorded in &history {
        envelope = decoded(recorded, opener)?.iter().fold(envelope, evolve);
    }
    Ok(Loaded {
        envelope,
        version: history.last().map_or(Version::NONE, |last| last.version),
        correlation_id: history.first().map(|first| first.correlation_id.clone()).unwrap_or_default(),
        history,
    })
}

/// The envelope after these events; counts the stages that were entered, and raises what a person must look at.
fn count(subject: &Subject, mut envelope: Envelope, events: &[Event]) -> Envelope {
    for event in events {
        alarms::raise(subject, &envelope, event);
        let before = envelope.stage;
        envelope = evolve(envelope, event);
        if envelope.stage != before {
            metrics::counter!("orchestrator_envelopes_total", "stage" => envelope.stage.name()).increment(1);
            observe_signing(&envelope);
        }
    }
    envelope
}

/// How long it took from the wish to the last signature, of what we made ourselves.
fn observe_signing(envelope: &Envelope) {
    let (Some(from), Some(to)) = (envelope.requested_at, envelope.completed_at) else { return };
    if envelope.stage == Stage::Completed && envelope.order.is_some() {
        let hours = to.since(from).as_secs_f64() / 3_600.0;
        metrics::histogram!("orchestrator_signing_hours").record(hours);
    }
}
