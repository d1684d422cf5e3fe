//! The newest good version of the configuration, for everybody.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::mistake::{ConfigurationError, unreadable};
use super::secret::Environment;
use super::{Connection, KindRule, Loaded};

/// How often the file is looked at for changes.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A cheap handle to the newest good version of the configuration.
#[derive(Clone, Debug)]
pub struct SharedConfiguration {
    versions: watch::Sender<Arc<Loaded>>,
    source: Option<Arc<Source>>,
}

#[derive(Debug)]
struct Source {
    path: PathBuf,
    rules: Vec<KindRule>,
    environment: Environment,
}

impl SharedConfiguration {
    /// A configuration that does not change by itself; tests replace it with [`SharedConfiguration::replace`].
    pub fn fixed(loaded: Loaded) -> Self {
        Self { versions: watch::Sender::new(Arc::new(loaded)), source: None }
    }

    /// The configuration of a file. Later versions come with [`SharedConfiguration::reload`].
    ///
    /// # Errors
    /// When the file cannot be read, or every mistake in it.
    pub fn from_file(
        path: impl Into<PathBuf>,
        rules: &[KindRule],
        environment: Environment,
    ) -> Result<Self, ConfigurationError> {
        let source = Source { path: path.into(), rules: rules.to_vec(), environment };
        let loaded = source.load()?;
        Ok(Self { versions: watch::Sender::new(Arc::new(loaded)), source: Some(Arc::new(source)) })
    }

    /// The version in force. Hold it for one piece of work, not for longer.
    pub fn current(&self) -> Arc<Loaded> {
        self.versions.borrow().clone()
    }

    /// Tells of every new version.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Loaded>> {
        self.versions.subscribe()
    }

    /// Puts another version in force.
    pub fn replace(&self, loaded: Loaded) {
        self.versions.send_replace(Arc::new(loaded));
    }

    /// Reads the file again. A bad file changes nothing.
    ///
    /// # Errors
    /// When the file cannot be read, or every mistake in it.
    pub fn reload(&self) -> Result<(), ConfigurationError> {
        if let Some(source) = &self.source {
            self.replace(source.load()?);
        }
        Ok(())
    }

    /// Reloads at SIGHUP and whenever the file or that of a secret changes, until `shutdown`.
    pub async fn follow_file(self, shutdown: CancellationToken) {
        let Some(source) = self.source.clone() else { return };
        let mut hangup = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())
            .expect("a handler for SIGHUP can be installed");
        let mut looks = tokio::time::interval(LOOK_EVERY);
        let mut seen = source.changed_at(&self.current());
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = hangup.recv() => seen = source.changed_at(&self.current()),
                _ = looks.tick() => {
                    let changed = source.changed_at(&self.current());
                    if changed == seen {
                        continue;
                    }
                    seen = changed;
                }
            }
            match self.reload() {
                Ok(()) => tracing::info!("the configuration was reloaded"),
                Err(error) => {
                    tracing::error!(%error, "the configuration was not reloaded; the old one stays")
                }
            }
        }
    }
}

impl Source {
    fn load(&self) -> Result<Loaded, ConfigurationError> {
        let text = std::fs::read_to_string(&self.path).map_err(|error| {
            unreadable(None, format!("{} cannot be read: {}", self.path.display(), error.kind()))
        })?;
        Loaded::new(&text, &self.rules, &self.environment)
    }

    /// When the file and those of its secrets were last changed.
    fn changed_at(&self, loaded: &Loaded) -> Vec<Option<(SystemTime, u64)>> {
        let changed = |path: &Path| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        let secrets = loaded.configuration().connections.values().flat_map(Connection::secret_files);
        std::iter::once(self.path.as_path()).chain(secrets).map(changed).collect()
    }
}
