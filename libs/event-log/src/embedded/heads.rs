//! Where each entity ends: the position of its last commit, by entity.
//!
//! The truth is the log itself; this is an index of it. A head written with every commit would be the dearest
//! part of the commit: a random key in a sorted table. So the latest heads stay in a hash map, and are folded into
//! the keyspace `heads` in sorted runs by a thread of their own. The keyspace says up to which position it is
//! complete; opening reads the log from there on, at most a few hundred thousand commits.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use fjall::{Database, Keyspace, OwnedWriteBatch as WriteBatch, PersistMode};
use parking_lot::{Condvar, Mutex, RwLock};

use super::{reader, unreadable};
use crate::entity::EntityKey;
use crate::error::ReadError;

#[cfg(test)]
mod tests;

/// Writes wait when this many times the heads of a run are in memory: the folding does not keep up.
const RUNS_WAITING_MAX: usize = 4;
/// How long writes wait for the folding before they are refused.
const ROOM_WAIT_MAX: Duration = Duration::from_secs(5);
/// Heads folded in one batch; other writes wait meanwhile.
const BATCH_HEADS_MAX: usize = 512;
/// A run of so many heads becomes a table of its own at once, so that the memtable, which is slow to search, is empty.
const TABLE_HEADS_MIN: usize = 16_384;
/// An entity's key has 16 bytes, so this is none.
const FOLDED_THROUGH: &[u8] = b"through";

type Heads = HashMap<EntityKey, u64>;

/// A cheap handle for reading.
#[derive(Clone)]
pub(super) struct HeadIndex(Arc<Index>);

struct Index {
    database: Database,
    keyspace: Keyspace,
    layers: RwLock<Layers>,
    /// What ended the folding for good.
    failure: Mutex<Option<String>>,
    progress: Condvar,
    run_min: usize,
}

/// The younger layer hides the older one, both hide the keyspace.
#[derive(Default)]
struct Layers {
    young: Heads,
    folding: Arc<Heads>,
    /// Every commit up to here has its head in a layer or in the keyspace.
    through: u64,
}

impl HeadIndex {
    /// Reads what the keyspace does not have yet from the log.
    pub(super) fn open(
        database: Database,
        keyspace: Keyspace,
        categories: &[Keyspace],
        run_min: usize,
    ) -> Result<HeadIndex, ReadError> {
        let mut layers = Layers::default();
        for category in categories {
            layers.through = layers.through.max(reader::last(category)?.0);
        }
        let folded = keyspace.get(FOLDED_THROUGH).map_err(|error| unreadable(&error))?;
        match folded.map(|bytes| reader::number(&bytes)).transpose()? {
            Some(folded) => {
                for category in categories {
                    reader::heads_after(category, folded, &mut layers.young)?;
                }
            }
            // A new log, or one from before this index: each commit came with its head.
            None => {
                let mut batch = database.batch().durability(Some(PersistMode::SyncAll));
                batch.insert(&keyspace, FOLDED_THROUGH, layers.through.to_be_bytes());
                batch.commit().map_err(|error| unreadable(&error))?;
            }
        }
        Ok(HeadIndex(Arc::new(Index {
            database,
            keyspace,
            layers: RwLock::new(layers),
            failure: Mutex::new(None),
            progress: Condvar::new(),
            run_min,
        })))
    }

    /// The position of the entity's last durable commit.
    pub(super) fn get(&self, key: &EntityKey) -> Result<Option<u64>, ReadError> {
        {
            let layers = self.0.layers.read();
            if let Some(position) = layers.young.get(key).or_else(|| layers.folding.get(key)) {
                return Ok(Some(*position));
            }
        }
        let found = self.0.keyspace.get(key).map_err(|error| unreadable(&error))?;
        found.map(|bytes| reader::number(&bytes)).transpose()
    }

    /// Starts the folding; it ends with the writer that is returned.
    pub(super) fn writer(&self) -> std::io::Result<HeadWriter> {
        let (wake, woken) = sync_channel(1);
        let index = self.clone();
        std::thread::Builder::new()
            .name("event-log-heads".to_owned())
            .spawn(move || index.fold_when_woken(&woken))?;
        // Opening may have read more than a run.
        let _woken = wake.try_send(());
        Ok(HeadWriter { index: self.clone(), wake })
    }

