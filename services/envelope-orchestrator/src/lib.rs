//! Drives every envelope from request to outcome.
//!
//! A wish comes in over gRPC, a signal over the log; both become commands, and only `store` turns commands
//! into events. Beside the gRPC service run: the view that says where to look (`directory`), the follower of
//! the intake that applies what providers report (`signals`) with a keeper of what came too early (`early`), two
//! followers of the envelopes that carry out what facts call for (`worker`), and one loop that looks again when it
//! is time (`timers`). Of every signal the log says what became of it: the loss ledger counts that.
//!
//! What dies with the process is only in its memory: waiting lines, timers and parked signals are derived from
//! the log and stand again after a restart. Every effect may run twice; its key comes from the order, so the
//! provider sees one. Nothing is believed that a provider's webhook says about the end of an envelope before a
//! GET has confirmed it, as far as the domain asks for it.
//!
//! Several replicas may run: the followers share their work by leases, commands carry the expected version.

mod adopt;
mod alarms;
pub mod config;
mod credits;
mod directory;
mod early;
mod grpc;
mod holds;
mod matching;
mod signals;
mod store;
mod sweep;
mod timers;
mod view;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use contracts::wire::envelope::envelope_service_server::{EnvelopeService, EnvelopeServiceServer};
use domain::ids::ConnectionId;
use event_log::{Category, Consumer, EventLog, Handler, Position, ReadError, Start, patiently};
use jobs::Jobs;
use ledger::Desk;
use parking_lot::Mutex;
use projection::{ProjectionError, View as _};
use providers::Provider;
use runtime::clock::Clock;
use runtime::config::SharedConfiguration;
use runtime::tasks::Tasks;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use config::Tuning;
use credits::Credits;
use directory::{Directory, DirectoryError};
use holds::Holds;
use store::{Store, Subject};
use worker::Lane;

/// The adapter of a connection; `None` when the configuration has no such provider connection.
pub type Providers = Arc<dyn Fn(&ConnectionId) -> Option<Arc<dyn Provider>> + Send + Sync>;

/// Largest gRPC message taken, in bytes: a document of 25 MiB and what surrounds it.
pub const MESSAGE_BYTES_MAX: usize = contracts::envelope::UPLOAD_BYTES_MAX + 1024 * 1024;

/// Commits a follower holds in memory at most. Every held send takes a few.
const WINDOW_MAX: usize = 20_000;

/// Consumers whose dead letters an operator looks at.
pub const CONSUMERS: [&str; 3] = [signals::CONSUMER, worker::CONSUMER, worker::DOCUMENTS_CONSUMER];

/// The read models it keeps in its data directory: name, version and category of each, for whoever checks them beside
/// it.
pub fn read_models() -> Vec<(&'static str, u32, Category)> {
    let (envelopes, spending) = (view::Envelopes, credits::Spending);
    vec![
        (envelopes.name(), envelopes.version(), Category::Envelopes),
        (spending.name(), spending.version(), Category::Envelopes),
    ]
}

/// What the orchestrator works with.
pub struct Dependencies {
    /// The log; the orchestrator is the only writer of its category envelopes.
    pub log: EventLog,
    /// The time.
    pub clock: Clock,
    /// Connections and flows.
    pub configuration: SharedConfiguration,
    /// The adapters.
    pub providers: Providers,
    /// Holds the view, which may be deleted while nothing runs.
    pub data_dir: PathBuf,
    /// Pauses and bounds.
    pub tuning: Tuning,
}

