//! Looks at envelopes again when it is time: polls, deadlines, reminders.
//!
//! One task. It reads every open envelope at start, then tails the log, so what it knows is what is true; a
//! restart, however long it took, polls everything that became due meanwhile. The same tail keeps the waiting
//! lines of [`crate::holds`]. Several replicas may fire the same timer: commands are idempotent.

mod agenda;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use contracts::envelope as codec;
use contracts::seal::Opener;
use domain::envelope::{Command, Envelope, HoldReason, Source, Stage, TimerKind, evolve};
use domain::ids::EnvelopeId;
use domain::intake::Claim;
use event_log::{Category, Position, ReadError, Recorded, Tailed, Version, patiently};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use providers::Class;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::Providers;
use crate::alarms;
use crate::config::Tuning;
use crate::holds::Holds;
use crate::store::{Cause, ExecuteError, Store, Subject};
use crate::worker::{NOT_FOUND_TRIES, claimed, observation};
use agenda::{Agenda, Due};

/// Kind of the event that asks for a send: its commit's position is the send's place in a waiting line.
const SEND_REQUESTED: &str = "envelope.send_requested";
/// Envelopes that are read at once at start.
const READS_AT_ONCE: usize = 16;
/// A draft that has waited for a person for so long is one to ask about.
const REVIEW_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// How often such drafts are counted.
const REVIEWS_EVERY: Duration = Duration::from_secs(30);

/// Fires what is due.
pub struct Timers {
    pub(crate) store: Store,
    pub(crate) providers: Providers,
    pub(crate) holds: Arc<Holds>,
    pub(crate) tuning: Arc<Tuning>,
}

/// An envelope that is watched, without its personal data.
struct Watched {
    subject: Subject,
    envelope: Envelope,
    version: Version,
    send_asked: Option<Position>,
}

/// Stage and hold of an envelope before a commit.
type Before = (Stage, Option<HoldReason>);

#[derive(Default)]
struct Book {
    agenda: Agenda,
    open: HashMap<EnvelopeId, Watched>,
}

