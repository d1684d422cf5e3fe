//! Applies what providers report: follows the intake, finds the envelope that is meant, lets the domain decide.
//!
//! A signal may come before the create call that it follows from has returned. It finds its envelope by the id we
//! attached; if it carries none, it waits as long as some envelope of the connection has no provider id yet.
//! What nobody here made is taken up if a flow says so, and otherwise let go, counted.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contracts::DecodeError;
use contracts::intake::{self, Accepted, IntakeEvent};
use contracts::seal::Opener;
use domain::envelope::{Command, Observation, Source, Stage};
use domain::ids::EnvelopeId;
use domain::intake::{EnvelopeNews, Meaning};
use domain::retry::{Backoff, Retry};
use event_log::{Category, DataKey, Delivery, Handler, Outcome, Position, Recorded, RecordedEvent};
use parking_lot::Mutex;
use providers::ENVELOPE_ID_KEY;
use tracing::Instrument as _;

use crate::Providers;
use crate::adopt::Adopter;
use crate::config::Tuning;
use crate::directory::{Directory, DirectoryError};
use crate::store::{Cause, ExecuteError, Store, Subject};

/// Name of the consumer whose checkpoint says which signals are applied.
pub const CONSUMER: &str = "orchestrator-signals";

/// Applies signals.
pub struct Signals {
    pub(crate) store: Store,
    pub(crate) directory: Directory,
    pub(crate) providers: Providers,
    pub(crate) adopter: Adopter,
    pub(crate) tuning: Arc<Tuning>,
    pub(crate) early: Mutex<HashSet<Position>>,
}

/// Why a signal could not be applied now.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("CS-ORCH-001: {0}")]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Read(#[from] event_log::ReadError),
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

/// Whose news it is.
enum Found {
    Envelope(Subject),
    /// It may belong to an envelope whose create call has not returned.
    Early,
    Nobodys,
}

#[async_trait]
impl Handler for Signals {
    async fn handle(&self, delivery: &Delivery) -> Outcome {
        let recorded = &delivery.recorded;
        let span = tracing::info_span!("signal", otel.kind = "consumer", envelope.id = tracing::field::Empty);
        recorded.trace.continue_in(&span, self.store.clock().now().since(recorded.recorded_at));
        for event in &recorded.events {
            let outcome = match self.take(recorded, event).instrument(span.clone()).await {
                Ok(true) => continue,
                Ok(false) => self.later(delivery),
                Err(trouble) => refuse(&trouble),
            };
            self.note_early(recorded.position, matches!(outcome, Outcome::Retry { .. }));
            return outcome;
        }
        self.note_early(recorded.position, false);
        Outcome::Done
    }
}

impl Signals {
    /// Applies one event; `false` when it came too early.
    async fn take(&self, recorded: &Recorded, event: &RecordedEvent) -> Result<bool, Trouble> {
        let Some((accepted, news)) = self.open(event).await? else { return Ok(true) };
        let subject = match self.whose(recorded, &accepted, &news).await? {
            Found::Envelope(subject) => subject,
            Found::Early if self.still_early(&accepted) => return Ok(false),
            Found::Early => {
                tracing::warn!(connection = %accepted.connection, event = accepted.event, "early arrival unmatched");
                count("unmatched");
                return Ok(true);
            }
            Found::Nobodys => match self.adopter.adopt(recorded, event, &accepted, &news).await? {
                Some(subject) => subject,
                None => {
                    count("nobodys");
                    return Ok(true);
                }
            },
        };
        tracing::Span::current().record("envelope.id", tracing::field::display(&subject.id));
        let provider = (self.providers)(&accepted.connection);
        let reopens = provider.is_some_and(|provider| provider.capabilities().reopens);
        let (observation, at) = (observation(news), self.store.clock().now());
        let command = Command::Observe { observation, source: Source::Webhook, reopens, at };
        let cause = Cause::event(&event.id, "observe", &recorded.correlation_id);
        match self.store.execute(&subject, command, &cause).await {
            Ok(_) => count("applied"),
            Err(ExecuteError::Rejected(rejection)) => {
                tracing::warn!(envelope.id = %subject.id, %rejection, "a signal was refused");
                count("refused");
            }
            Err(error) => return Err(error.into()),
        }
        Ok(true)
    }

