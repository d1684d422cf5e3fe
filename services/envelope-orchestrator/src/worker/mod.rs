//! Carries out what facts call for: follows the envelopes, asks `react`, calls the provider, reports the outcome.
//!
//! Every effect may run twice: it starts by reading the envelope and asking whether it is still needed, and it
//! names an idempotency key that comes from the order. A worker never waits: what cannot be done now goes back
//! to the log with a pause, and later commits of the same envelope queue up behind it.

mod artifact;
mod create;
mod halt;
mod lock;
mod look;
mod send;
mod void;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contracts::seal::Opener;
use contracts::{DecodeError, envelope as codec};
use domain::envelope::{Command, Effect, Envelope, react, still_needed};
use domain::ids::{ConnectionId, EventId, ProviderEnvelopeId};
use domain::time::Timestamp;
use event_log::{Delivery, Handler, Outcome, Position, Recorded, RecordedEvent};
use providers::Provider;
use tracing::Instrument as _;

use crate::Providers;
use crate::config::Tuning;
use crate::holds::Holds;
use crate::store::{Cause, ExecuteError, Store, Subject};
use halt::{Halt, Step};

pub(crate) use look::{NOT_FOUND_TRIES, claimed, observation};

/// Name of the consumer whose checkpoint says which effects are done.
pub const CONSUMER: &str = "orchestrator-effects";
/// Name of the consumer that fetches signed documents: it may wait for one for days, and nothing else shall.
pub const DOCUMENTS_CONSUMER: &str = "orchestrator-documents";

/// Which effects a worker carries out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Everything that drives the envelope.
    Life,
    /// Fetching signed documents.
    Documents,
}

impl Lane {
    fn takes(self, effect: Effect) -> bool {
        (effect == Effect::FetchArtifact) == (self == Lane::Documents)
    }
}

/// Carries out effects.
pub struct Worker {
    pub(crate) lane: Lane,
    pub(crate) store: Store,
    pub(crate) providers: Providers,
    pub(crate) holds: Arc<Holds>,
    pub(crate) tuning: Arc<Tuning>,
}

/// One effect on its way.
struct Job {
    subject: Subject,
    /// The event that called for it.
    event: EventId,
    /// When it was called for.
    asked_at: Timestamp,
    /// Where the commit lies that called for it: its place in a waiting line.
    position: Position,
    attempt: u32,
    correlation_id: String,
    envelope: Envelope,
    version: u64,
    connection: ConnectionId,
    provider: Arc<dyn Provider>,
}

impl Job {
    /// The provider's id; an effect that needs one is not asked for before it is known.
    fn provider_id(&self) -> Result<ProviderEnvelopeId, Halt> {
        self.envelope.provider_id.clone().ok_or(Halt::Settled)
    }
}

#[async_trait]
impl Handler for Worker {
    async fn handle(&self, delivery: &Delivery) -> Outcome {
        let recorded = &delivery.recorded;
        // What became of a signal stands in this category too, and calls for nothing.
        let Some(subject) = Subject::of(&recorded.entity) else { return Outcome::Done };
        // One effect that waits does not keep the others of its commit; what is done is not needed again.
        let mut outcome = Outcome::Done;
        for event in &recorded.events {
            let effects = match called_for(event) {
                Ok(effects) => effects,
                Err(error) => return Outcome::GiveUp { reason: format!("CS-ORCH-002: {error}") },
            };
            for effect in effects.into_iter().filter(|effect| self.lane.takes(*effect)) {
                let span = tracing::info_span!(
                    "effect",
                    effect = name(effect),
                    envelope.id = %subject.id,
                    otel.kind = "consumer",
                    attempt = delivery.attempt
                );
                recorded.trace.continue_in(&span, self.now().since(recorded.recorded_at));
                let carried = self.carry_out(effect, &subject, event, recorded, delivery.attempt);
                outcome = later_of(outcome, reported(effect, &subject, carried.instrument(span).await));
            }
        }
        outcome
    }
}

/// The outcome of both: whatever waits is delivered again, at the earlier time.
fn later_of(one: Outcome, other: Outcome) -> Outcome {
    match (one, other) {
        (Outcome::Retry { pause, reason }, Outcome::Retry { pause: sooner, .. }) => {
            Outcome::Retry { pause: pause.min(sooner), reason }
        }
        (retry @ Outcome::Retry { .. }, Outcome::Done | Outcome::GiveUp { .. })
        | (Outcome::Done | Outcome::GiveUp { .. }, retry @ Outcome::Retry { .. }) => retry,
        (given_up @ Outcome::GiveUp { .. }, Outcome::Done | Outcome::GiveUp { .. })
        | (Outcome::Done, given_up @ Outcome::GiveUp { .. }) => given_up,
        (Outcome::Done, Outcome::Done) => Outcome::Done,
    }
}

