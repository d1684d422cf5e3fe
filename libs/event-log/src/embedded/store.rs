//! The fjall databases and their keyspaces.

use std::path::Path;
use std::time::{Duration, Instant};

use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions};

use super::heads::HeadIndex;
use crate::error::OpenError;
use crate::{Category, EmbeddedSettings};

/// A process that is just ending may still hold the lock.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(2);
const LOCK_POLL: Duration = Duration::from_millis(50);
const MEMTABLE_BYTES_MAX: u64 = 16 * 1024 * 1024;
const JOURNAL_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// `<dir>/log`: one keyspace per category (position → record), heads (see there), state.
#[derive(Clone)]
pub(super) struct Store {
    pub(super) database: Database,
    pub(super) categories: [Keyspace; 5],
    pub(super) heads: HeadIndex,
    pub(super) state: Keyspace,
}

impl Store {
    pub(super) fn open(settings: &EmbeddedSettings) -> Result<Store, OpenError> {
        let dir = settings.dir.join("log");
        let database = open_database(&dir, settings.cache_bytes_max)?;
        let keyspace = |name: &str| open_keyspace(&database, &dir, name, MEMTABLE_BYTES_MAX);
        let categories = [
            keyspace(Category::Parked.as_str())?,
            keyspace(Category::Intake.as_str())?,
            keyspace(Category::Envelopes.as_str())?,
            keyspace(Category::Sync.as_str())?,
            keyspace(Category::Delivery.as_str())?,
        ];
        let unwritten_max = settings.heads_unwritten_max;
        let heads = HeadIndex::open(database.clone(), keyspace("heads")?, &categories, unwritten_max)
            .map_err(|error| broken(&dir, error))?;
        Ok(Store { categories, heads, state: keyspace("state")?, database })
    }

    pub(super) fn category(&self, category: Category) -> &Keyspace {
        &self.categories[category.index()]
    }
}

pub(super) fn open_database(dir: &Path, cache_bytes_max: u64) -> Result<Database, OpenError> {
    std::fs::create_dir_all(dir).map_err(|source| broken(dir, source))?;
    let started = Instant::now();
    loop {
        let opened = Database::builder(dir)
            .cache_size(cache_bytes_max)
            .max_journaling_size(JOURNAL_BYTES_MAX)
            .worker_threads(1)
            // What is large is sealed, and sealed bytes do not shrink.
            .journal_compression(CompressionType::None)
            .open();
        match opened {
            Ok(database) => return Ok(database),
            Err(fjall::Error::Locked) if started.elapsed() < LOCK_WAIT_MAX => std::thread::sleep(LOCK_POLL),
            Err(fjall::Error::Locked) => return Err(OpenError::InUse { dir: dir.display().to_string() }),
            Err(source) => return Err(broken(dir, source)),
        }
    }
}

pub(super) fn open_keyspace(
    database: &Database,
    dir: &Path,
    name: &str,
    memtable_bytes_max: u64,
) -> Result<Keyspace, OpenError> {
    let options = || KeyspaceCreateOptions::default().max_memtable_size(memtable_bytes_max);
    database.keyspace(name, options).map_err(|source| broken(dir, source))
}

pub(super) fn broken(dir: &Path, source: impl std::error::Error + Send + Sync + 'static) -> OpenError {
    OpenError::Store { dir: dir.display().to_string(), source: Box::new(source) }
}
