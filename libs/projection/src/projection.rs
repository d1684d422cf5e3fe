//! The handle of a projection.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use event_log::{Category, EventLog, PATIENCE, Position, Recorded, StateError, Tailed, patiently};
use futures::StreamExt as _;
use parking_lot::RwLock;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::project::{BATCH_MAX, Failure, project};
use crate::store::{Damaged, Identity, Store, caught};
use crate::{ProjectionError, View, folder};

const FLUSH_EVERY: Duration = Duration::from_millis(500);
/// Between a tail that broke off because the log did not answer and the next one.
const TAIL_PAUSE: Duration = Duration::from_millis(500);
const LOG_ID_KEY: &str = "projection/log-id";
/// Rebuilds in a row, without ever catching up, before the projection gives up.
const REBUILDS_MAX: u32 = 2;

/// How far a projection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) position: Position,
    pub(crate) caught_up: bool,
}

/// A cheap handle to the rows of one view over one category.
pub struct Projection<V>(pub(crate) Arc<Inner<V>>);

pub(crate) struct Inner<V> {
    view: V,
    log: EventLog,
    dir: PathBuf,
    pub(crate) identity: Identity,
    /// `None` only while the folder is being rebuilt.
    pub(crate) store: RwLock<Option<Store>>,
    pub(crate) progress: watch::Sender<Progress>,
    /// A reader met damage; whoever runs the projection rebuilds it.
    pub(crate) damaged: Notify,
}

impl<V> Clone for Projection<V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<V: View> Projection<V> {
    /// Opens `dir/<name of the view>`, or starts it anew when it is missing, damaged or of another log or
    /// version. No commit is read from the log until [`Projection::run`]. A log that does not answer is waited for,
    /// for [`PATIENCE`].
    ///
    /// # Errors
    /// When another process has the folder, the file system refuses, or the log does not answer in time.
    pub async fn open(
        dir: impl AsRef<Path>,
        log: EventLog,
        category: Category,
        view: V,
    ) -> Result<Self, ProjectionError> {
        let dir = dir.as_ref().join(view.name());
        let log_id = patiently("the id of the log", ProjectionError::is_unavailable, || log_id(&log)).await?;
        let identity = Identity { view: view.name(), version: view.version(), category, log: log_id };
        let head =
            patiently("the head of the log", event_log::ReadError::is_unavailable, || log.head(category));
        let head = head.await?;
        let store = {
            let (dir, identity) = (dir.clone(), identity.clone());
            blocking(move || {
                let store = folder::open(&dir, &identity)?;
                if store.position() <= head {
                    return Ok(store);
                }
                // The log was put back to an earlier state: what the rows say never happened.
                drop(store);
                folder::put_aside(&dir).map_err(|error| unusable(&dir, &error))?;
                folder::open(&dir, &identity)
            })
            .await?
        };
        let progress = Progress { position: store.position(), caught_up: false };
        let (progress, _) = watch::channel(progress);
        let store = RwLock::new(Some(store));
        Ok(Self(Arc::new(Inner { view, log, dir, identity, store, progress, damaged: Notify::new() })))
    }

    /// Follows the log until `shutdown`. Damage is repaired by a rebuild on the way; a log that does not answer is
    /// waited for, for [`PATIENCE`] without one commit.
    ///
    /// # Errors
    /// A commit that the view cannot apply, a log that cannot be read, or a folder that cannot be rebuilt.
    pub async fn run(&self, shutdown: CancellationToken) -> Result<(), ProjectionError> {
        let mut rebuilds = 0;
        // Since when, and at which position, the log does not answer.
        let mut silent: Option<(Instant, Position)> = None;
        loop {
            match self.follow(&shutdown).await {
                Ok(()) => return self.flush().await,
                Err(Failure::Fatal(error)) if error.is_unavailable() => {
                    let here = self.position();
                    let since = match silent {
                        Some((since, position)) if position == here => since,
                        Some(_) | None => {
                            warn!(projection = self.0.identity.view, %error, "the event log is waited for");
                            Instant::now()
                        }
                    };
                    if since.elapsed() >= PATIENCE {
                        return Err(error);
                    }
                    silent = Some((since, here));
                    tokio::select! {
                        () = shutdown.cancelled() => return self.flush().await,
                        () = sleep(TAIL_PAUSE) => {}
                    }
                }
                Err(Failure::Fatal(error)) => return Err(error),
                Err(Failure::Damaged(Damaged(reason))) => {
                    rebuilds = if self.caught_up() { 1 } else { rebuilds + 1 };
                    if rebuilds > REBUILDS_MAX {
                        return Err(ProjectionError::Store { dir: self.0.dir.clone(), reason });
                    }
                    self.rebuild(&reason).await?;
                }
            }
        }
    }

