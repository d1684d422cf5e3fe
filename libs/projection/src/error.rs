//! What can go wrong, by what can be done about it.

use std::path::PathBuf;

use event_log::{Position, ReadError, StateError};

/// Why a projection does not answer or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ProjectionError {
    /// Another process has the folder open.
    #[error("CS-PROJ-001: the projection in {dir} is in use by another process")]
    InUse {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder cannot be used, not even after it was emptied.
    #[error("CS-PROJ-002: the projection in {dir} does not open: {reason}")]
    Store {
        /// The folder.
        dir: PathBuf,
        /// What the store or the file system says.
        reason: String,
    },
    /// The view cannot make sense of a commit. Somebody must look; going on would be a wrong answer.
    #[error("CS-PROJ-003: {view} cannot apply the commit at {position}")]
    View {
        /// Name of the view.
        view: &'static str,
        /// Where the commit lies.
        position: Position,
        /// What it says.
        #[source]
        source: ViewError,
    },
    /// The folder was damaged while it was in use; it is being rebuilt. Try again later.
    #[error("the projection is being rebuilt")]
    Rebuilding,
    /// It did not reach the position in time. Try again later.
    #[error("the projection has reached {reached}, not yet {wanted}")]
    Behind {
        /// Where the reader wants it.
        wanted: Position,
        /// Where it is.
        reached: Position,
    },
    /// The log does not answer.
    #[error(transparent)]
    Log(#[from] ReadError),
    /// The log's state does not answer.
    #[error(transparent)]
    State(#[from] StateError),
}

impl ProjectionError {
    /// Whether the log does not answer now, and later may.
    pub(crate) fn is_unavailable(&self) -> bool {
        match self {
            ProjectionError::Log(error) => error.is_unavailable(),
            ProjectionError::State(error) => error.is_unavailable(),
            ProjectionError::InUse { .. }
            | ProjectionError::Store { .. }
            | ProjectionError::View { .. }
            | ProjectionError::Rebuilding
            | ProjectionError::Behind { .. } => false,
        }
    }
}

/// Why a view could not apply a commit.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The commit cannot be decoded.
    #[error("the commit cannot be decoded: {0}")]
    Undecodable(Box<dyn std::error::Error + Send + Sync>),
    /// A key or a value is too large.
    #[error("a row of table {table} has {bytes} bytes, more than {bytes_max}")]
    TooLarge {
        /// The table.
        table: &'static str,
        /// Size of the key or the value.
        bytes: usize,
        /// What is allowed.
        bytes_max: usize,
    },
    /// The rows cannot be read; the folder will be rebuilt.
    #[error("the rows cannot be read: {0}")]
    Unreadable(String),
}

impl ViewError {
    /// Wraps the error of a decoder.
    pub fn undecodable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        ViewError::Undecodable(error.into())
    }
}