    /// Whether the keyspace has every head.
    #[cfg(test)]
    pub(super) fn is_folded(&self) -> bool {
        let layers = self.0.layers.read();
        layers.young.is_empty() && layers.folding.is_empty()
    }

    /// As a log was before there was a mark.
    #[cfg(test)]
    pub(super) fn forget_mark(&self) {
        self.0.keyspace.remove(FOLDED_THROUGH).unwrap();
    }

    fn fold_when_woken(&self, woken: &Receiver<()>) {
        while woken.recv().is_ok() {
            if self.0.layers.read().young.len() < self.0.run_min {
                continue;
            }
            let outcome = self.fold();
            let mut failure = self.0.failure.lock();
            if let Err(error) = &outcome {
                tracing::error!(%error, "CS-LOG-003: the index of the event log failed to write; no writes until restart");
                *failure =
                    Some("CS-LOG-003: a write failed to reach the disk; restart the process".to_owned());
            }
            self.0.progress.notify_all();
            if failure.is_some() {
                return;
            }
        }
    }

    /// Takes what is young, so that there is room from here on: who waits for it need not wait for the folding too.
    fn take_run(&self) -> (Arc<Heads>, u64) {
        let taken = {
            let mut layers = self.0.layers.write();
            let room = Heads::with_capacity(layers.young.len());
            layers.folding = Arc::new(std::mem::replace(&mut layers.young, room));
            (layers.folding.clone(), layers.through)
        };
        // Under the lock: nobody is between looking for room and waiting for it.
        let _held = self.0.failure.lock();
        self.0.progress.notify_all();
        taken
    }

    /// Nothing here is synced: what a power cut takes is read from the log again, because the mark is written last.
    fn fold(&self) -> fjall::Result<()> {
        let (run, through) = self.take_run();
        let mut sorted: Vec<(&EntityKey, &u64)> = run.iter().collect();
        sorted.sort_unstable();
        for heads in sorted.chunks(BATCH_HEADS_MAX) {
            let mut batch = WriteBatch::with_capacity(self.0.database.clone(), heads.len());
            for (key, position) in heads {
                batch.insert(&self.0.keyspace, **key, position.to_be_bytes());
            }
            batch.commit()?;
        }
        let mut batch = self.0.database.batch();
        batch.insert(&self.0.keyspace, FOLDED_THROUGH, through.to_be_bytes());
        batch.commit()?;
        if run.len() >= TABLE_HEADS_MIN {
            self.0.keyspace.rotate_memtable()?;
        }
        self.0.layers.write().folding = Arc::default();
        Ok(())
    }
}

/// The writer's side: nobody else adds heads.
pub(super) struct HeadWriter {
    index: HeadIndex,
    wake: SyncSender<()>,
}

impl HeadWriter {
    /// Shows the heads of a group that is durable now, in the order of their positions.
    pub(super) fn publish(&self, heads: &mut Vec<(EntityKey, u64)>) {
        let Some((_, last)) = heads.last() else { return };
        let mut layers = self.index.0.layers.write();
        layers.through = *last;
        layers.young.extend(heads.drain(..));
        if layers.young.len() >= self.index.0.run_min {
            // Full: it is woken already. Closed: `room` tells why.
            let _woken = self.wake.try_send(());
        }
    }

    /// Waits until there is room for another group; the error says why there is none.
    pub(super) fn room(&self) -> Result<(), String> {
        self.room_within(ROOM_WAIT_MAX)
    }

    fn room_within(&self, wait_max: Duration) -> Result<(), String> {
        let index = &self.index.0;
        let full = || index.layers.read().young.len() >= index.run_min * RUNS_WAITING_MAX;
        let until = Instant::now() + wait_max;
        let mut failure = index.failure.lock();
        while failure.is_none() && full() {
            let late = index.progress.wait_until(&mut failure, until).timed_out();
            if late && failure.is_none() && full() {
                return Err("the index of the entities does not keep up".to_owned());
            }
        }
        failure.clone().map_or(Ok(()), Err)
    }
}