    async fn follow(&self, shutdown: &CancellationToken) -> Result<(), Failure> {
        let inner = &self.0;
        let category = inner.identity.category;
        let mut batches = inner.log.tail(category, self.position()).ready_chunks(BATCH_MAX);
        let mut flush = interval(FLUSH_EVERY);
        flush.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut written = false;
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                () = inner.damaged.notified() => {
                    return Err(Failure::Damaged(Damaged("a reader met damage".to_owned())));
                }
                _ = flush.tick(), if written => {
                    written = false;
                    self.flush().await.map_err(Failure::Fatal)?;
                }
                batch = batches.next() => {
                    let Some(batch) = batch else { return Ok(()) };
                    written |= self.take(batch).await?;
                }
            }
        }
    }

    /// Takes in one batch of the tail; `true` if rows were written.
    async fn take(&self, batch: Vec<Result<Tailed, event_log::ReadError>>) -> Result<bool, Failure> {
        let mut commits: Vec<Recorded> = Vec::with_capacity(batch.len());
        let mut caught_up = None;
        let mut failed = None;
        for item in batch {
            match item {
                Ok(Tailed::Commit(recorded)) => commits.push(recorded),
                Ok(Tailed::CaughtUp(position)) => caught_up = Some(position),
                Err(error) => failed = Some(error),
            }
        }
        let written = !commits.is_empty();
        if written {
            let this = self.clone();
            let position = blocking(move || {
                let mut store = this.0.store.write();
                let store = store.as_mut().ok_or_else(|| Damaged("the folder is closed".to_owned()))?;
                project(&this.0.view, store, &commits)
            })
            .await?;
            self.report(position, None);
        }
        if let Some(position) = caught_up {
            self.report(position, Some(true));
        }
        match failed {
            Some(error) => Err(Failure::Fatal(error.into())),
            None => Ok(written),
        }
    }

    /// Positions only grow, except when a rebuild starts anew.
    fn report(&self, position: Position, caught_up: Option<bool>) {
        let inner = &self.0;
        inner.progress.send_modify(|progress| {
            progress.position = progress.position.max(position);
            progress.caught_up = caught_up.unwrap_or(progress.caught_up);
        });
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; positions stay far below 2^53")]
        metrics::gauge!("projection_position", "projection" => inner.identity.view).set(position.0 as f64);
    }

    async fn rebuild(&self, reason: &str) -> Result<(), ProjectionError> {
        warn!(projection = self.0.identity.view, reason, "projection is damaged; rebuilding it from the log");
        metrics::counter!("projection_rebuilds_total", "projection" => self.0.identity.view).increment(1);
        let this = self.clone();
        blocking(move || {
            let Inner { dir, identity, store, .. } = &*this.0;
            let mut store = store.write();
            if let Err(Damaged(reason)) = caught(|| drop(store.take())) {
                warn!(projection = identity.view, reason, "the damaged folder did not close cleanly");
            }
            folder::put_aside(dir).map_err(|error| unusable(dir, &error))?;
            *store = Some(folder::open(dir, identity)?);
            Ok::<_, ProjectionError>(())
        })
        .await?;
        self.0.progress.send_replace(Progress { position: Position::ZERO, caught_up: false });
        info!(projection = self.0.identity.view, "projection starts anew");
        Ok(())
    }

    async fn flush(&self) -> Result<(), ProjectionError> {
        let this = self.clone();
        blocking(move || {
            let store = this.0.store.read();
            match store.as_ref().map(Store::flush) {
                Some(Err(Damaged(reason))) => Err(ProjectionError::Store { dir: this.0.dir.clone(), reason }),
                Some(Ok(())) | None => Ok(()),
            }
        })
        .await
    }
}

/// The id of the log, made by whoever asks first: rows of another log are worthless.
async fn log_id(log: &EventLog) -> Result<[u8; 16], ProjectionError> {
    loop {
        if let Some(entry) = log.state().get(LOG_ID_KEY).await? {
            return <[u8; 16]>::try_from(entry.value.as_ref()).map_err(|_| {
                ProjectionError::Log(event_log::ReadError::Corrupt("the log's id is not 16 bytes".to_owned()))
            });
        }
        let mut id = [0; 16];
        getrandom::fill(&mut id).expect("the operating system gives random bytes");
        match log.state().put(LOG_ID_KEY, None, Bytes::copy_from_slice(&id)).await {
            Ok(_) => return Ok(id),
            Err(StateError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("the work catches panics, and is not aborted")
}

fn unusable(dir: &Path, error: &std::io::Error) -> ProjectionError {
    ProjectionError::Store { dir: dir.to_owned(), reason: error.to_string() }
}
