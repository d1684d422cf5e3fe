//! The bytes of destroyed keys leave the table of keys: rewritten at most once a minute, by a thread of its own.
//!
//! A destroyed key is unreadable as soon as its row is deleted durably; its bytes stay in the table's files until these
//! are rewritten, and the whole table is rewritten at once, so that is not done for each key. A mark beside the database,
//! durable before the first row is deleted, says that there is something to rewrite: a crash or an end in the middle of
//! it only means that it is done after the next opening.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fjall::{Database, Keyspace};
use parking_lot::{Condvar, Mutex};

use crate::error::ReadError;

/// How long the bytes of a destroyed key may stay, before the time that rewriting takes.
pub(super) const REWRITE_EVERY: Duration = Duration::from_secs(60);

/// No group of keys: those are named in printable characters.
const NOBODY: &[u8] = b"\0";

/// Says when the table has to be rewritten.
#[derive(Clone)]
pub(super) struct Erasing(Arc<Shared>);

struct Shared {
    mark: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The table holds bytes of destroyed keys, and the mark says so.
    dirty: bool,
    /// How often rows were deleted.
    deletions: u64,
    rewritings: u64,
    closed: bool,
}

impl Erasing {
    /// `mark` is a file that is there while there is something to rewrite.
    pub(super) fn new(mark: PathBuf) -> Erasing {
        let state = State { dirty: mark.exists(), ..State::default() };
        Erasing(Arc::new(Shared { mark, state: Mutex::new(state), changed: Condvar::new() }))
    }

    /// Deletes rows; the mark is durable before.
    pub(super) fn deleting(&self, delete: impl FnOnce() -> Result<(), ReadError>) -> Result<(), ReadError> {
        let mut state = self.0.state.lock();
        if !state.dirty {
            self.mark()
                .map_err(|error| ReadError::Unavailable(format!("the mark of destroyed keys: {error}")))?;
            state.dirty = true;
        }
        // Whatever became of it: what is rewritten in vain is only slow.
        let deleted = delete();
        state.deletions += 1;
        self.0.changed.notify_all();
        deleted
    }

    /// Nothing is deleted any more.
    pub(super) fn close(&self) {
        self.0.state.lock().closed = true;
        self.0.changed.notify_all();
    }

    /// Rewrites the table whenever it was dirty for as long as `every`, and a last time when nothing is deleted any more.
    pub(super) fn run(&self, database: Database, keyspace: &Keyspace, every: Duration) {
        while let Some(deletions) = self.due(every) {
            let rewritten = rewrite(keyspace);
            let mut state = self.0.state.lock();
            state.rewritings += 1;
            match rewritten {
                Ok(()) if state.deletions == deletions => match fs::remove_file(&self.0.mark) {
                    Ok(()) => state.dirty = false,
                    Err(error) => tracing::warn!(%error, "the table of keys is rewritten once more"),
                },
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(%error, "destroyed keys are gone, but their bytes are still on the disk");
                }
            }
            if state.closed {
                break;
            }
        }
        // Until here: without it nothing is written out.
        drop(database);
    }

    /// Waits until the table has to be rewritten, and how often rows were deleted by then; `None` at the end.
    fn due(&self, every: Duration) -> Option<u64> {
        let mut state = self.0.state.lock();
        while !state.dirty && !state.closed {
            self.0.changed.wait(&mut state);
        }
        let due = Instant::now() + every;
        while !state.closed && !self.0.changed.wait_until(&mut state, due).timed_out() {}
        state.dirty.then_some(state.deletions)
    }

    fn mark(&self) -> io::Result<()> {
        File::create(&self.0.mark)?.sync_all()?;
        match self.0.mark.parent() {
            Some(dir) => File::open(dir)?.sync_all(),
            None => Ok(()),
        }
    }

    /// How often the table was rewritten, and whether it is clean.
    #[cfg(test)]
    pub(super) fn outcome(&self) -> (u64, bool) {
        let state = self.0.state.lock();
        (state.rewritings, !state.dirty)
    }
}

/// The journal keeps what was written until it is rotated, by its size; nobody can force that from here.
fn rewrite(keyspace: &Keyspace) -> fjall::Result<()> {
    keyspace.rotate_memtable_and_wait()?;
    keyspace.major_compact()?;
    // The files from before are let go of when memory is written out next, for which there must be something in it.
    keyspace.remove(NOBODY)?;
    keyspace.rotate_memtable_and_wait()
}
