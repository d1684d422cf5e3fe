//! A reader that heals itself: it notices silence within 1.5 seconds and begins anew after what it has.
//!
//! async-nats' own ordered consumer needs 15 seconds for that. Nothing is acknowledged, order and gaps are
//! checked by the consumer's own numbering.

use std::time::Duration;

use async_nats::jetstream::consumer::pull::{Config, Stream as Messages};
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, ReplayPolicy};
use async_nats::jetstream::stream::Stream;
use futures::StreamExt as _;
use tokio::time::{sleep, timeout};

use super::read::{self, bounded};
use super::topology;
use crate::backend::{Shares, Tail};
use crate::error::ReadError;
use crate::{Category, Position, Tailed};

const HEARTBEAT: Duration = Duration::from_millis(500);
const EXPIRES: Duration = Duration::from_secs(1);
const SILENCE_MAX: Duration = Duration::from_millis(1_500);
const FORGOTTEN_AFTER: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(100);
const BATCH_MAX: usize = 500;
/// How often a reader of some shares looks how far the others have come.
const LOOK_PERIOD: Duration = Duration::from_millis(500);

pub(super) fn tail(log: Stream, category: Category, after: Position, shares: Shares) -> Tail {
    let tailing =
        Tailing { log, category, shares, after: after.0, reader: None, caught_up: false, announced: None };
    futures::stream::unfold(Some(tailing), |tailing| async {
        let mut tailing = tailing?;
        let item = tailing.next().await;
        let next = item.is_ok().then_some(tailing);
        Some((item, next))
    })
    .fuse()
    .boxed()
}

struct Tailing {
    log: Stream,
    category: Category,
    shares: Shares,
    /// The last sequence that was yielded, or is known to hold nothing for this reader.
    after: u64,
    reader: Option<Reader>,
    /// The server said that nothing more is waiting.
    caught_up: bool,
    announced: Option<u64>,
}

struct Reader {
    consumer: PullConsumer,
    messages: Messages,
    /// Numbering of the consumer: a jump is a gap.
    delivered: u64,
}

impl Tailing {
    async fn next(&mut self) -> Result<Tailed, ReadError> {
        loop {
            if self.reader.is_none() {
                match self.open().await {
                    Ok(reader) => self.reader = Some(reader),
                    Err(error) => {
                        tracing::debug!(%error, "a reader of the log tries again");
                        sleep(PAUSE).await;
                        continue;
                    }
                }
            }
            if self.caught_up && self.announced != Some(self.after) {
                self.announced = Some(self.after);
                return Ok(Tailed::CaughtUp(Position(self.after)));
            }
            if let Some(item) = self.step().await? {
                return Ok(item);
            }
        }
    }

    /// Waits for the next message; `None` when there is none yet or the reader had to be given up.
    async fn step(&mut self) -> Result<Option<Tailed>, ReadError> {
        let Some(reader) = &mut self.reader else { return Ok(None) };
        let wait = if self.shares == Shares::ALL { SILENCE_MAX } else { LOOK_PERIOD };
        let message = match timeout(wait, reader.messages.next()).await {
            Ok(Some(Ok(message))) => message,
            Ok(Some(Err(_)) | None) => {
                self.give_up_reader();
                sleep(PAUSE).await;
                return Ok(None);
            }
            // Heartbeats are not items: silence is normal, the client reports missing ones as an error.
            Err(_) => {
                self.look_around().await;
                return Ok(None);
            }
        };
        let Ok(info) = message.info() else {
            self.give_up_reader();
            return Ok(None);
        };
        let (sequence, number, pending) = (info.stream_sequence, info.consumer_sequence, info.pending);
        if number != reader.delivered + 1 || sequence <= self.after {
            self.give_up_reader();
            return Ok(None);
        }
        reader.delivered = number;
        let recorded = read::decode(sequence, message.message.payload)?;
        self.after = sequence;
        self.caught_up = pending == 0;
        Ok(Some(Tailed::Commit(recorded)))
    }

    fn give_up_reader(&mut self) {
        self.reader = None;
        self.caught_up = false;
    }

    async fn open(&mut self) -> Result<Reader, ReadError> {
        // What the category held before the reader was made is all delivered once nothing is pending.
        let head = read::head(&self.log, self.category).await?.0;
        let config = Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: self.after + 1 },
            ack_policy: AckPolicy::None,
            replay_policy: ReplayPolicy::Instant,
            filter_subjects: topology::share_subjects(self.category, self.shares),
            memory_storage: true,
            num_replicas: 1,
            inactive_threshold: FORGOTTEN_AFTER,
            ..Config::default()
        };
        let consumer = bounded(self.log.create_consumer(config)).await?;
        let messages = consumer
            .stream()
            .max_messages_per_batch(BATCH_MAX)
            .heartbeat(HEARTBEAT)
            .expires(EXPIRES)
            .messages();
        let messages = bounded(messages).await?;
        if consumer.cached_info().num_pending == 0 {
            self.caught_up = true;
            self.after = self.after.max(head);
        }
        Ok(Reader { consumer, messages, delivered: 0 })
    }

    /// A reader of some shares learns how far the category has come without it.
    async fn look_around(&mut self) {
        if self.shares == Shares::ALL {
            return;
        }
        let Ok(head) = read::head(&self.log, self.category).await else { return };
        let Some(reader) = &mut self.reader else { return };
        if head.0 <= self.after {
            return;
        }
        // Asked after the head was: what it counts as delivered covers everything up to there.
        let Ok(info) = bounded(reader.consumer.get_info()).await else { return };
        if info.num_pending == 0 && info.delivered.consumer_sequence == reader.delivered {
            self.caught_up = true;
            self.after = head.0;
        }
    }
}
