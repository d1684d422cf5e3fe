//! The loop of one follower: read ahead within the window, hand out, collect, keep the checkpoint.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::lanes::{Item, Lanes};
use super::progress::Progress;
use super::shares::Leases;
use super::{Consumer, DeadLetter, Delivery, Handler, Outcome, cursor, dead_letters};
use crate::Tailed;
use crate::backend::{Backend, Shares, Tail};
use crate::error::ReadError;
use crate::state::Revision;

const CHECKPOINT_PERIOD: Duration = Duration::from_millis(200);
const BELL_PERIOD: Duration = Duration::from_secs(1);
const PANICS_MAX: u32 = 5;
const PAUSE_AFTER_PANIC: Duration = Duration::from_millis(200);
const PAUSE_AFTER_STORE_ERROR: Duration = Duration::from_secs(1);
const CONNECT_PAUSE: Duration = Duration::from_millis(500);

/// A finished try.
pub(super) struct Tried {
    item: Item,
    lane: u64,
    /// `None`: the handler panicked.
    outcome: Option<Outcome>,
}

pub(super) struct Worker {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) consumer: Consumer,
    pub(super) handler: Arc<dyn Handler>,
    pub(super) leases: Option<Leases>,
    /// What is worked on: owned and not about to be given back.
    pub(super) active: Shares,
    pub(super) tail: Option<Tail>,
    pub(super) lanes: Lanes,
    pub(super) progress: Progress,
    pub(super) stored: cursor::Positions,
    pub(super) tries: JoinSet<Tried>,
    pub(super) running: [usize; Shares::COUNT],
    pub(super) bell: Option<Revision>,
}

