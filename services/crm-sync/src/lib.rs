//! Keeps CRM records equal to what became true, and turns what happens in the CRM into requests for envelopes.
//!
//! Two followers of the log do the work. *Triggers* reads verified CRM signals, finds the flows they start, reads
//! the record and asks the orchestrator for an envelope under a key derived from the record, so that however
//! often the same change is told there is one envelope. *Writes* reads what happens to envelopes, works out what
//! the record should say now, and writes the difference in one update: link before stage, only if changed, never
//! over what a person changed after us.
//!
//! Every write is a story in the log: planned before the call, applied or failed after it. The plan's hashes are
//! the ledger that tells our own echo from a person's change. A crash between call and outcome plans the write
//! again, which is harmless because it sets the same values. Nothing here is kept outside the log.
//!
//! A change whose webhook was lost for good is found by a job (`sweep`) that asks the CRMs what changed.
//!
//! Of every change it has looked at it says in the log what became of it: the loss ledger counts that.

mod adapters;
mod book;
mod config;
mod context;
mod desired;
mod discard;
mod echo;
mod fate;
mod fit;
mod grpc;
mod history;
mod lives;
mod names;
mod orchestrator;
mod request;
mod stands;
mod stop;
mod story;
mod sweep;
mod trigger;
mod write;

use std::path::PathBuf;
use std::sync::Arc;

use contracts::wire::crmsync::crm_sync_service_server::CrmSyncServiceServer;
use event_log::{Category, Consumer, EventLog};
use jobs::Jobs;
use ledger::Desk;
use projection::{Projection, ProjectionError, View as _};
use runtime::clock::Clock;
use runtime::config::SharedConfiguration;
use runtime::grpc::Client;
use runtime::tasks::Tasks;

pub use adapters::Adapters;
pub use config::{Settings, Sweep};

use crate::book::Book;
use crate::grpc::Service;
use crate::history::Histories;
use crate::orchestrator::Orchestrator;
use crate::story::Stories;
use crate::trigger::Triggers;
use crate::write::Writes;

/// The read models it keeps in its data directory: name, version and category of each, for whoever checks them beside
/// it.
pub fn read_models() -> Vec<(&'static str, u32, Category)> {
    vec![(Book.name(), Book.version(), Category::Sync)]
}

/// Name of the follower that takes triggers.
const TRIGGERS: &str = "crm-sync-triggers";
/// Name of the follower that writes.
const WRITES: &str = "crm-sync-writes";

/// What crm-sync needs from the world.
pub struct Dependencies {
    /// Read for signals and envelopes, written for what became of the syncing.
    pub log: EventLog,
    /// Tells the time of writes.
    pub clock: Clock,
    /// Connections and flows.
    pub configuration: SharedConfiguration,
    /// The CRMs.
    pub adapters: Adapters,
    /// The orchestrator, connected lazily.
    pub orchestrator: Client,
    /// Holds the view of the ledger, which may be deleted while nothing runs.
    pub data_dir: PathBuf,
    /// Limits and pauses.
    pub settings: Settings,
}

/// The service.
pub struct CrmSync {
    log: EventLog,
    triggers: Arc<Triggers>,
    writes: Arc<Writes>,
    desk: Desk,
    book: Projection<Book>,
    jobs: Jobs,
}

impl CrmSync {
    /// Wires the parts; nothing runs yet.
    ///
    /// # Errors
    /// When the view's directory cannot be used.
    pub async fn new(dependencies: Dependencies) -> Result<Self, ProjectionError> {
        let Dependencies { log, clock, configuration, adapters, orchestrator, data_dir, settings } =
            dependencies;
        let book = Projection::open(data_dir, log.clone(), Category::Sync, Book).await?;
        let desk = Desk::new(log.clone(), Category::Sync, TRIGGERS, fate::settles);
        let stories = Stories::new(log.clone());
        let histories = Histories::new(log.clone());
        let orchestrator = Orchestrator::new(orchestrator, settings.orchestrator_deadline);
        let writes = Writes {
            clock: clock.clone(),
            configuration: configuration.clone(),
            adapters: adapters.clone(),
            histories: histories.clone(),
            stories: stories.clone(),
            orchestrator: orchestrator.clone(),
            settings: settings.clone(),
        };
        let triggers = Triggers {
            log: log.clone(),
            clock,
            configuration,
            adapters,
            histories,
            stories,
            orchestrator,
            desk: desk.clone(),
            settings,
        };
        let triggers = Arc::new(triggers);
        let jobs = sweep::jobs(&triggers);
        Ok(Self { log, triggers, writes: Arc::new(writes), desk, book, jobs })
    }

    /// The gRPC service, to be served by the one recipe.
    pub fn routes(&self) -> CrmSyncServiceServer<Service> {
        let (desk, book, jobs) = (self.desk.clone(), self.book.clone(), self.jobs.clone());
        let (triggers, writes) = (self.triggers.clone(), self.writes.clone());
        CrmSyncServiceServer::new(Service::new(self.log.clone(), triggers, writes, desk, book, jobs))
    }

    /// Follows the log until `tasks` stop.
    pub fn run(&self, tasks: &Tasks) {
        let (book, shutdown) = (self.book.clone(), tasks.shutdown_token());
        tasks.spawn_fallible("crm-sync ledger", async move { book.run(shutdown).await });
        let (jobs, shutdown) = (self.jobs.clone(), tasks.shutdown_token());
        tasks.spawn("crm-sync jobs", async move { jobs.run(shutdown).await });
        let (log, handler, shutdown) = (self.log.clone(), self.triggers.clone(), tasks.shutdown_token());
        tasks.spawn_fallible("crm-sync triggers", async move {
            log.follow(Consumer::new(TRIGGERS, Category::Intake), handler, shutdown).await
        });
        let (log, handler, shutdown) = (self.log.clone(), self.writes.clone(), tasks.shutdown_token());
        tasks.spawn_fallible("crm-sync writes", async move {
            log.follow(Consumer::new(WRITES, Category::Envelopes), handler, shutdown).await
        });
    }
}
