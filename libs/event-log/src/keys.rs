//! Data keys: one per data-subject group, in a store of their own beside the log.
//!
//! Personal data is sealed under the key of its group before it is appended. Destroying the key erases the
//! data everywhere: in the log, in projections, in backups of the log.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lru::LruCache;
use parking_lot::Mutex;
use zeroize::Zeroize as _;

use crate::backend::Backend;
use crate::error::ReadError;

const CACHED_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("10 000 is not zero");
/// A key that another replica destroyed may be used this long.
const CACHED_FOR: Duration = Duration::from_secs(30);

/// A key of 32 bytes. Wiped when dropped, never printed.
#[derive(Clone)]
pub struct DataKey([u8; 32]);

impl DataKey {
    /// Wraps key bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key bytes, for a cipher and nothing else.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A key from the operating system's randomness.
    pub(crate) fn random() -> Result<Self, ReadError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| ReadError::Unavailable(error.to_string()))?;
        Ok(Self(bytes))
    }

    pub(crate) fn from_slice(bytes: &[u8]) -> Result<Self, ReadError> {
        let bytes =
            bytes.try_into().map_err(|_| ReadError::Corrupt("a data key is not 32 bytes".to_owned()))?;
        Ok(Self(bytes))
    }
}

impl Drop for DataKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl PartialEq for DataKey {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for DataKey {}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(redacted)")
    }
}

/// Handle to the keys.
#[derive(Clone)]
pub struct Keys {
    backend: Arc<dyn Backend>,
    cache: KeyCache,
}

type KeyCache = Arc<Mutex<LruCache<String, (DataKey, Instant)>>>;

impl Keys {
    pub(crate) fn new(backend: Arc<dyn Backend>) -> Self {
        Self { backend, cache: Arc::new(Mutex::new(LruCache::new(CACHED_MAX))) }
    }

    /// The key of a group; made, and durable, when there was none. Concurrent callers get the same key.
    /// `group` is 1 to 300 bytes.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn key(&self, group: &str) -> Result<DataKey, ReadError> {
        if let Some(key) = self.cached(group) {
            return Ok(key);
        }
        let key = self.backend.key_get_or_create(group).await?;
        self.keep(group, &key);
        Ok(key)
    }

    /// The key of a group; `None` when it was destroyed or never made.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn find(&self, group: &str) -> Result<Option<DataKey>, ReadError> {
        if let Some(key) = self.cached(group) {
            return Ok(Some(key));
        }
        let key = self.backend.key_find(group).await?;
        if let Some(key) = &key {
            self.keep(group, key);
        }
        Ok(key)
    }

    /// Destroys the key of a group, for ever: what was sealed under it is erased. A later [`Keys::key`] makes
    /// a new one. Other replicas forget the key within 30 seconds. Nobody can read it from here on; on the embedded log
    /// its bytes leave the table of keys within about a minute, or after the next opening, and the journal of the keys
    /// only when that is rotated, after 64 MB of them.
    ///
    /// # Errors
    /// When the store does not answer; then the key may still be there.
    pub async fn destroy(&self, group: &str) -> Result<(), ReadError> {
        self.cache.lock().pop(group);
        self.backend.key_destroy(group).await?;
        self.cache.lock().pop(group);
        Ok(())
    }

    fn cached(&self, group: &str) -> Option<DataKey> {
        let mut cache = self.cache.lock();
        let (key, since) = cache.get(group)?;
        (since.elapsed() < CACHED_FOR).then(|| key.clone())
    }

    fn keep(&self, group: &str, key: &DataKey) {
        self.cache.lock().put(group.to_owned(), (key.clone(), Instant::now()));
    }
}
