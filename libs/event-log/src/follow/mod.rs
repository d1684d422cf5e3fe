//! Named consumers: at least once, in order per entity, retried after a pause, given up into a dead letter.
//!
//! A consumer's checkpoint says, per share of the partitions, up to where everything is finished. It is a fact
//! that only grows, so replicas merge theirs by taking the larger one. Replicas divide the 16 shares by leases
//! in one table (`shares.rs`); where the process owns the directory it owns every share.

pub(crate) mod cursor;
pub(crate) mod dead_letters;
mod lanes;
mod progress;
mod shares;
mod upkeep;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

pub use self::dead_letters::DeadLetter;
use crate::backend::Backend;
use crate::error::ReadError;
use crate::{Category, Recorded};

/// Where a consumer begins when it has no checkpoint yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the first commit of the category.
    Beginning,
    /// After the last commit there is when it first runs.
    Now,
}

/// Who follows what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// Names the checkpoint: 1 to 64 characters of `a-z 0-9 -`. Replicas with the same name share the work.
    pub name: String,
    /// The category to follow.
    pub category: Category,
    /// Handlers that may run at once, each on another entity; at least 1.
    pub concurrency: usize,
    /// Where to begin when there is no checkpoint.
    pub start: Start,
    /// Commits held in memory at most: running, waiting, or behind a commit that is paused; at least 1.
    pub window_max: usize,
}

impl Consumer {
    /// A consumer of everything from the beginning: 32 handlers at once, 1 024 commits in memory.
    pub fn new(name: impl Into<String>, category: Category) -> Self {
        Self { name: name.into(), category, concurrency: 32, start: Start::Beginning, window_max: 1_024 }
    }
}

/// A commit handed to a handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The commit.
    pub recorded: Recorded,
    /// 1 for the first try since this replica took it up.
    pub attempt: u32,
}

/// How a handler's try ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Finished; never delivered again (unless a crash forgets it before the checkpoint is stored).
    Done,
    /// Deliver it again after the pause. Later commits of the entity wait behind it, other entities do not.
    Retry {
        /// How long to wait.
        pause: Duration,
        /// Why, for the logs. Nothing personal, no links.
        reason: String,
    },
    /// Keep it as a dead letter and go on with the entity's next commit.
    GiveUp {
        /// Why, for whoever looks at the dead letter. Nothing personal, no links.
        reason: String,
    },
}

/// Works on commits. May be called again with a commit it has finished: every effect may run twice.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Handles one commit. A panic counts as a retry, the fifth one as giving up.
    async fn handle(&self, delivery: &Delivery) -> Outcome;
}

pub(crate) async fn run(
    backend: Arc<dyn Backend>,
    consumer: Consumer,
    handler: Arc<dyn Handler>,
    shutdown: CancellationToken,
) -> Result<(), ReadError> {
    let named = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if consumer.name.is_empty() || consumer.name.len() > 64 || !consumer.name.bytes().all(named) {
        return Err(ReadError::Corrupt("a consumer's name is 1 to 64 characters of a-z 0-9 -".to_owned()));
    }
    worker::Worker::start(backend, consumer, handler, &shutdown).await?.run(shutdown).await
}
