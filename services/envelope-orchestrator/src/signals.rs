//! Applies what providers report: follows the intake, finds the envelope that is meant, lets the domain decide, and
//! says in the log what became of every signal.
//!
//! A signal may come before the create call that it follows from has returned. It is parked in the log and handled
//! by `early`; the follower goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use contracts::ledger::Parked;
use domain::intake::Meaning;
use event_log::{Delivery, Handler, Outcome, Recorded, RecordedEvent};
use ledger::{DeskError, Settler, Signal};
use tracing::Instrument as _;

use crate::matching::{Brought, Fate, Matcher, Trouble};

/// Name of the consumer whose checkpoint says which signals are handled.
pub const CONSUMER: &str = "orchestrator-signals";
/// Pause before trouble with the log is tried again.
const PAUSE: Duration = Duration::from_secs(2);

/// The signals that the orchestrator settles: all news of envelopes.
pub fn settles(meaning: &Meaning) -> bool {
    matches!(meaning, Meaning::Envelope(_))
}

/// Applies signals.
pub struct Signals {
    pub(crate) matcher: Arc<Matcher>,
    pub(crate) settler: Settler,
    /// How many wait for their envelope, as of the last look.
    pub(crate) early: Arc<AtomicUsize>,
}

#[async_trait]
impl Handler for Signals {
    async fn handle(&self, delivery: &Delivery) -> Outcome {
        let recorded = &delivery.recorded;
        let span = tracing::info_span!("signal", otel.kind = "consumer", envelope.id = tracing::field::Empty);
        let now = self.matcher.store.clock().now();
        recorded.trace.continue_in(&span, now.since(recorded.recorded_at));
        for event in &recorded.events {
            match self.take(recorded, event).instrument(span.clone()).await {
                Ok(true) => {}
                Ok(false) => {
                    let reason = "too many signals wait for their envelopes".to_owned();
                    return Outcome::Retry { pause: PAUSE, reason };
                }
                Err(trouble) => return refuse(&trouble),
            }
        }
        Outcome::Done
    }
}

impl Signals {
    /// Settles or parks one event; `false` when there is no room to park it.
    async fn take(&self, recorded: &Recorded, event: &RecordedEvent) -> Result<bool, Trouble> {
        let Some(brought) = self.matcher.open(recorded, event).await? else { return Ok(true) };
        match self.matcher.judge(&brought).await? {
            Fate::Early { .. }
                if self.early.load(Ordering::Relaxed) >= self.matcher.tuning.early_arrivals_max =>
            {
                return Ok(false);
            }
            Fate::Early { named } => {
                self.early.fetch_add(1, Ordering::Relaxed);
                let parked = Parked {
                    connection: brought.accepted.connection.clone(),
                    provider_id: brought.news.provider_id.clone(),
                    named,
                    received_at: brought.accepted.received_at,
                    intake_entity: recorded.entity.id().to_owned(),
                    intake_position: recorded.position.0,
                    at: self.matcher.store.clock().now(),
                };
                self.settler.park(&brought.signal(), parked).await?;
                tracing::info!(connection = %brought.accepted.connection, event = brought.accepted.event, "early arrival");
            }
            fate @ Fate::Settled(..) => settle(&self.matcher, &self.settler, &brought, fate).await?,
        }
        Ok(true)
    }
}

impl Brought<'_> {
    /// The signal, as the ledger names it.
    pub fn signal(&self) -> Signal<'_> {
        Signal {
            tenant: self.recorded.entity.tenant(),
            event: &self.event.id,
            connection: &self.accepted.connection,
            received_at: self.accepted.received_at,
            correlation_id: &self.recorded.correlation_id,
        }
    }
}

/// Says what became of a signal. What still waits says nothing.
pub async fn settle(
    matcher: &Matcher,
    settler: &Settler,
    brought: &Brought<'_>,
    fate: Fate,
) -> Result<(), DeskError> {
    let Fate::Settled(settlement, reason) = fate else { return Ok(()) };
    settler.settle(&brought.signal(), settlement, reason, matcher.store.clock().now()).await?;
    let outcome = settlement.code();
    metrics::counter!("orchestrator_signals_total", "outcome" => outcome, "reason" => reason).increment(1);
    Ok(())
}

/// What to do with a signal that could not be handled.
fn refuse(trouble: &Trouble) -> Outcome {
    let pause = match trouble {
        Trouble::Decode(_) | Trouble::Ledger(DeskError::Entity(_) | DeskError::Decode(_)) => None,
        Trouble::Read(_)
        | Trouble::Directory(_)
        | Trouble::Ledger(DeskError::Read(_) | DeskError::Append(_) | DeskError::Projection(_)) => {
            Some(PAUSE)
        }
        Trouble::Execute(error) => error.pause(),
    };
    let reason = trouble.to_string();
    match pause {
        Some(pause) => Outcome::Retry { pause, reason },
        None => Outcome::GiveUp { reason },
    }
}
