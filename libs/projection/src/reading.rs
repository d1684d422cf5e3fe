//! Reading rows, and waiting for them.

use std::time::Duration;

use event_log::Position;
use tokio::time::timeout;
use tracing::warn;

use crate::store::{Damaged, Store};
use crate::view::row_key;
use crate::{Projection, ProjectionError, View};

/// One row of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The key within its table.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
}

impl<V: View> Projection<V> {
    /// The value of a row.
    ///
    /// # Errors
    /// While the folder is being rebuilt.
    pub fn get(&self, table: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>, ProjectionError> {
        self.read(|store| store.get(&row_key(table, key)))
    }

    /// Rows of a table whose keys start with `prefix`, in order of the keys, after the key `after` (itself
    /// left out), at most `rows_max`.
    ///
    /// # Errors
    /// While the folder is being rebuilt.
    pub fn scan(
        &self,
        table: &'static str,
        prefix: &[u8],
        rows_max: usize,
        after: Option<&[u8]>,
    ) -> Result<Vec<Row>, ProjectionError> {
        let after = after.map(|after| row_key(table, after));
        let cut = row_key(table, &[]).len();
        self.read(|store| store.scan(&row_key(table, prefix), after.as_deref(), cut, rows_max))
    }

    /// SHA-256 over every row in order of the keys: equal after every rebuild from the same commits.
    ///
    /// # Errors
    /// While the folder is being rebuilt.
    pub fn digest(&self) -> Result<[u8; 32], ProjectionError> {
        self.read(Store::digest)
    }

    fn read<T>(&self, read: impl FnOnce(&Store) -> Result<T, Damaged>) -> Result<T, ProjectionError> {
        let store = self.0.store.read();
        let store = store.as_ref().ok_or(ProjectionError::Rebuilding)?;
        read(store).map_err(|Damaged(reason)| {
            warn!(projection = self.0.identity.view, reason, "a row of the projection cannot be read");
            self.0.damaged.notify_one();
            ProjectionError::Rebuilding
        })
    }

    /// Where it has come to. Every commit up to here is in the rows.
    pub fn position(&self) -> Position {
        self.0.progress.borrow().position
    }

    /// Whether it has been level with the log since it started or was last rebuilt; for readiness.
    pub fn caught_up(&self) -> bool {
        self.0.progress.borrow().caught_up
    }

    /// Waits until every commit up to `position` is in the rows, at most `deadline`.
    ///
    /// # Errors
    /// [`ProjectionError::Behind`] when the deadline passes first.
    pub async fn wait_for(&self, position: Position, deadline: Duration) -> Result<(), ProjectionError> {
        let mut progress = self.0.progress.subscribe();
        let reached = progress.wait_for(|progress| progress.position >= position);
        match timeout(deadline, reached).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => {
                Err(ProjectionError::Behind { wanted: position, reached: self.position() })
            }
        }
    }
}
