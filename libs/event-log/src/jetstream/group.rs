//! A group of messages and how it is written: one by one, or as one atomic batch (ADR-50 of the server).

use std::collections::HashSet;

use async_nats::{Client, HeaderMap};
use futures::future::join_all;
use tokio::sync::oneshot;

use super::publish::{Outgoing, Published, ask, headers, publish_alone};

const GROUP_MAX: usize = 500;
const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;
/// From this many messages on a batch is faster: it takes a busy server as long as six single messages, an idle one as
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
    /// How many of them the server has staged, in order.
    staged: usize,
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
            staged: 0,
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

    /// Sends the server what it can stage before the commit: all but the last message, once it is sure to be a batch.
    pub(super) async fn stage(&mut self, client: &Client) {
        if self.messages.len() < BATCH_MIN {
            return;
        }
        while self.staged + 1 < self.messages.len() {
            let message = &self.messages[self.staged];
            let headers = batch_headers(message, &self.batch, self.staged + 1);
            let (subject, payload) = (message.subject.clone(), message.payload.clone());
            if client.publish_with_headers(subject, headers, payload).await.is_err() {
                // The connection is closed for good: the commit, or each message, finds that out.
                return;
            }
            self.staged += 1;
        }
    }

    /// Writes the group and answers everybody in it.
    pub(super) async fn write(mut self, client: &Client) {
        let outcomes = if self.messages.len() < BATCH_MIN {
            self.write_singly(client).await
        } else {
            self.stage(client).await;
            self.commit(client).await
        };
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
            // One of them conflicts or is repeated, or the server gave up the batch: each finds out for itself.
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
