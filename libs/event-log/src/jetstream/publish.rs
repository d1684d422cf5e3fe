//! Grouped writes: what waits together is written together.
//!
//! A few messages are published one by one, pipelined. Many become one atomic batch (ADR-50), which costs
//! about as much as sixteen single messages on one server. A refused batch is published one by one, so that
//! nobody fails for another's conflict.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::{Client, HeaderMap, Request, Subject};
use bytes::Bytes;
use futures::future::join_all;
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::REQUEST_MAX;

const QUEUE_MAX: usize = 4_096;
const GROUP_MAX: usize = 500;
const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;
/// From this many messages on a batch is faster than single messages (measured on one server, `always`).
const BATCH_MIN: usize = 16;
/// How long a group waits for company when the one before it was large. Longer costs a webhook more than the larger
/// group saves (measured on the whole road: 1 ms is slower than none, none slower than this).
const LINGER_MAX: Duration = Duration::from_micros(300);
const WRONG_LAST_SEQUENCE: [u64; 2] = [10_071, 10_164];

/// A message that expects its subject's last sequence.
pub(super) struct Outgoing {
    pub(super) subject: Subject,
    pub(super) message_id: Option<String>,
    pub(super) expected: u64,
    pub(super) headers: HeaderMap,
    pub(super) payload: Bytes,
}

/// What the server said about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Published {
    /// Stored, now (`false`) or by an earlier publish with the same id (`true`).
    At(u64, bool),
    /// The subject's last sequence is another one: certainly not stored by this publish.
    WrongSequence,
    /// Certainly not stored.
    Refused(String),
    /// No answer: stored or not.
    Unknown,
}

struct Waiting {
    message: Outgoing,
    reply: oneshot::Sender<Published>,
}

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
        tokio::spawn(Writer { client: client.clone(), queue, left: Vec::new(), group_last: 0 }.run());
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
    /// Left over from the last group: their subject was in it already.
    left: Vec<Waiting>,
    group_last: usize,
}

impl Writer {
    async fn run(mut self) {
        while let Some(group) = self.collect().await {
            metrics::histogram!("event_log_group_size").record(group.len() as f64);
            self.group_last = group.len();
            let (messages, replies): (Vec<_>, Vec<_>) =
                group.into_iter().map(|waiting| (waiting.message, waiting.reply)).unzip();
            let outcomes = if messages.len() >= BATCH_MIN {
                self.batch(&messages).await
            } else {
                self.singles(&messages).await
            };
            for (outcome, reply) in outcomes.into_iter().zip(replies) {
                // Whoever stopped waiting calls the outcome unknown already.
                drop(reply.send(outcome));
            }
        }
    }

    /// The next group: at most one message per subject.
    async fn collect(&mut self) -> Option<Vec<Waiting>> {
        let mut candidates = std::mem::take(&mut self.left);
        if candidates.is_empty() {
            candidates.push(self.queue.recv().await?);
        }
        let linger = Instant::now() + LINGER_MAX;
        while candidates.len() < GROUP_MAX {
            match self.queue.try_recv() {
                Ok(next) => candidates.push(next),
                Err(_) if self.group_last >= BATCH_MIN && candidates.len() < self.group_last => {
                    match timeout_at(linger, self.queue.recv()).await {
                        Ok(Some(next)) => candidates.push(next),
                        Ok(None) | Err(_) => break,
                    }
                }
                Err(_) => break,
            }
        }
        let (mut subjects, mut bytes) = (HashSet::with_capacity(candidates.len()), 0);
        let fit: Vec<bool> = candidates
            .iter()
            .map(|Waiting { message, .. }| {
                let fits = bytes < GROUP_BYTES_MAX && subjects.insert(message.subject.as_str());
                bytes += if fits { message.payload.len() } else { 0 };
                fits
            })
            .collect();
        let mut group = Vec::with_capacity(candidates.len());
        for (waiting, fits) in candidates.into_iter().zip(fit) {
            if fits { group.push(waiting) } else { self.left.push(waiting) }
        }
        Some(group)
    }

    async fn singles(&self, messages: &[Outgoing]) -> Vec<Published> {
        join_all(messages.iter().map(|message| self.ask(message, headers(message)))).await
    }

    /// One atomic batch; the answer to its last message decides about all.
    async fn batch(&self, messages: &[Outgoing]) -> Vec<Published> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let count = messages.len();
        let Some((last, others)) = messages.split_last() else { return Vec::new() };
        for (index, message) in others.iter().enumerate() {
            let headers = batch_headers(message, &id, index + 1);
            let sent = self
                .client
                .publish_with_headers(message.subject.clone(), headers, message.payload.clone())
                .await;
            if sent.is_err() {
                // Without its commit the batch is dropped by the server.
                return vec![Published::Refused("the connection is closed".to_owned()); count];
            }
        }
        let mut headers = batch_headers(last, &id, count);
        headers.insert("Nats-Batch-Commit", "1");
        match self.ask(last, headers).await {
            Published::At(sequence, false) => {
                let first = sequence + 1 - count as u64;
                (first..=sequence).map(|sequence| Published::At(sequence, false)).collect()
            }
            Published::Unknown => vec![Published::Unknown; count],
            // One of them conflicts or is repeated: each finds out for itself.
            Published::At(_, true) | Published::WrongSequence | Published::Refused(_) => {
                self.singles(messages).await
            }
        }
    }

    async fn ask(&self, message: &Outgoing, headers: HeaderMap) -> Published {
        ask(&self.client, message, headers).await
    }
}

/// Publishes one message by itself.
pub(super) async fn publish_alone(client: &Client, message: &Outgoing) -> Published {
    ask(client, message, headers(message)).await
}

async fn ask(client: &Client, message: &Outgoing, headers: HeaderMap) -> Published {
    let request = Request::new().headers(headers).payload(message.payload.clone()).timeout(Some(REQUEST_MAX));
    match client.send_request(message.subject.clone(), request).await {
        Ok(answer) => understand(&answer.payload),
        Err(error) => match error.kind() {
            RequestErrorKind::NoResponders => Published::Refused("no stream takes the subject".to_owned()),
            RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded => {
                Published::Refused(error.to_string())
            }
            RequestErrorKind::TimedOut | RequestErrorKind::Other => Published::Unknown,
        },
    }
}

fn headers(message: &Outgoing) -> HeaderMap {
    let mut headers = message.headers.clone();
    headers.insert("Nats-Expected-Last-Subject-Sequence", message.expected.to_string().as_str());
    if let Some(id) = &message.message_id {
        headers.insert("Nats-Msg-Id", id.as_str());
    }
    headers
}

fn batch_headers(message: &Outgoing, id: &str, number: usize) -> HeaderMap {
    let mut headers = headers(message);
    headers.insert("Nats-Batch-Id", id);
    headers.insert("Nats-Batch-Sequence", number.to_string().as_str());
    headers
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    duplicate: bool,
    error: Option<AnswerError>,
}

#[derive(Deserialize)]
struct AnswerError {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

fn understand(payload: &[u8]) -> Published {
    match serde_json::from_slice::<Answer>(payload) {
        Ok(Answer { error: Some(error), .. }) if WRONG_LAST_SEQUENCE.contains(&error.err_code) => {
            Published::WrongSequence
        }
        Ok(Answer { error: Some(error), .. }) => Published::Refused(error.description),
        Ok(Answer { seq, duplicate, error: None }) if seq > 0 => Published::At(seq, duplicate),
        Ok(_) | Err(_) => Published::Unknown,
    }
}
