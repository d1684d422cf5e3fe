//! From commits to rows.

use std::collections::BTreeMap;

use event_log::Recorded;

use crate::ViewError;

/// Longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 1024;

/// Largest value, in bytes. What is larger belongs into the blob store.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;

/// A read model: what rows follow from which commits.
///
/// `apply` is pure: rows depend on the commits and on nothing else. No clock, no randomness, no keys (decode
/// with an opener without key; personal data is read from the log when it is shown). It must not panic.
pub trait View: Send + Sync + 'static {
    /// Name of the folder, of metrics and of log lines: `a-z`, digits and `-`.
    fn name(&self) -> &'static str;

    /// Grows with every change of what `apply` does; another number means a rebuild.
    fn version(&self) -> u32;

    /// Applies one commit. A commit is applied once: either all of its rows are there, or none.
    ///
    /// # Errors
    /// When the commit cannot be decoded or a row is too large; the projection stops loudly.
    fn apply(&self, recorded: &Recorded, rows: &mut Rows<'_>) -> Result<(), ViewError>;
}

/// The rows as they stand after the commits so far, and what the present batch changes in them.
pub struct Rows<'a> {
    tree: &'a sled::Tree,
    changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(tree: &'a sled::Tree) -> Self {
        Self { tree, changes: BTreeMap::new() }
    }

    /// The value of a row.
    ///
    /// # Errors
    /// When the folder is damaged; hand it on.
    pub fn get(&self, table: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        let key = row_key(table, key);
        if let Some(change) = self.changes.get(&key) {
            return Ok(change.clone());
        }
        let stored = self.tree.get(&key).map_err(|error| ViewError::Unreadable(error.to_string()))?;
        Ok(stored.map(|value| value.to_vec()))
    }

    /// Writes a row.
    ///
    /// # Errors
    /// When the key is longer than [`KEY_BYTES_MAX`] or the value larger than [`VALUE_BYTES_MAX`].
    pub fn put(
        &mut self,
        table: &'static str,
        key: &[u8],
        value: impl Into<Vec<u8>>,
    ) -> Result<(), ViewError> {
        let value = value.into();
        check(table, key.len(), KEY_BYTES_MAX)?;
        check(table, value.len(), VALUE_BYTES_MAX)?;
        self.changes.insert(row_key(table, key), Some(value));
        Ok(())
    }

    /// Removes a row; nothing happens when there is none.
    ///
    /// # Errors
    /// When the key is longer than [`KEY_BYTES_MAX`].
    pub fn remove(&mut self, table: &'static str, key: &[u8]) -> Result<(), ViewError> {
        check(table, key.len(), KEY_BYTES_MAX)?;
        self.changes.insert(row_key(table, key), None);
        Ok(())
    }

    pub(crate) fn changed(&self) -> usize {
        self.changes.len()
    }

    pub(crate) fn into_changes(self) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
        self.changes
    }
}

fn check(table: &'static str, bytes: usize, bytes_max: usize) -> Result<(), ViewError> {
    if bytes > bytes_max { Err(ViewError::TooLarge { table, bytes, bytes_max }) } else { Ok(()) }
}

/// Table names hold no zero byte, so that tables lie side by side in one tree and one batch covers them all.
pub(crate) fn row_key(table: &str, key: &[u8]) -> Vec<u8> {
    debug_assert!(!table.is_empty() && !table.contains('\0'), "a table's name is plain text");
    [table.as_bytes(), b"\0", key].concat()
}