fn reported(effect: Effect, subject: &Subject, step: Step) -> Outcome {
    match step {
        Ok(()) | Err(Halt::Settled) => {
            count(effect, "done");
            Outcome::Done
        }
        Err(Halt::Retry { pause, reason }) => {
            count(effect, "retry");
            tracing::debug!(effect = name(effect), envelope.id = %subject.id, reason, "effect waits");
            Outcome::Retry { pause, reason }
        }
        Err(Halt::GiveUp { reason }) => {
            count(effect, "given_up");
            tracing::debug!(effect = name(effect), envelope.id = %subject.id, reason, "effect given up");
            Outcome::GiveUp { reason }
        }
    }
}

impl Worker {
    async fn carry_out(
        &self,
        effect: Effect,
        subject: &Subject,
        event: &RecordedEvent,
        recorded: &Recorded,
        attempt: u32,
    ) -> Step {
        let loaded = self.store.load(subject).await?;
        let Some(connection) = loaded.envelope.provider().cloned() else { return Err(Halt::Settled) };
        if !still_needed(&loaded.envelope, effect) && !lacks_link(&loaded.envelope, effect) {
            if effect == Effect::Send || effect == Effect::Create {
                self.holds.dropped(&connection, recorded.position);
            }
            return Err(Halt::Settled);
        }
        let Some(provider) = (self.providers)(&connection) else {
            return Err(Halt::Retry {
                pause: Duration::from_secs(30),
                reason: format!("CS-ORCH-003: connection {connection} is not configured"),
            });
        };
        let mut job = Job {
            subject: subject.clone(),
            event: event.id,
            asked_at: event.occurred_at,
            position: recorded.position,
            attempt,
            correlation_id: loaded.correlation_id,
            envelope: loaded.envelope,
            version: loaded.version.0,
            connection,
            provider,
        };
        let step = match effect {
            Effect::Create => self.create(&mut job).await,
            Effect::Send => self.send(&mut job).await,
            Effect::Void { reason } => self.void(&mut job, reason).await,
            Effect::Remind { number } => self.remind(&mut job, number).await,
            Effect::Confirm => self.confirm(&mut job).await,
            Effect::FetchArtifact => self.fetch_artifact(&mut job).await,
        };
        if let (Err(Halt::GiveUp { .. }), Effect::Send | Effect::Create) = (&step, effect) {
            self.holds.gave_up(&job.connection, job.position);
        }
        step
    }

    /// Gives a command on the job's envelope and keeps the job up to date.
    async fn tell(&self, job: &mut Job, what: &str, command: Command) -> Step {
        let cause = Cause::event(&job.event, &format!("{what}@{}", job.version), &job.correlation_id);
        match self.store.execute(&job.subject, command, &cause).await {
            Ok(executed) => {
                job.version = executed.position.0;
                job.envelope = executed.envelope;
                Ok(())
            }
            Err(ExecuteError::Rejected(rejection)) => {
                tracing::debug!(envelope.id = %job.subject.id, what, %rejection, "outcome not needed any more");
                Err(Halt::Settled)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn now(&self) -> Timestamp {
        self.store.clock().now()
    }
}

/// A webhook told the provider's id before the create call's answer did, or instead of it: the answer alone holds
/// the review link, and repeating the call with its key repeats the answer.
fn lacks_link(envelope: &Envelope, effect: Effect) -> bool {
    let known = envelope.provider_id.is_some() && !envelope.stage.is_closed();
    effect == Effect::Create && known && envelope.order.is_some() && envelope.review_link.is_none()
}

/// The effects an event calls for. Nothing sealed is needed to know.
fn called_for(event: &RecordedEvent) -> Result<Vec<Effect>, DecodeError> {
    codec::decode(&event.kind, event.schema, &event.payload, &event.id, &Opener::new(None))
        .map(|event| react(&event))
}

fn count(effect: Effect, outcome: &'static str) {
    metrics::counter!("orchestrator_effects_total", "effect" => name(effect), "outcome" => outcome)
        .increment(1);
}

fn name(effect: Effect) -> &'static str {
    match effect {
        Effect::Create => "create",
        Effect::Send => "send",
        Effect::Void { .. } => "void",
        Effect::Remind { .. } => "remind",
        Effect::Confirm => "confirm",
        Effect::FetchArtifact => "fetch_artifact",
    }
}