/// Why the orchestrator does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The view of envelopes does not open.
    #[error("CS-ORCH-004: the view of envelopes does not open")]
    View(#[from] ProjectionError),
    /// The log does not answer, or holds a record that cannot be read.
    #[error(transparent)]
    Log(#[from] ReadError),
}

/// The service: routes for a gRPC server, and tasks beside it.
#[derive(Clone)]
pub struct Orchestrator {
    store: Store,
    directory: Directory,
    configuration: SharedConfiguration,
    providers: Providers,
    holds: Arc<Holds>,
    credits: Credits,
    tuning: Arc<Tuning>,
    jobs: Jobs,
}

impl Orchestrator {
    /// Puts the orchestrator together. Nothing runs yet.
    ///
    /// # Errors
    /// When the view's directory cannot be used.
    pub async fn new(dependencies: Dependencies) -> Result<Orchestrator, RunError> {
        let Dependencies { log, clock, configuration, providers, data_dir, tuning } = dependencies;
        let store = Store::new(log, clock);
        let directory = Directory::open(&data_dir, store.clone(), configuration.clone()).await?;
        let shared = configuration.clone();
        let pool_of = Box::new(move |connection: &ConnectionId| {
            shared.current().configuration().sharing_credits_with(connection)
        });
        let holds = Arc::new(Holds::new(tuning.probe_pause, tuning.turn_pause, pool_of));
        let credits =
            Credits::open(&data_dir, &store, providers.clone(), configuration.clone(), holds.clone()).await?;
        let tuning = Arc::new(tuning);
        let sweeper = sweep::Sweeper::new(
            store.clone(),
            directory.clone(),
            providers.clone(),
            configuration.clone(),
            tuning.clone(),
        );
        let jobs = sweeper.jobs();
        Ok(Orchestrator { store, directory, configuration, providers, holds, credits, tuning, jobs })
    }

    /// The gRPC service `countersign.envelope.v1.EnvelopeService`, for the house's server. Watches end at `shutdown`.
    pub fn service(&self, shutdown: CancellationToken) -> EnvelopeServiceServer<impl EnvelopeService> {
        let grpc = grpc::Grpc {
            store: self.store.clone(),
            directory: self.directory.clone(),
            providers: self.providers.clone(),
            configuration: self.configuration.clone(),
            tuning: self.tuning.clone(),
            credits: self.credits.clone(),
            jobs: self.jobs.clone(),
            desk: self.desk(),
            shutdown,
        };
        EnvelopeServiceServer::new(grpc).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Whether the view has caught up with the log and the log answers; for readiness.
    pub async fn is_ready(&self) -> bool {
        self.directory.caught_up() && self.store.log().ping().await.is_ok()
    }

    /// Starts the tasks. Effects run once the view has caught up with the log as it is now and the waiting lines
    /// stand again.
    pub fn run(&self, tasks: &Tasks) {
        alarms::prepare();
        let lines_stand = Arc::new(Notify::new());
        let (this, token) = (self.clone(), tasks.shutdown_token());
        tasks.spawn_fallible("orchestrator-view", async move { this.directory.run(token).await });

        let (credits, token) = (self.credits.clone(), tasks.shutdown_token());
        tasks.spawn_fallible("orchestrator-credits", async move { credits.run(token).await });

        let (this, token, ready) = (self.clone(), tasks.shutdown_token(), lines_stand.clone());
        tasks.spawn_fallible("orchestrator-timers", async move {
            tokio::select! {
                () = token.cancelled() => Ok(()),
                outcome = this.timers(ready, token.clone()) => outcome,
            }
        });

        let (jobs, token) = (self.jobs.clone(), tasks.shutdown_token());
        tasks.spawn("orchestrator-jobs", async move { jobs.run(token).await });

        let (this, token) = (self.clone(), tasks.shutdown_token());
        let (matcher, desk) = (Arc::new(self.matcher()), self.desk());
        let early = Arc::new(AtomicUsize::new(0));
        let keeper = early::Early {
            matcher: matcher.clone(),
            settler: desk.settler().clone(),
            count: early.clone(),
            not_before: Mutex::default(),
        };
        tasks.spawn("orchestrator-early", keeper.run(tasks.shutdown_token()));
        let handler = Arc::new(signals::Signals { matcher, settler: desk.settler().clone(), early });
        tasks.spawn_fallible("orchestrator-signals", async move {
            this.follow(signals::CONSUMER, Category::Intake, this.tuning.signals_concurrency, handler, token)
                .await
        });

        let (this, token) = (self.clone(), tasks.shutdown_token());
        tasks.spawn_fallible("orchestrator-documents", async move {
            let handler = Arc::new(this.worker(Lane::Documents));
            let concurrency = this.tuning.documents_concurrency;
            this.follow(worker::DOCUMENTS_CONSUMER, Category::Envelopes, concurrency, handler, token).await
        });

        let (this, token) = (self.clone(), tasks.shutdown_token());
        tasks.spawn_fallible("orchestrator-effects", async move {
            tokio::select! {
                () = token.cancelled() => return Ok(()),
                () = lines_stand.notified() => {}
            }
            let handler = Arc::new(this.worker(Lane::Life));
            this.follow(
                worker::CONSUMER,
                Category::Envelopes,
                this.tuning.effects_concurrency,
                handler,
                token,
            )
            .await
        });
    }

    async fn timers(&self, ready: Arc<Notify>, shutdown: CancellationToken) -> Result<(), RunError> {
        let head = || self.store.log().head(Category::Envelopes);
        let head = patiently("the head of the envelopes", ReadError::is_unavailable, head).await?;
        let (from, open) = loop {
            match self.open_envelopes(head).await {
                Ok(found) => break found,
                Err(error) => tracing::info!(%error, "the view of envelopes is being rebuilt"),
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        };
        let timers = timers::Timers {
            store: self.store.clone(),
            providers: self.providers.clone(),
            holds: self.holds.clone(),
            tuning: self.tuning.clone(),
        };
        Ok(timers.run(open, from, ready, shutdown).await?)
    }

    /// A position not before `head`, and the envelopes that are open from there on.
    async fn open_envelopes(&self, head: Position) -> Result<(Position, Vec<Subject>), DirectoryError> {
        self.directory.wait_for(head, Duration::from_secs(60)).await?;
        let from = self.directory.position();
        Ok((from, self.directory.open_envelopes()?))
    }

    fn matcher(&self) -> matching::Matcher {
        matching::Matcher {
            store: self.store.clone(),
            directory: self.directory.clone(),
            providers: self.providers.clone(),
            adopter: adopt::Adopter { store: self.store.clone(), configuration: self.configuration.clone() },
            tuning: self.tuning.clone(),
        }
    }

    /// Where it is asked what became of signals.
    fn desk(&self) -> Desk {
        Desk::new(self.store.log().clone(), Category::Envelopes, signals::CONSUMER, signals::settles)
    }

    fn worker(&self, lane: Lane) -> worker::Worker {
        worker::Worker {
            lane,
            store: self.store.clone(),
            providers: self.providers.clone(),
            holds: self.holds.clone(),
            tuning: self.tuning.clone(),
        }
    }

    async fn follow(
        &self,
        name: &str,
        category: Category,
        concurrency: usize,
        handler: Arc<dyn Handler>,
        shutdown: CancellationToken,
    ) -> Result<(), ReadError> {
        let consumer = Consumer {
            name: name.to_owned(),
            category,
            concurrency,
            start: Start::Beginning,
            window_max: WINDOW_MAX,
        };
        self.store.log().follow(consumer, handler, shutdown).await
    }
}
