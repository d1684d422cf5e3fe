//! Where the log lives and how much it may take.

use std::path::PathBuf;
use std::time::Duration;

/// Which store the log stands on.
#[derive(Clone, Debug)]
pub enum Settings {
    /// Files of this machine: one process, no server. The default.
    Embedded(EmbeddedSettings),
    /// A NATS server with JetStream: several replicas.
    JetStream(JetStreamSettings),
}

/// The log in a directory of this machine.
#[derive(Clone, Debug)]
pub struct EmbeddedSettings {
    /// Holds `log`, `keys` and `blobs`. Created when missing.
    pub dir: PathBuf,
    /// Below this much free space, in bytes, appends are refused; reads go on.
    pub free_bytes_min: u64,
    /// Block cache of the store, in bytes.
    pub cache_bytes_max: u64,
    /// How long an append may take before its outcome is called unknown.
    pub append_deadline: Duration,
    /// Entities whose last position is kept in memory, about 100 bytes each, before all of them are written into
    /// the index. While that lasts, up to four times as many. After a crash as many commits are read again.
    pub heads_unwritten_max: usize,
}

impl Default for EmbeddedSettings {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("data"),
            free_bytes_min: 256 * 1024 * 1024,
            cache_bytes_max: 64 * 1024 * 1024,
            append_deadline: Duration::from_secs(10),
            heads_unwritten_max: 65_536,
        }
    }
}

impl EmbeddedSettings {
    /// The defaults in this directory.
    pub fn in_dir(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), ..Self::default() }
    }
}

/// The log on a NATS server.
#[derive(Clone)]
pub struct JetStreamSettings {
    /// `nats://host:port`, or several with commas. May hold credentials, so it is never printed.
    pub url: String,
    /// The servers' monitoring address, `http://host:8222`: the only place where `sync_interval` can be read.
    pub monitoring_url: Option<String>,
    /// Copies of every stream: 1, 3 or 5.
    pub replicas: usize,
    /// Risks that the operator takes knowingly.
    pub accept_risks: Vec<Risk>,
    /// How long an append may take before its outcome is called unknown.
    pub append_deadline: Duration,
    /// How long a follower's lease on a share outlives its last renewal.
    pub lease_ttl: Duration,
    /// Publishes every commit by itself, however many there are: to measure what grouping them is worth.
    pub one_by_one: bool,
}

impl Default for JetStreamSettings {
    fn default() -> Self {
        Self {
            url: "nats://127.0.0.1:4222".to_owned(),
            monitoring_url: None,
            replicas: 1,
            accept_risks: Vec::new(),
            append_deadline: Duration::from_secs(10),
            lease_ttl: Duration::from_secs(10),
            one_by_one: false,
        }
    }
}

impl std::fmt::Debug for JetStreamSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JetStreamSettings")
            .field("replicas", &self.replicas)
            .field("accept_risks", &self.accept_risks)
            .finish_non_exhaustive()
    }
}

/// A risk that start-up refuses unless it is accepted by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Risk {
    /// `lazy-sync`: an acknowledged event may be lost in a power cut.
    LazySync,
    /// `unchecked-sync`: nobody looks whether it would.
    UncheckedSync,
}

impl Risk {
    /// The name in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Risk::LazySync => "lazy-sync",
            Risk::UncheckedSync => "unchecked-sync",
        }
    }
}

impl std::str::FromStr for Risk {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        [Risk::LazySync, Risk::UncheckedSync]
            .into_iter()
            .find(|risk| risk.as_str() == name)
            .ok_or_else(|| format!("unknown risk {name}: lazy-sync and unchecked-sync are the known ones"))
    }
}