impl Timers {
    /// Runs until `shutdown`. `open` are the envelopes that were open at `from`; `ready` is told once all of them
    /// were read, so that the waiting lines stand before the first effect runs.
    ///
    /// # Errors
    /// When the log holds a record that cannot be read.
    pub async fn run(
        self,
        open: Vec<Subject>,
        from: Position,
        ready: Arc<Notify>,
        shutdown: CancellationToken,
    ) -> Result<(), ReadError> {
        let letters = || self.store.log().dead_letters(crate::worker::CONSUMER);
        for letter in patiently("the dead letters", ReadError::is_unavailable, letters).await? {
            self.holds.expect_nothing_of(letter.position);
        }
        let mut book = Book::default();
        let mut reads = futures::stream::iter(open)
            .map(|subject| async {
                // Not read is not watched: a log that is slow at start-up must not cost an envelope its timers.
                let slow =
                    |error: &ExecuteError| matches!(error, ExecuteError::Read(ReadError::Unavailable(_)));
                let read = patiently("an open envelope", slow, || self.read(&subject)).await;
                (read, subject)
            })
            .buffer_unordered(READS_AT_ONCE);
        while let Some((watched, subject)) = reads.next().await {
            match watched {
                Ok(watched) => self.watch(&mut book, watched, None),
                Err(error) => {
                    tracing::error!(envelope.id = %subject.id, %error, "an open envelope is not watched")
                }
            }
        }
        drop(reads);
        for watched in book.open.values() {
            self.keep_place(watched, None);
        }
        ready.notify_one();
        let mut tail = self.store.log().tail(Category::Envelopes, from);
        let mut reviews = tokio::time::interval(REVIEWS_EVERY);
        let mut running: FuturesUnordered<BoxFuture<'_, (Due, Result<(), Trouble>)>> =
            FuturesUnordered::new();
        loop {
            let now = self.store.clock().now();
            while running.len() < self.tuning.timers_concurrency
                && let Some(due) = book.agenda.take(now)
            {
                running.push(Box::pin(async {
                    let outcome = self.fire(&due).await;
                    (due, outcome)
                }));
            }
            metrics::gauge!("orchestrator_timers").set(u32::try_from(book.agenda.len()).unwrap_or(u32::MAX));
            let free = running.len() < self.tuning.timers_concurrency;
            let next = book.agenda.next().filter(|_| free);
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                item = tail.next() => match item {
                    Some(Ok(Tailed::Commit(recorded))) => self.follow(&mut book, &recorded).await,
                    Some(Ok(Tailed::CaughtUp(_))) => {}
                    Some(Err(error)) => return Err(error),
                    None => return Ok(()),
                },
                Some((due, outcome)) = running.next(), if !running.is_empty() => {
                    let now = self.store.clock().now();
                    match outcome {
                        Ok(()) => book.agenda.done(&due, now, &self.tuning),
                        Err(trouble) => {
                            tracing::debug!(envelope.id = %due.subject.id, timer = ?due.kind, %trouble, "timer failed");
                            book.agenda.failed(&due, now, runtime::random::jitter());
                        }
                    }
                }
                _ = reviews.tick() => self.show_reviews(&book),
                () = self.until(next) => {}
            }
        }
    }

    /// Nobody sends what a person has not looked at (lifecycle.md §5.5), so somebody has to be told that it waits.
    fn show_reviews(&self, book: &Book) {
        let now = self.store.clock().now();
        let lived = |watched: &Watched| self.tuning.lived(now.since(watched.envelope.stage_since));
        let overdue =
            book.open.values().filter(|watched| waits_for_a_person(&watched.envelope, lived(watched)));
        let overdue = u32::try_from(overdue.count()).unwrap_or(u32::MAX);
        metrics::gauge!("orchestrator_reviews_overdue").set(overdue);
    }

    async fn until(&self, next: Option<domain::time::Timestamp>) {
        match next {
            Some(at) => self.store.clock().wait_until(at).await,
            None => std::future::pending().await,
        }
    }

    async fn read(&self, subject: &Subject) -> Result<Watched, ExecuteError> {
        let loaded = self.store.load_sealed(subject).await?;
        let send_asked = loaded.history.iter().rev().find(|recorded| asks_to_send(recorded));
        Ok(Watched {
            subject: subject.clone(),
            envelope: loaded.envelope,
            version: loaded.version,
            send_asked: send_asked.map(|recorded| recorded.position),
        })
    }

    /// Takes a commit of the log into account.
    async fn follow(&self, book: &mut Book, recorded: &Recorded) {
        let Some(subject) = Subject::of(&recorded.entity) else { return };
        let known = match book.open.remove(&subject.id) {
            Some(watched) => Ok(watched),
            None if recorded.previous_version == Version::NONE => Ok(Watched {
                subject,
                envelope: Envelope::default(),
                version: Version::NONE,
                send_asked: None,
            }),
            None => self.read(&subject).await,
        };
        let mut watched = match known {
            Ok(watched) => watched,
            Err(error) => {
                tracing::error!(position = recorded.position.0, %error, "an envelope is not watched");
                return;
            }
        };
        let before = (watched.envelope.stage, watched.envelope.hold);
        if recorded.version > watched.version {
            for event in &recorded.events {
                match codec::decode(&event.kind, event.schema, &event.payload, &event.id, &Opener::new(None))
                {
                    Ok(event) => watched.envelope = evolve(watched.envelope, &event),
                    Err(error) => tracing::error!(position = recorded.position.0, %error, "CS-ORCH-002"),
                }
            }
            watched.version = recorded.version;
            if asks_to_send(recorded) {
                watched.send_asked = Some(recorded.position);
            }
        }
        self.watch(book, watched, Some(before));
    }

    fn watch(&self, book: &mut Book, watched: Watched, before: Option<Before>) {
        self.keep_place(&watched, before);
        let Watched { subject, envelope, .. } = &watched;
        let timed = book.agenda.put(subject, envelope, &self.tuning);
        if timed || !envelope.stage.is_closed() {
            book.open.insert(subject.id, watched);
        }
    }

    /// Keeps the waiting line of the connection's sends as the log has it.
    fn keep_place(&self, watched: &Watched, before: Option<Before>) {
        let Watched { envelope, send_asked: Some(position), .. } = watched else { return };
        let Some(connection) = envelope.provider() else { return };
        let waits =
            |(stage, hold): Before| stage == Stage::Sending || hold == Some(HoldReason::CreditsExhausted);
        let now = (envelope.stage, envelope.hold);
        if envelope.hold == Some(HoldReason::CreditsExhausted) {
            self.holds.learnt(connection, *position);
        } else if waits(now) {
            self.holds.under_way(connection, *position);
        } else if before.is_some_and(waits) && envelope.stage.is_out() {
            self.holds.passed(connection, *position);
        } else if before.is_some_and(waits) {
            self.holds.dropped(connection, *position);
        }
    }

    async fn fire(&self, due: &Due) -> Result<(), Trouble> {
        let span = tracing::info_span!("timer", timer = ?due.kind, envelope.id = %due.subject.id);
        match due.kind {
            TimerKind::PollPreparation | TimerKind::PollReview | TimerKind::PollProgress => {
                self.poll(due).instrument(span).await
            }
            TimerKind::PreparationDeadline | TimerKind::Reminder | TimerKind::Deadline => {
                let command = Command::Fire { timer: due.kind, at: self.store.clock().now() };
                self.tell(due, command).instrument(span).await
            }
        }
    }

    /// Asks the provider how the envelope stands.
    async fn poll(&self, due: &Due) -> Result<(), Trouble> {
        let loaded = self.store.load_sealed(&due.subject).await?;
        let (Some(connection), Some(id)) = (loaded.envelope.provider(), &loaded.envelope.provider_id) else {
            return Ok(());
        };
        let provider = (self.providers)(connection).ok_or(Trouble::NotConfigured)?;
        let observation = match provider.snapshot(id).await {
            Ok(snapshot) => observation(snapshot),
            Err(error) if error.class == Class::NotFound && due.attempt >= NOT_FOUND_TRIES => {
                alarms::gone(&due.subject, &loaded.envelope);
                claimed(id.clone(), Claim::Deleted)
            }
            Err(error) => return Err(error.into()),
        };
        let (reopens, at) = (provider.capabilities().reopens, self.store.clock().now());
        self.tell(due, Command::Observe { observation, source: Source::Poll, reopens, at }).await
    }

    async fn tell(&self, due: &Due, command: Command) -> Result<(), Trouble> {
        match self.store.execute(&due.subject, command, &Cause::fresh("")).await {
            Ok(_) | Err(ExecuteError::Rejected(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Why a timer did not do its work; it is tried again.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("CS-ORCH-003: the connection is not configured")]
    NotConfigured,
    #[error(transparent)]
    Provider(#[from] providers::ProviderError),
    #[error(transparent)]
    Execute(#[from] ExecuteError),
}

/// Whether it is a draft of ours that has stood before a person for too long.
fn waits_for_a_person(envelope: &Envelope, since: Duration) -> bool {
    let stands = matches!(envelope.stage, Stage::InReview | Stage::NeedsAttention | Stage::AwaitingApproval);
    stands && envelope.hold.is_none() && envelope.adoption.is_none() && since > REVIEW_MAX
}

fn asks_to_send(recorded: &Recorded) -> bool {
    recorded.events.iter().any(|event| event.kind == SEND_REQUESTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_that_a_person_has_left_for_a_day_is_overdue_and_one_that_waits_for_credits_is_not() {
        let late = REVIEW_MAX + Duration::from_secs(1);
        let at = |stage| Envelope { stage, ..Envelope::default() };
        for stage in [Stage::InReview, Stage::NeedsAttention, Stage::AwaitingApproval] {
            assert!(waits_for_a_person(&at(stage), late));
            assert!(!waits_for_a_person(&at(stage), REVIEW_MAX));
        }
        assert!(!waits_for_a_person(&at(Stage::Sent), late));
        let held = Envelope { hold: Some(HoldReason::CreditsExhausted), ..at(Stage::InReview) };
        assert!(!waits_for_a_person(&held, late));
    }
}