    /// The news of an envelope in an intake event; `None` for everything else.
    async fn open(&self, event: &RecordedEvent) -> Result<Option<(Accepted, EnvelopeNews)>, Trouble> {
        if event.kind != "intake.signal_accepted" {
            return Ok(None);
        }
        let key = match intake::group(&event.kind, event.schema, &event.payload)? {
            Some(group) => self.store.log().keys().find(&group).await?,
            None => None,
        };
        let opener = Opener::new(key.as_ref().map(DataKey::as_bytes));
        match intake::decode(&event.kind, event.schema, &event.payload, &event.id, &opener)? {
            IntakeEvent::Accepted(accepted) => match accepted.meaning.clone() {
                Meaning::Envelope(news) => Ok(Some((*accepted, news))),
                Meaning::Record(_) | Meaning::Nothing(_) => Ok(None),
            },
            IntakeEvent::Duplicated(_)
            | IntakeEvent::Quarantined(_)
            | IntakeEvent::Released(_)
            | IntakeEvent::Discarded(_)
            | IntakeEvent::Refused(_) => Ok(None),
        }
    }

    async fn whose(
        &self,
        recorded: &Recorded,
        accepted: &Accepted,
        news: &EnvelopeNews,
    ) -> Result<Found, Trouble> {
        let connection = &accepted.connection;
        if let Some(subject) = self.directory.by_provider_id(connection, &news.provider_id)? {
            return Ok(Found::Envelope(subject));
        }
        let named = news.correlation.get(ENVELOPE_ID_KEY).and_then(|text| text.parse::<EnvelopeId>().ok());
        if let Some(id) = named {
            let subject = Subject { tenant: recorded.entity.tenant().clone(), id };
            let envelope = self.store.load_sealed(&subject).await?.envelope;
            let ours = envelope.stage != Stage::Absent && envelope.provider() == Some(connection);
            let same = envelope.provider_id.as_ref().is_none_or(|known| *known == news.provider_id);
            return Ok(if ours && same { Found::Envelope(subject) } else { Found::Nobodys });
        }
        // The view may lag: only at the end of the log a miss is a miss.
        let head = self.store.log().head(Category::Envelopes).await?;
        self.directory.wait_for(head, self.tuning.lookup_wait).await?;
        match self.directory.by_provider_id(connection, &news.provider_id)? {
            Some(subject) => Ok(Found::Envelope(subject)),
            None if self.directory.has_nameless(connection)? => Ok(Found::Early),
            None => Ok(Found::Nobodys),
        }
    }

    fn still_early(&self, accepted: &Accepted) -> bool {
        self.store.clock().now().since(accepted.received_at) < self.tuning.early_arrival_window
    }

    fn later(&self, delivery: &Delivery) -> Outcome {
        let pause_min = self.tuning.early_arrival_pause;
        let backoff = Backoff { pause_min, pause_max: pause_min.saturating_mul(30), attempts_max: u32::MAX };
        let pause = backoff.pause(Retry::WithBackoff, delivery.attempt, runtime::random::jitter());
        Outcome::Retry {
            pause: pause.unwrap_or(pause_min),
            reason: "its envelope is not known yet: a create call may be on its way".to_owned(),
        }
    }

    fn note_early(&self, position: Position, waits: bool) {
        let mut early = self.early.lock();
        let changed = if waits { early.insert(position) } else { early.remove(&position) };
        if changed {
            metrics::gauge!("orchestrator_early_arrivals")
                .set(u32::try_from(early.len()).unwrap_or(u32::MAX));
        }
    }
}

/// What to do with a signal that could not be applied.
fn refuse(trouble: &Trouble) -> Outcome {
    let pause = match trouble {
        Trouble::Decode(_) => None,
        Trouble::Read(_) | Trouble::Directory(_) => Some(Duration::from_secs(2)),
        Trouble::Execute(error) => error.pause(),
    };
    let reason = trouble.to_string();
    match pause {
        Some(pause) => Outcome::Retry { pause, reason },
        None => Outcome::GiveUp { reason },
    }
}

fn observation(news: EnvelopeNews) -> Observation {
    Observation {
        provider_id: news.provider_id,
        claim: news.claim,
        detection: None,
        fields_version: None,
        revision: news.revision,
        parties: news.parties,
        total: None,
        review_link: None,
        conclusive: news.conclusive,
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("orchestrator_signals_total", "outcome" => outcome).increment(1);
}
