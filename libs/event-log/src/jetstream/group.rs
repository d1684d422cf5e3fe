//! A group of messages and how it is written: one by one, or as one atomic batch (ADR-50 of the server).

use std::collections::HashSet;

use async_nats::{Client, HeaderMap};
use futures::future::join_all;
use tokio::sync::oneshot;

use super::message::{Outgoing, Published, ask, headers, publish_alone};

const GROUP_MAX: usize = 500;
const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;
/// From this many messages on they are a batch: it takes a busy server as long as six single messages, an idle one as
/// long as sixteen (measured on one server, `always`).
pub(super) const BATCH_MIN: usize = 8;

/// A message and who waits for what the server says about it.
pub(super) struct Waiting {
    pub(super) message: Outgoing,
    pub(super) reply: oneshot::Sender<Published>,
}

/// Messages that are written together, at most one per subject.
pub(super) struct Group {
    /// The batch they are, if they become one.
    batch: String,
    messages: Vec<Outgoing>,
    replies: Vec<oneshot::Sender<Published>>,
    subjects: HashSet<String>,
    bytes: usize,
    /// How many of them were sent to be staged, in order.
    sent: usize,
    /// One could not be sent: the batch cannot be committed.
    broken: bool,
    /// What must wait for the following group: its subject is in this one already, or this one is full.
    left: Vec<Waiting>,
}

impl Default for Group {
    fn default() -> Group {
        Group {
            batch: uuid::Uuid::new_v4().simple().to_string(),
            messages: Vec::new(),
            replies: Vec::new(),
            subjects: HashSet::new(),
            bytes: 0,
            sent: 0,
            broken: false,
            left: Vec::new(),
        }
    }
}

impl Group {
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn has_room(&self) -> bool {
        self.messages.len() + self.left.len() < GROUP_MAX
    }

    pub(super) fn add(&mut self, waiting: Waiting) {
        if self.bytes >= GROUP_BYTES_MAX || !self.subjects.insert(waiting.message.subject.to_string()) {
            self.left.push(waiting);
            return;
        }
        self.bytes += waiting.message.payload.len();
        self.messages.push(waiting.message);
        self.replies.push(waiting.reply);
    }

    /// The group after this one: it begins with what this one had no place for.
    pub(super) fn following(&mut self) -> Group {
        let mut following = Group::default();
        for waiting in std::mem::take(&mut self.left) {
            following.add(waiting);
        }
        following
    }

    /// Whether something can be staged: all but the last message, once it is sure to be a batch.
    pub(super) fn has_to_stage(&self) -> bool {
        self.messages.len() >= BATCH_MIN && self.sent + 1 < self.messages.len() && !self.broken
    }

    /// Sends the server what it can stage before the commit. Dropped halfway it goes on where it was.
    pub(super) async fn stage(&mut self, client: &Client) {
        while self.has_to_stage() {
            let message = &self.messages[self.sent];
            let headers = batch_headers(message, &self.batch, self.sent + 1);
            let (subject, payload) = (message.subject.clone(), message.payload.clone());
            match client.publish_with_headers(subject, headers, payload).await {
                Ok(()) => self.sent += 1,
                // Which of them it was, each finds out for itself.
                Err(_) => self.broken = true,
            }
        }
    }

    /// Writes the group and answers everybody in it.
    pub(super) async fn write(mut self, client: &Client) {
        self.stage(client).await;
        let is_staged = self.sent > 0 && !self.broken;
        let outcomes = if is_staged { self.commit(client).await } else { self.write_singly(client).await };
        for (outcome, reply) in outcomes.into_iter().zip(self.replies) {
            // Whoever stopped waiting calls the outcome unknown already.
            drop(reply.send(outcome));
        }
    }

    /// The answer to the batch's last message decides about all.
    async fn commit(&self, client: &Client) -> Vec<Published> {
        let count = self.messages.len();
        let Some(last) = self.messages.last() else { return Vec::new() };
        let mut headers = batch_headers(last, &self.batch, count);
        headers.insert("Nats-Batch-Commit", "1");
        match ask(client, last, headers).await {
            Published::At(sequence) => {
                let first = sequence + 1 - count as u64;
                (first..=sequence).map(Published::At).collect()
            }
            Published::Unknown => vec![Published::Unknown; count],
            // One of them conflicts, or the server gave up the batch: each finds out for itself.
            Published::WrongSequence | Published::Refused(_) => self.write_singly(client).await,
        }
    }

    async fn write_singly(&self, client: &Client) -> Vec<Published> {
        join_all(self.messages.iter().map(|message| publish_alone(client, message))).await
    }
}

fn batch_headers(message: &Outgoing, batch: &str, number: usize) -> HeaderMap {
    let mut headers = headers(message);
    headers.insert("Nats-Batch-Id", batch);
    headers.insert("Nats-Batch-Sequence", number.to_string().as_str());
    headers
}
