//! Asks providers what nobody told us: the jobs of reconciliation.
//!
//! Webhooks are the fast path, polls of single envelopes the second; sweeps find what both missed. One asks for every
//! open envelope, one lists what changed at a provider that can tell, and so finds documents that nobody here knows.
//! Whatever they find goes through the domain as an observation of [`Source::Reconciliation`]: it may do what a poll
//! may, and leaves the mark `Reconciled` in its commit.
//!
//! A document that cannot be read holds up no other: its name is kept beside the place ([`unread`]), it is asked for
//! again, and the run ends with a mark for a person. A run ends early only where the provider as a whole is down
//! ([`walk`]).

mod asker;
mod changed;
mod open;
mod unread;
mod walk;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::envelope::{Command, Event, Source, decide};
use domain::ids::{ConnectionId, ProviderEnvelopeId, TenantId};
use jobs::{Failure, Job, Jobs, Report};
use parking_lot::Mutex;
use providers::{ProviderError, Snapshot};
use runtime::config::SharedConfiguration;
use tokio::time::Instant;

use crate::Providers;
use crate::adopt::Adopter;
use crate::config::Tuning;
use crate::directory::{Directory, DirectoryError};
use crate::store::{Cause, ExecuteError, Store, Subject};
use crate::worker::observation;
use asker::Asker;

/// Name of the job that asks for every open envelope.
const OPEN: &str = "open-envelopes";
/// Name of the job that lists what changed.
const CHANGED: &str = "changed-documents";
/// Jobs come round no more often than this, however fast the provider lives.
const EVERY_MIN: Duration = Duration::from_secs(1);
/// Documents of which a sweep remembers that it has judged them.
const JUDGED_MAX: usize = 10_000;

/// What the sweeps work with.
pub struct Sweeper {
    store: Store,
    directory: Directory,
    providers: Providers,
    adopter: Adopter,
    configuration: SharedConfiguration,
    tuning: Arc<Tuning>,
    /// Up to which revision a document was looked at, so that the overlap of two lists costs nothing.
    judged: Mutex<HashMap<(ConnectionId, ProviderEnvelopeId), i64>>,
}

/// Why a sweep cannot go on.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("CS-ORCH-003: the connection is not configured")]
    NotConfigured,
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Read(#[from] event_log::ReadError),
}

/// What became of one look at a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// It is as we know it, or nobody's.
    Nothing,
    /// Something was found and recorded.
    Found,
    /// It differs from what we know: a webhook may be on its way.
    Suspect,
    /// The provider does not show it: gone, not ready, not ours. Polls decide what that means.
    Unseen,
}

impl Sweeper {
    /// Puts the sweeps together.
    pub fn new(
        store: Store,
        directory: Directory,
        providers: Providers,
        configuration: SharedConfiguration,
        tuning: Arc<Tuning>,
    ) -> Arc<Sweeper> {
        let adopter = Adopter { store: store.clone(), configuration: configuration.clone() };
        let judged = Mutex::default();
        Arc::new(Sweeper { store, directory, providers, adopter, configuration, tuning, judged })
    }

    /// The jobs of every provider connection.
    pub fn jobs(self: &Arc<Self>) -> Jobs {
        let (state, clock) = (self.store.log().state(), self.store.clock().clone());
        let (this, settings) = (self.clone(), self.tuning.jobs);
        Jobs::new("orchestrator", state, clock, Arc::new(move || this.table()), settings)
    }

    fn table(self: &Arc<Self>) -> Vec<Job> {
        let loaded = self.configuration.current();
        let mut table = Vec::new();
        for connection in loaded.configuration().connections.keys() {
            let Some(provider) = (self.providers)(connection) else { continue };
            let job = |name, every: Duration, work| Job {
                name,
                connection: connection.clone(),
                every: self.tuning.scaled(every).max(EVERY_MIN),
                run_max: self.tuning.sweep_run_max.saturating_mul(2),
                work,
            };
            let open = open::Open { sweeper: self.clone(), connection: connection.clone() };
            table.push(job(OPEN, self.tuning.open_sweep_every, Arc::new(open)));
            if provider.capabilities().lists_changes {
                let changed = changed::Changed { sweeper: self.clone(), connection: connection.clone() };
                table.push(job(CHANGED, self.tuning.changed_sweep_every, Arc::new(changed)));
            }
        }
        table
    }

