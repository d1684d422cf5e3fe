//! The handle.

use std::sync::Arc;
use std::time::Instant;

use futures::stream::BoxStream;
use tokio_util::sync::CancellationToken;

use crate::backend::{Backend, Shares};
use crate::embedded::Embedded;
use crate::error::{AppendError, OpenError, ReadError};
use crate::follow::{self, Consumer, DeadLetter, Handler};
use crate::jetstream::JetStream;
use crate::trace::TraceContext;
use crate::{
    Appended, Blobs, Category, Commit, Durability, Entity, Expected, Keys, Position, Recorded, Settings,
    State, Tailed, Version, record,
};

/// A cheap handle to the log. Callers never see which store is behind it.
#[derive(Clone)]
pub struct EventLog {
    backend: Arc<dyn Backend>,
    keys: Keys,
}

impl EventLog {
    /// Opens the log, and refuses whatever would break its contract.
    ///
    /// # Errors
    /// See [`OpenError`]; each has a page in `docs/errors/`.
    pub async fn open(settings: Settings) -> Result<EventLog, OpenError> {
        let backend: Arc<dyn Backend> = match settings {
            Settings::Embedded(settings) => Arc::new(Embedded::open(settings).await?),
            Settings::JetStream(settings) => Arc::new(JetStream::open(settings).await?),
        };
        Ok(EventLog { keys: Keys::new(backend.clone()), backend })
    }

    /// Stores a commit; durable when this returns. The same command id on the same entity again is answered
    /// with the first append's position and `duplicate`, even if `expected` is stale by now.
    ///
    /// # Errors
    /// See [`AppendError`]. After [`AppendError::Unknown`] repeat the same command.
    pub async fn append(
        &self,
        entity: &Entity,
        expected: Expected,
        mut commit: Commit,
    ) -> Result<Appended, AppendError> {
        record::check(&commit)?;
        if commit.trace.traceparent.is_none() {
            commit.trace = TraceContext::current();
        }
        let started = Instant::now();
        let category = entity.category().as_str();
        let outcome = self.backend.append(entity, expected, commit).await;
        metrics::histogram!("event_log_append_seconds", "category" => category).record(started.elapsed());
        if let Err(error) = &outcome {
            let reason = match error {
                AppendError::Conflict { .. } => "conflict",
                AppendError::TooLarge { .. } => "too_large",
                AppendError::Unknown => "unknown",
                AppendError::Unavailable(_) => "unavailable",
                AppendError::Corrupt(_) => "corrupt",
            };
            metrics::counter!("event_log_append_errors_total", "category" => category, "reason" => reason)
                .increment(1);
        }
        outcome
    }

    /// The entity's commits after a version, in order, including every acknowledged one.
    ///
    /// # Errors
    /// More than [`crate::COMMITS_PER_ENTITY_MAX`] commits, an undecodable record, or no answer.
    pub async fn read(&self, entity: &Entity, after: Version) -> Result<Vec<Recorded>, ReadError> {
        self.backend.read(entity, after).await
    }

    /// Every commit of a category after a position, in order, then live. No gap, no duplicate, no reordering;
    /// reconnects by itself. An undecodable record is one error item and the end.
    pub fn tail(&self, category: Category, after: Position) -> BoxStream<'static, Result<Tailed, ReadError>> {
        self.backend.tail(category, after, Shares::ALL)
    }

    /// The position of the category's last commit.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn head(&self, category: Category) -> Result<Position, ReadError> {
        self.backend.head(category).await
    }

    /// Works through a category under the consumer's name until `shutdown`; then finishes what is running
    /// (for at most 10 seconds), stores the checkpoint and returns.
    ///
    /// # Errors
    /// An undecodable record stops the follower loudly: nothing after it is handled.
    pub async fn follow(
        &self,
        consumer: Consumer,
        handler: Arc<dyn Handler>,
        shutdown: CancellationToken,
    ) -> Result<(), ReadError> {
        follow::run(self.backend.clone(), consumer, handler, shutdown).await
    }

    /// What this consumer gave up on, by position; at most a few hundred are expected.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn dead_letters(&self, consumer: &str) -> Result<Vec<DeadLetter>, ReadError> {
        follow::dead_letters::list(self.backend.as_ref(), consumer).await
    }

    /// Asks the consumer to handle a dead letter once more. Gone when the handler succeeds, back when not.
    /// `false` when there is no such dead letter.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn retry_dead_letter(&self, consumer: &str, position: Position) -> Result<bool, ReadError> {
        follow::dead_letters::retry(self.backend.as_ref(), consumer, position).await
    }

    /// Forgets a dead letter. `false` when there is no such dead letter.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn discard_dead_letter(&self, consumer: &str, position: Position) -> Result<bool, ReadError> {
        follow::dead_letters::discard(self.backend.as_ref(), consumer, position).await
    }

    /// The consumer's checkpoint: everything up to here is done or a dead letter. For lag metrics and tests.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn consumed(&self, consumer: &str) -> Result<Position, ReadError> {
        follow::cursor::consumed(self.backend.as_ref(), consumer).await
    }

    /// Documents.
    pub fn blobs(&self) -> Blobs {
        Blobs(self.backend.clone())
    }

    /// Data keys.
    pub fn keys(&self) -> Keys {
        self.keys.clone()
    }

    /// Cursors, leases, tokens.
    pub fn state(&self) -> State {
        State(self.backend.clone())
    }

    /// What an acknowledged append survives here.
    pub async fn durability(&self) -> Durability {
        self.backend.durability().await
    }

    /// Whether the log answers; for readiness.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), ReadError> {
        self.backend.ping().await
    }
}
