//! Whose news it is, and what becomes of it.
//!
//! The rule of an early arrival (lifecycle.md §5.3, rule 2): news of a document nobody knows *may be ours* if it names
//! one of our envelope ids, or if a create call is under way over its connection, for then the answer that tells us
//! the provider's id may still be on its way. Such news waits. All other news of an unknown document is offered to
//! the flows that adopt; what none of them wants is nobody's, and settled at once.

use std::sync::Arc;

use contracts::DecodeError;
use contracts::intake::{self, Accepted, IntakeEvent};
use contracts::ledger::Settlement;
use contracts::seal::Opener;
use domain::envelope::{Command, Event, Observation, Source, Stage};
use domain::ids::{ConnectionId, EnvelopeId};
use domain::intake::{Claim, EnvelopeNews, Meaning};
use event_log::{Category, DataKey, Recorded, RecordedEvent};
use ledger::DeskError;
use providers::{ENVELOPE_ID_KEY, Snapshot};

use crate::Providers;
use crate::adopt::Adopter;
use crate::alarms;
use crate::config::Tuning;
use crate::directory::{Directory, DirectoryError};
use crate::store::{Cause, ExecuteError, Store, Subject};
use crate::worker::observation as seen;

/// Finds envelopes for news and applies it.
pub struct Matcher {
    pub(crate) store: Store,
    pub(crate) directory: Directory,
    pub(crate) providers: Providers,
    pub(crate) adopter: Adopter,
    pub(crate) tuning: Arc<Tuning>,
}

/// Why a signal could not be handled now.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error("CS-ORCH-001: {0}")]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Read(#[from] event_log::ReadError),
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Ledger(#[from] DeskError),
}

/// News of an envelope, with the event that brought it.
pub struct Brought<'a> {
    pub recorded: &'a Recorded,
    pub event: &'a RecordedEvent,
    pub accepted: Accepted,
    pub news: EnvelopeNews,
}

/// What becomes of news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is decided.
    Settled(Settlement, &'static str),
    /// It may be ours, and waits.
    Early {
        /// Whether it names an envelope of ours.
        named: bool,
    },
}

/// Whose news it is.
enum Found {
    Envelope(Subject),
    Early {
        named: bool,
    },
    /// It names an envelope that is another document.
    Twin,
    Nobodys,
}

