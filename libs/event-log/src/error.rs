//! What can go wrong, by what the caller can do about it. Codes have a page each in `docs/errors/`.

use crate::Version;

/// Why the log did not open. Start-up stops here.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data directory is used by another process.
    #[error("CS-LOG-001: the event log in {dir} is in use by another process")]
    InUse {
        /// The data directory.
        dir: String,
    },
    /// The data directory cannot be opened.
    #[error("CS-LOG-002: the event log in {dir} does not open")]
    Store {
        /// The data directory.
        dir: String,
        /// What the store says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No server answers.
    #[error("CS-LOG-010: no NATS server answers at {url}: {reason}")]
    Unreachable {
        /// The address that was tried, without credentials.
        url: String,
        /// What the client says.
        reason: String,
    },
    /// The server lacks what the log needs.
    #[error("CS-LOG-011: nats-server {found} is too old: {needed} or newer is needed")]
    ServerTooOld {
        /// The server's version.
        found: String,
        /// The oldest usable version.
        needed: &'static str,
    },
    /// The account has no JetStream.
    #[error("CS-LOG-012: JetStream is not enabled on the server or for this account: {0}")]
    NoJetStream(String),
    /// A stream exists with settings that break the contract.
    #[error("CS-LOG-013: stream {stream} has {setting} = {found}, but the log needs {needed}")]
    StreamSettings {
        /// The stream.
        stream: String,
        /// The setting that differs.
        setting: &'static str,
        /// What the server has.
        found: String,
        /// What the log needs.
        needed: String,
    },
    /// Acknowledged writes would not survive a power cut.
    #[error(
        "CS-LOG-014: the server acknowledges before it syncs (sync_interval {found}, not `always`): an \
         acknowledged event would not survive a power cut; set it, or accept the risk `lazy-sync`"
    )]
    LazySync {
        /// The interval the server reports.
        found: String,
    },
    /// Nobody could check whether acknowledged writes survive a power cut.
    #[error(
        "CS-LOG-015: the server's sync_interval could not be checked ({reason}); give its monitoring \
         address, or accept the risk `unchecked-sync`"
    )]
    UncheckedSync {
        /// Why not.
        reason: String,
    },
}

/// Why a commit was not stored, or not known to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The entity moved on: read it, decide again.
    #[error("the entity is at version {actual}, not at the expected one")]
    Conflict {
        /// The entity's version now.
        actual: Version,
    },
    /// Never storable.
    #[error("the commit has {bytes} bytes, more than {bytes_max}")]
    TooLarge {
        /// Encoded size.
        bytes: usize,
        /// [`crate::COMMIT_BYTES_MAX`].
        bytes_max: usize,
    },
    /// The deadline passed without an answer: the commit may or may not be stored. Append the same command
    /// again to learn which.
    #[error("no answer within the deadline: the commit may or may not be stored")]
    Unknown,
    /// Certainly not stored; later may work.
    #[error("the event log does not take writes: {0}")]
    Unavailable(String),
    /// The entity's stored history or the commit itself makes no sense. Somebody must look.
    #[error("CS-LOG-020: {0}")]
    Corrupt(String),
}

/// Why something could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Later may work.
    #[error("the event log does not answer: {0}")]
    Unavailable(String),
    /// What is stored makes no sense. Somebody must look.
    #[error("CS-LOG-020: {0}")]
    Corrupt(String),
    /// The entity has more commits than one read returns.
    #[error("the entity has more than {commits_max} commits")]
    TooLong {
        /// [`crate::COMMITS_PER_ENTITY_MAX`].
        commits_max: usize,
    },
}

impl ReadError {
    /// Whether later may work: the log does not answer now, and did not say that something is wrong.
    pub fn is_unavailable(&self) -> bool {
        match self {
            ReadError::Unavailable(_) => true,
            ReadError::Corrupt(_) | ReadError::TooLong { .. } => false,
        }
    }
}

/// Why a state entry was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// Somebody else changed it: its revision is not the expected one.
    #[error("the entry was changed by somebody else")]
    Conflict,
    /// The key is empty, longer than 200 bytes, or has a character outside `A-Z a-z 0-9 _ - / = .`; or the
    /// value is larger than 64 KiB.
    #[error("the key or the value is not allowed")]
    NotAllowed,
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] ReadError),
}

impl StateError {
    /// Whether later may work: the store does not answer now.
    pub fn is_unavailable(&self) -> bool {
        match self {
            StateError::Store(error) => error.is_unavailable(),
            StateError::Conflict | StateError::NotAllowed => false,
        }
    }
}

/// Why a blob was not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// Never storable.
    #[error("the blob has {bytes} bytes, more than {bytes_max}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// [`crate::BLOB_BYTES_MAX`].
        bytes_max: usize,
    },
    /// The store does not answer, or the bytes do not have the digest they are stored under.
    #[error(transparent)]
    Store(#[from] ReadError),
}
