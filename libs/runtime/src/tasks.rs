//! Background work that shutdown waits for.
//!
//! A service spawns everything through one [`Tasks`]. A task that panics or fails is logged once and asks the
//! whole process to stop: half a service is worse than a restart, because the log holds the work.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// A cheap handle to a group of tasks that stop together.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    shutdown: CancellationToken,
    failure: Arc<Mutex<Option<String>>>,
}

/// Why a group of tasks did not end well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StopError {
    /// A task panicked or returned an error; the text names it.
    #[error("task {0} failed")]
    Failed(String),
    /// Tasks were still running at the deadline and were left behind.
    #[error("{running} tasks were still running after {deadline:?}")]
    Late {
        /// How many.
        running: usize,
        /// How long they were waited for.
        deadline: Duration,
    },
}

impl Tasks {
    /// A new group with a shutdown of its own.
    pub fn new() -> Self {
        Self::default()
    }

    /// A new group that stops when `parent` is cancelled; its own shutdown does not reach the parent.
    pub fn under(parent: &CancellationToken) -> Self {
        Self { shutdown: parent.child_token(), ..Self::default() }
    }

    /// Runs `work` in the background, in the current span. A panic stops the group.
    pub fn spawn<F>(&self, name: &'static str, work: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.spawn_fallible(name, async move {
            work.await;
            Ok::<(), std::convert::Infallible>(())
        });
    }

    /// Runs `work` in the background, in the current span. An error or a panic stops the group.
    pub fn spawn_fallible<F, E>(&self, name: &'static str, work: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display + Send + 'static,
    {
        let group = self.clone();
        let worker = Self::detached(name, work);
        self.tracker.spawn(async move {
            match worker.await {
                Ok(Ok(())) => tracing::debug!(task = name, "task ended"),
                Ok(Err(error)) => group.fail(name, &format!("{error:#}")),
                Err(join) if join.is_panic() => group.fail(name, "panicked"),
                Err(_) => tracing::debug!(task = name, "task was dropped with the runtime"),
            }
        });
    }

    /// Runs `work` in the background without a group: only for work that may be cut off at any point.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that spawns; everything else goes through Tasks"
    )]
    pub(crate) fn detached<F>(name: &'static str, work: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        tracing::trace!(task = name, "task starts");
        tokio::spawn(work.in_current_span())
    }

    /// The token that tells the tasks to end. Cancelling it begins the stop.
    pub fn shutdown_token(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// The first failure so far, if any: the name of the task and, if it gave one, its reason.
    pub fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Asks every task to end and waits for them, at most `deadline`.
    ///
    /// # Errors
    /// When a task had failed, or when some did not end in time (they are left to the end of the process).
    pub async fn stop(&self, deadline: Duration) -> Result<(), StopError> {
        self.shutdown.cancel();
        self.tracker.close();
        if tokio::time::timeout(deadline, self.tracker.wait()).await.is_err() {
            return Err(StopError::Late { running: self.tracker.len(), deadline });
        }
        self.failure().map_or(Ok(()), |failed| Err(StopError::Failed(failed)))
    }

    fn fail(&self, name: &'static str, reason: &str) {
        tracing::error!(task = name, reason, "task failed: stopping");
        self.failure
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .get_or_insert_with(|| format!("{name}: {reason}"));
        self.shutdown.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn stop_waits_for_every_task_to_end() {
        let tasks = Tasks::new();
        let done = Arc::new(Mutex::new(false));
        let (token, flag) = (tasks.shutdown_token(), done.clone());
        tasks.spawn("worker", async move {
            token.cancelled().await;
            tokio::task::yield_now().await;
            *flag.lock().unwrap() = true;
        });
        assert_eq!(tasks.stop(SOON).await, Ok(()));
        assert!(*done.lock().unwrap());
    }

    #[tokio::test]
    async fn a_panicking_task_stops_the_group_and_is_named() {
        let tasks = Tasks::new();
        tasks.spawn("clumsy", async { panic!("on purpose") });
        tasks.shutdown_token().cancelled().await;
        assert_eq!(tasks.stop(SOON).await, Err(StopError::Failed("clumsy: panicked".to_owned())));
    }

    #[tokio::test]
    async fn a_failing_task_stops_the_group_with_its_reason() {
        let tasks = Tasks::new();
        tasks.spawn_fallible("server", async { Err("address in use") });
        tasks.shutdown_token().cancelled().await;
        assert_eq!(tasks.failure().as_deref(), Some("server: address in use"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_listen_is_left_behind_at_the_deadline() {
        let tasks = Tasks::new();
        tasks.spawn("deaf", std::future::pending());
        assert_eq!(tasks.stop(SOON).await, Err(StopError::Late { running: 1, deadline: SOON }));
    }

    #[tokio::test]
    async fn a_group_stops_with_its_parent_but_not_the_other_way_round() {
        let parent = CancellationToken::new();
        let group = Tasks::under(&parent);
        group.stop(SOON).await.unwrap();
        assert!(!parent.is_cancelled());
        let other = Tasks::under(&parent);
        parent.cancel();
        assert!(other.shutdown_token().is_cancelled());
    }
}