impl Matcher {
    /// The news of an envelope in an intake event; `None` for everything else.
    pub async fn open<'a>(
        &self,
        recorded: &'a Recorded,
        event: &'a RecordedEvent,
    ) -> Result<Option<Brought<'a>>, Trouble> {
        if event.kind != "intake.signal_accepted" {
            return Ok(None);
        }
        let key = match intake::group(&event.kind, event.schema, &event.payload)? {
            Some(group) => self.store.log().keys().find(&group).await?,
            None => None,
        };
        let opener = Opener::new(key.as_ref().map(DataKey::as_bytes));
        let decoded = intake::decode(&event.kind, event.schema, &event.payload, &event.id, &opener)?;
        let IntakeEvent::Accepted(accepted) = decoded else { return Ok(None) };
        let accepted = *accepted;
        match accepted.meaning.clone() {
            Meaning::Envelope(news) => Ok(Some(Brought { recorded, event, accepted, news })),
            Meaning::Record(_) | Meaning::Nothing(_) => Ok(None),
        }
    }

    /// Applies news to the envelope that is meant, or says why not.
    pub async fn judge(&self, brought: &Brought<'_>) -> Result<Fate, Trouble> {
        match self.whose(brought).await? {
            Found::Envelope(subject) => self.apply(brought, &subject).await,
            Found::Early { named } => Ok(Fate::Early { named }),
            Found::Twin => Ok(Fate::Settled(Settlement::Unmatched, "twin")),
            Found::Nobodys => match self.adopt(brought).await? {
                Some(subject) => self.apply(brought, &subject).await,
                None => Ok(Fate::Settled(Settlement::Unmatched, "nobodys")),
            },
        }
    }

    /// Judges news that has waited long enough, by what the provider says of the document now.
    pub async fn judge_late(&self, brought: &Brought<'_>, snapshot: Snapshot) -> Result<Fate, Trouble> {
        let mut brought =
            Brought { news: brought.news.clone(), accepted: brought.accepted.clone(), ..*brought };
        brought.news.correlation.extend(snapshot.correlation.clone());
        let subject = match self.whose(&brought).await? {
            Found::Envelope(subject) => Some(subject),
            Found::Twin => return Ok(Fate::Settled(Settlement::Unmatched, "twin")),
            Found::Early { .. } | Found::Nobodys => self.adopt(&brought).await?,
        };
        let Some(subject) = subject else { return Ok(Fate::Settled(Settlement::Unmatched, "strangers")) };
        let fate = self.apply(&brought, &subject).await?;
        self.observe(&brought, &subject, "early look", seen(snapshot), Source::Poll).await?;
        Ok(fate)
    }

    async fn adopt(&self, brought: &Brought<'_>) -> Result<Option<Subject>, Trouble> {
        let Brought { recorded, event, accepted, news } = brought;
        Ok(self.adopter.adopt(recorded, event, accepted, news).await?)
    }

    async fn apply(&self, brought: &Brought<'_>, subject: &Subject) -> Result<Fate, Trouble> {
        tracing::Span::current().record("envelope.id", tracing::field::display(&subject.id));
        self.observe(brought, subject, "observe", observation(brought.news.clone()), Source::Webhook).await
    }

    async fn observe(
        &self,
        brought: &Brought<'_>,
        subject: &Subject,
        what: &str,
        observation: Observation,
        source: Source,
    ) -> Result<Fate, Trouble> {
        let provider = (self.providers)(&brought.accepted.connection);
        let reopens = provider.is_some_and(|provider| provider.capabilities().reopens);
        let command = Command::Observe { observation, source, reopens, at: self.store.clock().now() };
        let cause = Cause::event(&brought.event.id, what, &brought.recorded.correlation_id);
        match self.store.execute(subject, command, &cause).await {
            Ok(done) => Ok(fate_of(&done.events)),
            Err(ExecuteError::Rejected(rejection)) => {
                tracing::warn!(envelope.id = %subject.id, %rejection, "a signal was refused");
                Ok(Fate::Settled(Settlement::Refused, rejection.code()))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn whose(&self, brought: &Brought<'_>) -> Result<Found, Trouble> {
        let (connection, news) = (&brought.accepted.connection, &brought.news);
        if let Some(subject) = self.directory.by_provider_id(connection, &news.provider_id)? {
            return Ok(Found::Envelope(subject));
        }
        let named = news.correlation.get(ENVELOPE_ID_KEY).and_then(|text| text.parse::<EnvelopeId>().ok());
        if let Some(id) = named {
            return self.named(brought, connection, id).await;
        }
        // The view may lag: only at the end of the log a miss is a miss.
        let head = self.store.log().head(Category::Envelopes).await?;
        self.directory.wait_for(head, self.tuning.lookup_wait).await?;
        match self.directory.by_provider_id(connection, &news.provider_id)? {
            Some(subject) => Ok(Found::Envelope(subject)),
            None if self.directory.has_nameless(connection)? => Ok(Found::Early { named: false }),
            None => Ok(Found::Nobodys),
        }
    }

    /// The envelope that the news names. One that nobody has heard of may yet come to be known.
    async fn named(
        &self,
        brought: &Brought<'_>,
        connection: &ConnectionId,
        id: EnvelopeId,
    ) -> Result<Found, Trouble> {
        let subject = Subject { tenant: brought.recorded.entity.tenant().clone(), id };
        let envelope = self.store.load_sealed(&subject).await?.envelope;
        if envelope.stage == Stage::Absent {
            return Ok(Found::Early { named: true });
        }
        if envelope.provider() != Some(connection) {
            return Ok(Found::Nobodys);
        }
        if envelope.provider_id.as_ref().is_none_or(|known| *known == brought.news.provider_id) {
            return Ok(Found::Envelope(subject));
        }
        // gone is what a person would make of it
        if brought.news.claim != Claim::Deleted {
            alarms::twin(&subject, &brought.news.provider_id);
        }
        Ok(Found::Twin)
    }
}

/// What the facts of an observation say about the news that made them.
fn fate_of(events: &[Event]) -> Fate {
    let ignored = events.iter().find_map(|event| {
        if let Event::SignalIgnored { reason, .. } = event { Some(reason.code()) } else { None }
    });
    match ignored {
        Some(reason) => Fate::Settled(Settlement::Ignored, reason),
        None if events.is_empty() => Fate::Settled(Settlement::Ignored, "nothing_new"),
        None => Fate::Settled(Settlement::Applied, ""),
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