impl Worker {
    /// Reads the checkpoint; waits for a store that does not answer yet.
    pub(super) async fn start(
        backend: Arc<dyn Backend>,
        consumer: Consumer,
        handler: Arc<dyn Handler>,
        shutdown: &CancellationToken,
    ) -> Result<Worker, ReadError> {
        let stored = loop {
            match cursor::load(backend.as_ref(), &consumer).await {
                Ok(stored) => break stored,
                Err(ReadError::Unavailable(_)) if !shutdown.is_cancelled() => {
                    tokio::time::sleep(CONNECT_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        };
        let leases = backend.lease_ttl().map(|ttl| Leases::new(backend.clone(), &consumer.name, ttl));
        Ok(Worker {
            progress: Progress::new(&stored),
            leases,
            active: Shares::NONE,
            tail: None,
            lanes: Lanes::default(),
            stored,
            tries: JoinSet::new(),
            running: [0; Shares::COUNT],
            bell: None,
            backend,
            consumer,
            handler,
        })
    }

    pub(super) async fn run(mut self, shutdown: CancellationToken) -> Result<(), ReadError> {
        let result = self.work(&shutdown).await;
        self.drain().await;
        if let Err(error) = &result {
            tracing::error!(consumer = self.consumer.name, %error, "the follower stopped");
        }
        result
    }

    async fn work(&mut self, shutdown: &CancellationToken) -> Result<(), ReadError> {
        let lease_period = self.leases.as_ref().map_or(Duration::from_secs(3_600), Leases::period);
        let mut lease_tick = ticking(lease_period);
        let mut checkpoint_tick = ticking(CHECKPOINT_PERIOD);
        let mut bell_tick = ticking(BELL_PERIOD);
        loop {
            self.hand_out();
            let wake_at = self.lanes.wake_at();
            let room = self.lanes.held() < self.consumer.window_max.max(1);
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                _ = lease_tick.tick() => self.renew().await?,
                _ = checkpoint_tick.tick() => self.checkpoint().await,
                Some(tried) = self.tries.join_next(), if !self.tries.is_empty() => {
                    self.collect(tried.expect("tries catch panics and are not aborted")).await;
                }
                () = sleep_until(wake_at.unwrap_or_else(Instant::now)), if wake_at.is_some() => {
                    self.lanes.wake(Instant::now());
                }
                _ = bell_tick.tick() => self.answer_bell().await,
                Some(item) = next(&mut self.tail), if room => self.take_up(item?),
            }
        }
    }

    fn take_up(&mut self, item: Tailed) {
        match item {
            Tailed::Commit(recorded) => {
                let (share, position) = (Shares::of(&recorded.entity), recorded.position.0);
                if self.active.has(share) && self.progress.take_up(share, position) {
                    self.lanes.push(Item::new(recorded, false));
                }
                self.progress.read_to(self.active, position);
            }
            Tailed::CaughtUp(position) => self.progress.read_to(self.active, position.0),
        }
    }

    fn hand_out(&mut self) {
        let allowed = self.leases.as_ref().is_none_or(|leases| leases.owned() != Shares::NONE);
        while allowed && self.tries.len() < self.consumer.concurrency.max(1) {
            let Some((mut item, lane)) = self.lanes.start() else { return };
            item.attempts += 1;
            self.running[Shares::of(&item.recorded.entity)] += 1;
            self.tries.spawn(attempt(self.handler.clone(), self.consumer.name.clone(), item, lane));
        }
    }

    pub(super) async fn collect(&mut self, tried: Tried) {
        let Tried { mut item, lane, outcome } = tried;
        self.running[Shares::of(&item.recorded.entity)] -= 1;
        let outcome = outcome.unwrap_or_else(|| {
            item.panics += 1;
            let reason = "the handler panicked".to_owned();
            let pause = PAUSE_AFTER_PANIC * 2_u32.saturating_pow(item.panics - 1);
            if item.panics >= PANICS_MAX {
                Outcome::GiveUp { reason }
            } else {
                Outcome::Retry { pause, reason }
            }
        });
        let settled = match outcome {
            Outcome::Done if item.dead_letter => {
                dead_letters::discard(self.backend.as_ref(), &self.consumer.name, item.recorded.position)
                    .await
                    .map(|_| None)
            }
            Outcome::Done => Ok(None),
            Outcome::Retry { pause, reason } => {
                tracing::debug!(
                    consumer = self.consumer.name,
                    position = item.recorded.position.0,
                    reason,
                    "retry"
                );
                Ok(Some(pause))
            }
            Outcome::GiveUp { reason } => {
                give_up(self.backend.as_ref(), &self.consumer.name, &item, reason).await.map(|()| None)
            }
        };
        match settled {
            Ok(None) => self.finish(&item, lane),
            Ok(Some(pause)) => drop(self.lanes.pause(item, lane, Instant::now(), pause)),
            Err(error) => {
                // Without its dead letter the commit would be lost: the whole try is repeated.
                tracing::warn!(consumer = self.consumer.name, %error, "an outcome could not be stored");
                self.lanes.pause(item, lane, Instant::now(), PAUSE_AFTER_STORE_ERROR);
            }
        }
    }

    fn finish(&mut self, item: &Item, lane: u64) {
        let current = self.lanes.finish(&item.recorded.entity, lane);
        if current && !item.dead_letter {
            self.progress.finish(Shares::of(&item.recorded.entity), item.recorded.position.0);
        }
    }
}

async fn give_up(backend: &dyn Backend, name: &str, item: &Item, reason: String) -> Result<(), ReadError> {
    let recorded = &item.recorded;
    // Once, here: whoever gives up need not say it as well.
    tracing::error!(
        consumer = name,
        entity.id = recorded.entity.id(),
        position = recorded.position.0,
        attempts = item.attempts,
        reason,
        "gave up: a dead letter waits for a person"
    );
    metrics::counter!("event_log_dead_letters_total", "consumer" => name.to_owned()).increment(1);
    let letter = DeadLetter::new(name, &recorded.entity, recorded.position, reason, item.attempts);
    dead_letters::write(backend, &letter).await
}

/// One try in a span of its own, linked to the trace that wrote the commit.
async fn attempt(handler: Arc<dyn Handler>, consumer: String, item: Item, lane: u64) -> Tried {
    let delivery = Delivery { recorded: item.recorded.clone(), attempt: item.attempts };
    let span = tracing::info_span!(
        parent: None, "process", consumer, position = delivery.recorded.position.0, attempt = item.attempts
    );
    delivery.recorded.trace.link(&span);
    let handled = AssertUnwindSafe(handler.handle(&delivery)).catch_unwind().instrument(span).await;
    Tried { item, lane, outcome: handled.ok() }
}

/// The tail's next item; never ready without a tail.
async fn next(tail: &mut Option<Tail>) -> Option<Result<Tailed, ReadError>> {
    match tail {
        Some(tail) => tail.next().await,
        None => std::future::pending().await,
    }
}

fn ticking(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