    /// The provider, for a run that began now.
    fn asker(&self, connection: &ConnectionId) -> Result<Asker, Trouble> {
        let provider = (self.providers)(connection).ok_or(Trouble::NotConfigured)?;
        let (until, backoff) = (Instant::now() + self.tuning.sweep_run_max, self.tuning.throttled_backoff);
        Ok(Asker { provider, until, backoff })
    }

    fn tenant(&self, connection: &ConnectionId) -> Result<TenantId, Trouble> {
        let loaded = self.configuration.current();
        let known = loaded.configuration().connections.get(connection);
        known.map(|known| known.tenant.clone()).ok_or(Trouble::NotConfigured)
    }

    /// Waits until the directory knows everything that is in the log now.
    async fn catch_up(&self) -> Result<(), Trouble> {
        let head = self.store.log().head(event_log::Category::Envelopes).await?;
        Ok(self.directory.wait_for(head, self.tuning.lookup_wait).await?)
    }

    /// Gives the webhooks of what differs a moment to arrive, so that a finding is one.
    async fn grace(&self) {
        tokio::time::sleep(self.tuning.sweep_grace).await;
    }

    /// Asks how a document stands. `glance` only says whether it differs; else what differs is recorded.
    async fn look(
        &self,
        asker: &Asker,
        subject: &Subject,
        id: &ProviderEnvelopeId,
        glance: bool,
    ) -> Result<Look, Trouble> {
        match asker.snapshot(id).await? {
            Some(snapshot) if glance => self.suspect(asker, subject, snapshot).await,
            Some(snapshot) => self.see(asker, subject, snapshot).await,
            None => Ok(Look::Unseen),
        }
    }

    /// Whether this snapshot would be a finding.
    async fn suspect(&self, asker: &Asker, subject: &Subject, snapshot: Snapshot) -> Result<Look, Trouble> {
        let envelope = self.store.load_sealed(subject).await?.envelope;
        let found = decide(&envelope, self.observed(asker, snapshot)).is_ok_and(|events| is_found(&events));
        Ok(if found { Look::Suspect } else { Look::Nothing })
    }

    fn observed(&self, asker: &Asker, snapshot: Snapshot) -> Command {
        Command::Observe {
            observation: observation(snapshot),
            source: Source::Reconciliation,
            reopens: asker.provider.capabilities().reopens,
            at: self.store.clock().now(),
        }
    }

    async fn see(&self, asker: &Asker, subject: &Subject, snapshot: Snapshot) -> Result<Look, Trouble> {
        let claim = snapshot.claim.name();
        let command = self.observed(asker, snapshot);
        let done = match self.store.execute(subject, command, &Cause::fresh("")).await {
            Ok(done) => done,
            Err(ExecuteError::Rejected(_)) => return Ok(Look::Nothing),
            Err(error) => return Err(error.into()),
        };
        let found = is_found(&done.events);
        if found {
            tracing::info!(envelope.id = %subject.id, claim, "reconciled: no webhook had told");
        }
        Ok(if found { Look::Found } else { Look::Nothing })
    }
}

fn is_found(events: &[Event]) -> bool {
    events.iter().any(|event| matches!(event, Event::Reconciled { .. }))
}

/// Adds a look to the report.
fn count(report: &mut Report, look: Look) {
    report.looked += 1;
    match look {
        Look::Nothing | Look::Unseen | Look::Suspect => {}
        Look::Found => report.found += 1,
    }
}

/// What the operator reads of a sweep that could not go on.
fn failed(report: &Report, trouble: &Trouble) -> Failure {
    Failure::after(report.clone(), trouble)
}
