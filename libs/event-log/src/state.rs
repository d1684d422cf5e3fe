//! A small key-value store with compare-and-set: cursors, leases, tokens. Not for facts: those are events.

use std::sync::Arc;

use bytes::Bytes;

use crate::backend::Backend;
use crate::error::{ReadError, StateError};

const KEY_BYTES_MAX: usize = 200;
const VALUE_BYTES_MAX: usize = 64 * 1024;

/// Changes with every write of an entry and never returns to an earlier number, not even after a delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

/// A value and the revision it was written with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The revision to expect when changing it.
    pub revision: Revision,
    /// At most 64 KiB.
    pub value: Bytes,
}

/// Handle to the state. Keys are 1 to 200 bytes of `A-Z a-z 0-9 _ - / = .`, neither starting nor ending with
/// a dot.
#[derive(Clone)]
pub struct State(pub(crate) Arc<dyn Backend>);

impl State {
    /// The entry under `key`, as fresh as the last acknowledged write.
    ///
    /// # Errors
    /// When the key is not allowed or the store does not answer.
    pub async fn get(&self, key: &str) -> Result<Option<Entry>, StateError> {
        check_key(key)?;
        Ok(self.0.state_get(key).await?)
    }

    /// Writes durably if the entry still has the expected revision (`None`: there is no entry).
    ///
    /// # Errors
    /// [`StateError::Conflict`] when somebody else was faster; the key or value is not allowed; the store
    /// does not answer, and then the write may or may not have happened.
    pub async fn put(
        &self,
        key: &str,
        expected: Option<Revision>,
        value: Bytes,
    ) -> Result<Revision, StateError> {
        check_key(key)?;
        if value.len() > VALUE_BYTES_MAX {
            return Err(StateError::NotAllowed);
        }
        self.0.state_put(key, expected, value).await
    }

    /// Deletes the entry if it still has the expected revision (`None`: whatever it has).
    ///
    /// # Errors
    /// As [`State::put`].
    pub async fn delete(&self, key: &str, expected: Option<Revision>) -> Result<(), StateError> {
        check_key(key)?;
        self.0.state_delete(key, expected).await
    }

    /// The entries whose keys start with `prefix`, by key. Meant for tens or hundreds of entries.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn list(&self, prefix: &str) -> Result<Vec<(String, Entry)>, ReadError> {
        self.0.state_list(prefix).await
    }
}

fn check_key(key: &str) -> Result<(), StateError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-/=.".contains(&byte);
    let dotted = key.starts_with('.') || key.ends_with('.') || key.contains("..");
    if key.is_empty() || key.len() > KEY_BYTES_MAX || dotted || !key.bytes().all(allowed) {
        return Err(StateError::NotAllowed);
    }
    Ok(())
}
