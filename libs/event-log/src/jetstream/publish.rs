//! Grouped writes: what waits together is written together.
//!
//! A few messages are published one by one, pipelined. Many become one atomic batch, which the server stages while it
//! commits the one before. A refused batch is published one by one, so that nobody fails for another's conflict.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::Client;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::group::{BATCH_MIN, Group, Waiting};
use super::message::{Outgoing, Published, publish_alone};

const QUEUE_MAX: usize = 4_096;
/// How long a group that is too small for a batch waits for company when the one before it was a batch (measured on the
/// whole road: neither longer nor not at all is faster).
const LINGER_MAX: Duration = Duration::from_micros(300);

pub(super) struct Publisher {
    client: Client,
    queue: mpsc::Sender<Waiting>,
    under_way: AtomicUsize,
    one_by_one: bool,
}

impl Publisher {
    #[expect(
        clippy::disallowed_methods,
        reason = "ends by itself when the log is dropped; nothing to wait for"
    )]
    pub(super) fn start(client: Client, one_by_one: bool) -> Publisher {
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(Writer { client: client.clone(), queue, group: Group::default(), last_size: 0 }.run());
        Publisher { client, queue: sender, under_way: AtomicUsize::new(0), one_by_one }
    }

    /// Publishes; by the deadline the answer is known or unknown.
    pub(super) async fn publish(&self, message: Outgoing, deadline: Instant) -> Published {
        let _under_way = UnderWay(&self.under_way);
        // Alone there is nobody to group with: the way through the queue would only cost time.
        if self.under_way.fetch_add(1, Ordering::Relaxed) == 0 || self.one_by_one {
            let alone = publish_alone(&self.client, &message);
            return timeout_at(deadline, alone).await.unwrap_or(Published::Unknown);
        }
        let (reply, answer) = oneshot::channel();
        match timeout_at(deadline, self.queue.send(Waiting { message, reply })).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Published::Refused("the writer has stopped".to_owned()),
            Err(_) => return Published::Refused("the queue is full".to_owned()),
        }
        timeout_at(deadline, answer).await.ok().and_then(Result::ok).unwrap_or(Published::Unknown)
    }
}

/// Counts a publish until it is dropped, answered or not.
struct UnderWay<'a>(&'a AtomicUsize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Writer {
    client: Client,
    queue: mpsc::Receiver<Waiting>,
    /// What is written next.
    group: Group,
    last_size: usize,
}

impl Writer {
    async fn run(mut self) {
        let client = self.client.clone();
        while self.gather().await {
            let following = self.group.following();
            let group = std::mem::replace(&mut self.group, following);
            self.last_size = group.len();
            metrics::histogram!("event_log_group_size").record(group.len() as f64);
            self.gather_during(group.write(&client)).await;
        }
    }

    /// Waits for a first message, then a little for those who were answered last to come again; `false` at the end.
    async fn gather(&mut self) -> bool {
        if self.group.len() == 0 {
            match self.queue.recv().await {
                Some(first) => self.group.add(first),
                None => return false,
            }
        }
        self.take_what_waits();
        let linger = Instant::now() + LINGER_MAX;
        while self.last_size >= BATCH_MIN && self.group.len() < BATCH_MIN && self.group.has_room() {
            match timeout_at(linger, self.queue.recv()).await {
                Ok(Some(next)) => self.group.add(next),
                Ok(None) | Err(_) => break,
            }
        }
        true
    }

    fn take_what_waits(&mut self) {
        while self.group.has_room() {
            let Ok(next) = self.queue.try_recv() else { break };
            self.group.add(next);
        }
    }

    /// Takes in the next group while one is being written and lets the server stage it, so that the server has it
    /// when it is done with the one before.
    async fn gather_during(&mut self, written: impl Future<Output = ()>) {
        tokio::pin!(written);
        loop {
            tokio::select! {
                biased;
                () = &mut written => break,
                () = self.group.stage(&self.client), if self.group.has_to_stage() => {}
                Some(next) = self.queue.recv(), if self.group.has_room() => {
                    self.group.add(next);
                    self.take_what_waits();
                }
            }
        }
        self.take_what_waits();
    }
}
