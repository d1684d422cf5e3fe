//! The rows on disk: one sled tree, so that rows and checkpoint change in one atomic batch.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use event_log::{Category, Position};
use sha2::{Digest as _, Sha256};

use crate::reading::Row;

const CACHE_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Leaves of large values stay below a quarter of it; what is above goes to files that sled never syncs.
const SEGMENT_BYTES: usize = 16 * 1024 * 1024;
/// Sorts before every table.
const META_KEY: &[u8] = b"\0meta";
const FORMAT: u32 = 1;

/// Whose rows these are. Another one means that they are worthless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) view: &'static str,
    pub(crate) version: u32,
    pub(crate) category: Category,
    pub(crate) log: [u8; 16],
}

impl Identity {
    fn line(&self) -> String {
        format!("{FORMAT} {} {} {} {}", self.view, self.version, self.category, hex::encode(self.log))
    }
}

/// Why a folder did not open.
#[derive(Debug)]
pub(crate) enum OpenFailure {
    /// It is locked.
    Locked,
    /// It belongs to another view, version or log.
    Foreign(String),
    /// It makes no sense.
    Damaged(String),
}

/// What stands beside the rows: the checkpoint, and a checksum over all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Meta {
    position: u64,
    rows: u64,
    /// Exclusive or of the SHA-256 of every row: order does not matter, and a change costs two hashes.
    checksum: [u8; 32],
}

/// An open folder. Its errors all mean the same: rebuild.
pub(crate) struct Store {
    db: sled::Db,
    identity: String,
    meta: Meta,
}

/// The folder can no longer be trusted.
#[derive(Debug)]
pub(crate) struct Damaged(pub(crate) String);

impl From<sled::Error> for Damaged {
    fn from(error: sled::Error) -> Self {
        Damaged(error.to_string())
    }
}

impl Store {
    /// Opens the folder and reads every row once, so that damage shows now and not in an answer.
    pub(crate) fn open(dir: &Path, identity: &Identity) -> Result<Store, OpenFailure> {
        match caught(|| Self::open_unguarded(dir, identity)) {
            Ok(outcome) => outcome,
            Err(Damaged(reason)) => Err(OpenFailure::Damaged(reason)),
        }
    }

    fn open_unguarded(dir: &Path, identity: &Identity) -> Result<Store, OpenFailure> {
        let config = sled::Config::new()
            .path(dir)
            .cache_capacity(CACHE_BYTES_MAX)
            .segment_size(SEGMENT_BYTES)
            .flush_every_ms(None);
        let db = config.open().map_err(|error| {
            let text = error.to_string();
            if text.contains("could not acquire lock") {
                OpenFailure::Locked
            } else {
                OpenFailure::Damaged(text)
            }
        })?;
        let identity = identity.line();
        let meta = match db.get(META_KEY).map_err(damaged)? {
            None if db.is_empty() => Meta::default(),
            None => return Err(OpenFailure::Damaged("the checkpoint is gone".to_owned())),
            Some(bytes) => Meta::decode(&bytes, &identity)?,
        };
        let store = Store { db, identity, meta };
        let found = store.count().map_err(|Damaged(reason)| OpenFailure::Damaged(reason))?;
        if found != (meta.rows, meta.checksum) {
            return Err(OpenFailure::Damaged("the rows do not fit their checksum".to_owned()));
        }
        Ok(store)
    }

    pub(crate) fn position(&self) -> Position {
        Position(self.meta.position)
    }

    pub(crate) fn tree(&self) -> &sled::Tree {
        &self.db
    }

