//! The one writer: takes what waits, checks it, makes it durable with one sync, answers all of it.
//!
//! Nothing is visible to readers and nobody is answered before the group's sync has returned. When the sync
//! fails, what the disk holds is unknown: the group is answered "unknown" and everything after it is refused.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use domain::ids::CommandId;
use fjall::{OwnedWriteBatch as WriteBatch, PersistMode};
use tokio::sync::watch;

use super::heads::HeadWriter;
use super::queue::Groups;
use super::request::{Answer, Draft, Request};
use super::state::{self, Overlay};
use super::store::{Store, broken};
use crate::embedded::reader;
use crate::entity::EntityKey;
use crate::error::{AppendError, OpenError, ReadError, StateError};
use crate::heads::{Admission, HeadCache};
use crate::record::{self, ChainEnd};
use crate::state::Revision;
use crate::{Appended, Category, EmbeddedSettings, Entity, Expected, Position, clock};

/// How long a group may wait to become as large as the one before it: half of what the last sync took, within
/// these bounds. Whoever was just answered is likely to come again at once, and should not need a sync of its
/// own; a group that waited in vain is smaller, so the next one does not wait.
const LINGER_MIN: Duration = Duration::from_micros(100);
const LINGER_MAX: Duration = Duration::from_millis(2);

/// Makes a group durable: returns only when the disk has it.
pub(super) type CommitGroup = Box<dyn FnMut(WriteBatch) -> fjall::Result<()> + Send>;

/// What the log does: one batch, one fdatasync.
pub(super) fn commit_synced() -> CommitGroup {
    Box::new(|batch| batch.durability(Some(PersistMode::SyncData)).commit())
}

pub(super) struct Writer {
    store: Store,
    commit_group: CommitGroup,
    heads: HeadCache,
    position_last: u64,
    revision_last: u64,
    watches: [watch::Sender<Position>; 5],
    head_writer: HeadWriter,
    /// Of the group under way.
    heads_reached: Vec<(EntityKey, u64)>,
    dir: PathBuf,
    free_bytes_min: u64,
    failed: Option<String>,
}

impl Writer {
    /// Finds out where the log ends.
    pub(super) fn recover(
        store: Store,
        settings: &EmbeddedSettings,
        commit_group: CommitGroup,
    ) -> Result<(Writer, [watch::Receiver<Position>; 5]), OpenError> {
        let unreadable = |error: ReadError| broken(&settings.dir, error);
        let mut last = [Position::ZERO; 5];
        for category in Category::ALL {
            last[category.index()] = reader::last(store.category(category)).map_err(unreadable)?;
        }
        let watches = last.map(|position| watch::channel(position).0);
        let receivers = std::array::from_fn(|index| watches[index].subscribe());
        let head_writer = store.heads.writer().map_err(|source| broken(&settings.dir, source))?;
        let writer = Writer {
            head_writer,
            heads_reached: Vec::new(),
            position_last: last.into_iter().max().unwrap_or_default().0,
            revision_last: state::revision_last(&store).map_err(unreadable)?,
            store,
            commit_group,
            heads: HeadCache::default(),
            watches,
            dir: settings.dir.clone(),
            free_bytes_min: settings.free_bytes_min,
            failed: None,
        };
        Ok((writer, receivers))
    }

    /// Works until the log is dropped.
    pub(super) fn run(mut self, groups: &Groups) {
        let mut group = Vec::new();
        let (mut group_last, mut linger) = (1, LINGER_MIN);
        while groups.next(&mut group, group_last, linger) {
            group_last = group.len();
            let started = Instant::now();
            self.write(&mut group);
            linger = (started.elapsed() / 2).clamp(LINGER_MIN, LINGER_MAX);
        }
    }

