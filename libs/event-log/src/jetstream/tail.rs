//! A reader that heals itself: it notices silence within 1.5 seconds and begins anew after what it has.
//!
//! async-nats' own ordered consumer needs 15 seconds for that. Nothing is acknowledged, order and gaps are
//! checked by the consumer's own numbering.
//!
//! What "nothing is pending" proves. A reader's consumer has one copy, and a cluster puts it at a replica of its
//! choice, not at the leader. That replica counts what is pending in its own copy of the log, which may lag:
//! what the leader calls the head may not have come there yet, and "nothing is pending" says nothing of it. Going
//! on from the head would then skip, for good, what the replica still has to deliver. So `after` moves only
//! - to what the consumer delivered; or,
//! - for a reader of some shares, to a head after which the leader itself, asked later, knows of no commit of
//!   these shares since `after`. (Nobody but the leader has to be asked where one server is all there is.)
//!
//! A reader of all shares needs no such step: the head is a commit of its own and will be delivered.

use std::time::Duration;

use async_nats::jetstream::consumer::pull::{Config, Stream as Messages};
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, Info, PullConsumer, ReplayPolicy};
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
/// Questions to the leader at once, when a reader of some shares asks whether anything is on its way.
const QUESTIONS_MAX: usize = 16;

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
            sleep(PAUSE).await;
            return Ok(None);
        };
        let (sequence, number, pending) = (info.stream_sequence, info.consumer_sequence, info.pending);
        if number != reader.delivered + 1 || sequence <= self.after {
            // A replica that lags may deliver the same again: it has time to catch up before it is asked anew.
            self.give_up_reader();
            sleep(PAUSE).await;
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
        // Asked before the reader is made, so that it covers no commit that came later.
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
        let info = consumer.cached_info();
        if info.num_pending == 0 && (head <= self.after || self.nothing_on_its_way(info).await?) {
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
        if head.0 <= self.after {
            return;
        }
        let Some(reader) = &self.reader else { return };
        // Asked after the head was: what it counts as delivered covers everything up to there, if it does not lag.
        let Ok(info) = bounded(reader.consumer.get_info()).await else { return };
        let delivered = info.num_pending == 0 && info.delivered.consumer_sequence == reader.delivered;
        if delivered && self.nothing_on_its_way(&info).await.unwrap_or(false) {
            self.caught_up = true;
            self.after = head.0;
        }
    }

    /// Whether a consumer that says "nothing is pending" can be believed: the log has no commit for this reader
    /// after what was delivered. Ask it after the head was asked.
    async fn nothing_on_its_way(&self, info: &Info) -> Result<bool, ReadError> {
        if self.shares == Shares::ALL {
            // The category has gone on, so something of this reader's own is on its way.
            return Ok(false);
        }
        let clustered = info
            .cluster
            .as_ref()
            .and_then(|cluster| cluster.name.as_deref())
            .is_some_and(|name| !name.is_empty());
        if !clustered {
            // One server, one copy of the log: the consumer counts in what the head was read from.
            return Ok(true);
        }
        let subjects = topology::share_subjects(self.category, self.shares);
        let answers = futures::stream::iter(subjects)
            .map(|subject| read::any_after(&self.log, subject, self.after))
            .buffer_unordered(QUESTIONS_MAX);
        let mut answers = std::pin::pin!(answers);
        while let Some(answer) = answers.next().await {
            if answer? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