    /// Rows and checkpoint in one batch.
    pub(crate) fn write(
        &mut self,
        changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
        position: Position,
    ) -> Result<(), Damaged> {
        let mut meta = Meta { position: position.0, ..self.meta };
        let mut batch = sled::Batch::default();
        for (key, value) in changes {
            if let Some(before) = self.db.get(&key)? {
                meta.toggle(&key, &before);
                meta.rows = meta.rows.saturating_sub(1);
            }
            match value {
                Some(value) => {
                    meta.toggle(&key, &value);
                    meta.rows += 1;
                    batch.insert(key, value);
                }
                None => batch.remove(key),
            }
        }
        batch.insert(META_KEY, meta.encode(&self.identity));
        self.db.apply_batch(batch)?;
        self.meta = meta;
        Ok(())
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Damaged> {
        Ok(caught(|| self.db.get(key))??.map(|value| value.to_vec()))
    }

    /// Rows whose keys start with `prefix`, after the key `after`; their keys without the first `cut` bytes.
    pub(crate) fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        cut: usize,
        rows_max: usize,
    ) -> Result<Vec<Row>, Damaged> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let start = match after {
            Some(after) if after >= prefix => Excluded(after),
            Some(_) | None => Included(prefix),
        };
        caught(|| {
            let mut rows = Vec::new();
            for row in self.db.range::<&[u8], _>((start, Unbounded)).take(rows_max) {
                let (key, value) = row?;
                if !key.starts_with(prefix) {
                    break;
                }
                rows.push(Row { key: key[cut..].to_vec(), value: value.to_vec() });
            }
            Ok(rows)
        })?
    }

    /// SHA-256 over every row in order of the keys.
    pub(crate) fn digest(&self) -> Result<[u8; 32], Damaged> {
        let mut digest = Sha256::new();
        self.each(|key, value| {
            digest.update(row_hash(key, value));
        })?;
        Ok(digest.finalize().into())
    }

    /// Asks the disk to keep what was written; a loss would only mean to catch up again.
    pub(crate) fn flush(&self) -> Result<(), Damaged> {
        caught(|| self.db.flush())??;
        Ok(())
    }

    fn count(&self) -> Result<(u64, [u8; 32]), Damaged> {
        let mut meta = Meta::default();
        self.each(|key, value| {
            meta.toggle(key, value);
            meta.rows += 1;
        })?;
        Ok((meta.rows, meta.checksum))
    }

    fn each(&self, mut visit: impl FnMut(&[u8], &[u8])) -> Result<(), Damaged> {
        caught(|| {
            for row in self.db.iter() {
                let (key, value) = row?;
                if key != META_KEY {
                    visit(&key, &value);
                }
            }
            Ok(())
        })?
    }
}

impl Meta {
    fn toggle(&mut self, key: &[u8], value: &[u8]) {
        for (sum, byte) in self.checksum.iter_mut().zip(row_hash(key, value)) {
            *sum ^= byte;
        }
    }

    /// 8 bytes of position, 8 of count, 32 of checksum, then whose rows they are.
    fn encode(&self, identity: &str) -> Vec<u8> {
        let numbers = [self.position.to_be_bytes(), self.rows.to_be_bytes()].concat();
        [numbers.as_slice(), &self.checksum, identity.as_bytes()].concat()
    }

    fn decode(bytes: &[u8], identity: &str) -> Result<Meta, OpenFailure> {
        let short = || OpenFailure::Damaged("the checkpoint is cut short".to_owned());
        let (position, rest) = bytes.split_first_chunk::<8>().ok_or_else(short)?;
        let (rows, rest) = rest.split_first_chunk::<8>().ok_or_else(short)?;
        let (checksum, owner) = rest.split_first_chunk::<32>().ok_or_else(short)?;
        if owner != identity.as_bytes() {
            return Err(OpenFailure::Foreign(
                "its rows are of another version of the view, or of another log".to_owned(),
            ));
        }
        let (position, rows) = (u64::from_be_bytes(*position), u64::from_be_bytes(*rows));
        Ok(Meta { position, rows, checksum: *checksum })
    }
}

fn row_hash(key: &[u8], value: &[u8]) -> [u8; 32] {
    let length = (key.len() as u64).to_be_bytes();
    Sha256::new().chain_update(length).chain_update(key).chain_update(value).finalize().into()
}

fn damaged(error: sled::Error) -> OpenFailure {
    OpenFailure::Damaged(error.to_string())
}

/// sled panics on some kinds of damage.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Damaged> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Damaged("the store panicked".to_owned()))
}