    fn write(&mut self, group: &mut Vec<Request>) {
        metrics::histogram!("event_log_group_size").record(group.len() as f64);
        if let Some(reason) = self.refusal() {
            return group.drain(..).for_each(|request| request.refuse(&reason));
        }
        let mut batch = WriteBatch::with_capacity(self.store.database.clone(), group.len());
        let mut overlay = Overlay::default();
        let mut reached = [None; 5];
        let mut answers = Vec::with_capacity(group.len());
        for request in group.drain(..) {
            answers.push(match request {
                Request::Append { key, entity, expected, command_id, draft, reply } => {
                    let outcome = self.append(&mut batch, &key, &entity, expected, command_id, draft);
                    if let Ok(Appended { position, duplicate: false, .. }) = outcome {
                        reached[entity.category().index()] = Some(position);
                    }
                    Answer::Append(outcome, reply)
                }
                Request::Put { key, expected, value, reply } => {
                    let outcome = self.put(&mut batch, &mut overlay, key, Some(expected), Some(value));
                    Answer::Put(outcome, reply)
                }
                Request::Delete { key, expected, reply } => {
                    let outcome = self.put(&mut batch, &mut overlay, key, expected.map(Some), None);
                    Answer::Delete(outcome.map(|_| ()), reply)
                }
                Request::Ping { reply } => Answer::Ping(reply),
            });
        }
        let committed = if batch.is_empty() { Ok(()) } else { (self.commit_group)(batch) };
        match committed {
            Ok(()) => {
                self.head_writer.publish(&mut self.heads_reached);
                for (watch, position) in self.watches.iter().zip(reached) {
                    if let Some(position) = position {
                        watch.send_replace(position);
                    }
                }
                answers.into_iter().for_each(Answer::send);
            }
            Err(error) => {
                tracing::error!(%error, "CS-LOG-003: the event log failed to sync; it takes no writes until restart");
                self.failed =
                    Some("CS-LOG-003: a write failed to reach the disk; restart the process".to_owned());
                answers.into_iter().for_each(Answer::send_unknown);
            }
        }
    }

    fn append(
        &mut self,
        batch: &mut WriteBatch,
        key: &EntityKey,
        entity: &Entity,
        expected: Expected,
        command_id: CommandId,
        draft: Draft,
    ) -> Result<Appended, AppendError> {
        if !self.heads.knows(key) {
            let history = reader::recent(&self.store, entity).map_err(unreadable)?;
            self.heads.learn(key, &history);
        }
        let end = match self.heads.admit(key, expected, &command_id) {
            Admission::Continue(end) => end,
            Admission::Duplicate(position) => return Ok(Appended::at(position, true)),
            Admission::Conflict(actual) => return Err(AppendError::Conflict { actual }),
        };
        let (bytes, next) = match draft {
            Draft::First { record, end } => (record, end),
            Draft::Later(commit) => {
                let (record, next) = record::encode(entity, end, clock::now(), &commit);
                (record.into(), next)
            }
        };
        self.position_last += 1;
        let position = self.position_last;
        let next = ChainEnd { version: crate::Version(position), ..next };
        batch.insert(self.store.category(entity.category()), position.to_be_bytes(), bytes);
        self.heads_reached.push((*key, position));
        self.heads.advance(key, end.version, next, command_id);
        Ok(Appended::at(position, false))
    }

    fn put(
        &mut self,
        batch: &mut WriteBatch,
        overlay: &mut Overlay,
        key: String,
        expected: Option<Option<Revision>>,
        value: Option<Bytes>,
    ) -> Result<Revision, StateError> {
        let current = overlay.current(&self.store, &key)?;
        if expected.is_some_and(|expected| expected != current) {
            return Err(StateError::Conflict);
        }
        self.revision_last += 1;
        let revision = Revision(self.revision_last);
        batch.insert(&self.store.state, key.as_str(), state::encode(revision, value.as_deref()));
        overlay.keep(key, value.is_some().then_some(revision));
        Ok(revision)
    }

    /// Why nothing may be written now.
    fn refusal(&self) -> Option<String> {
        if self.failed.is_some() {
            return self.failed.clone();
        }
        if let Err(reason) = self.head_writer.room() {
            return Some(reason);
        }
        let disk = match rustix::fs::statvfs(&self.dir) {
            Ok(disk) => disk,
            Err(error) => return Some(format!("the free space is not known: {error}")),
        };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        (free < self.free_bytes_min)
            .then(|| format!("CS-LOG-004: {free} bytes are free, {} are needed", self.free_bytes_min))
    }
}

fn unreadable(error: ReadError) -> AppendError {
    match error {
        ReadError::Unavailable(reason) => AppendError::Unavailable(reason),
        ReadError::Corrupt(reason) => AppendError::Corrupt(reason),
        ReadError::TooLong { commits_max } => {
            AppendError::Corrupt(format!("more than {commits_max} commits"))
        }
    }
}
