//! Who sent this, and what does it say?
//!
//! Verification takes raw deliveries from ingress over one gRPC stream per lane, proves their origin on the raw
//! bytes with the vendor's own scheme and every key in force, splits them into signals and appends each signal
//! to the log under a key made of the vendor's own id for it (or the hash of the bytes). The log's expected
//! version does the rest: the second append of the same signal, by whichever replica, meets an entity that
//! exists and becomes a duplicate. What cannot be proved goes to a bounded quarantine and changes nothing.
//!
//! It never fails open: a connection without a key in force refuses everything, and the configuration refuses
//! such a connection to begin with. It answers only once the append is durable; after a crash the sender (or
//! ingress, which parked the delivery) asks again, and the dedupe key makes that harmless. Personal data and
//! raw bytes are sealed under the key of the envelope or record they speak of.

mod append;
mod budget;
mod connections;
mod dead_letters;
mod grpc;
mod intake;
mod keys;
mod ledger;
mod names;
mod parked;
mod quarantine;
mod reconcile;
mod refusal;
mod signals;
mod sources;
mod tally;

use std::path::PathBuf;
use std::sync::Arc;

use contracts::wire::verification::verification_service_server::VerificationServiceServer;
use event_log::{Category, EventLog};
use jobs::Jobs;
use operate::DeadLetters;
use projection::{Projection, ProjectionError, View as _};
use runtime::clock::Clock;
use runtime::config::SharedConfiguration;
use runtime::tasks::Tasks;
use tokio_util::sync::CancellationToken;

use crate::connections::Connections;
use crate::grpc::Service;
use crate::intake::Intake;
use crate::ledger::LedgerView;
use crate::parked::{Parked, ParkedView};
use crate::quarantine::Quarantine;
pub use crate::reconcile::{Providers, Tuning};

/// The read models it keeps in its data directory: name, version and category of each, for whoever checks them beside
/// it.
pub fn read_models() -> Vec<(&'static str, u32, Category)> {
    vec![
        (LedgerView.name(), LedgerView.version(), Category::Intake),
        (ParkedView.name(), ParkedView.version(), Category::Parked),
    ]
}

/// What verification needs from the world.
pub struct Dependencies {
    /// Where signals are stored.
    pub log: EventLog,
    /// Tells the time of appends; schemes are judged by the time of arrival.
    pub clock: Clock,
    /// Connections and their keys.
    pub configuration: SharedConfiguration,
    /// Holds the projection; may be deleted at any time.
    pub data_dir: PathBuf,
}

/// The service.
pub struct Verification {
    service: Service,
    ledger: Arc<Projection<LedgerView>>,
    parked: Projection<ParkedView>,
    intake: Arc<Intake>,
    quarantine: Arc<Quarantine>,
    jobs: Jobs,
    clock: Clock,
    log: EventLog,
}

impl Verification {
    /// Opens the projection and wires the parts.
    ///
    /// # Errors
    /// When the projection's directory cannot be used.
    pub async fn new(dependencies: Dependencies) -> Result<Self, ProjectionError> {
        let Dependencies { log, clock, configuration, data_dir } = dependencies;
        let ledger = Projection::open(&data_dir, log.clone(), Category::Intake, LedgerView).await?;
        let ledger = Arc::new(ledger);
        let parked = Projection::open(data_dir, log.clone(), Category::Parked, ParkedView).await?;
        let waiting = Arc::new(Parked { log: log.clone(), view: parked.clone() });
        let connections = Connections::new(configuration);
        let intake = Arc::new(Intake::new(log.clone(), clock.clone(), connections));
        let quarantine =
            Arc::new(Quarantine::new(log.clone(), clock.clone(), intake.clone(), ledger.clone()));
        let jobs = reconcile::none(&log, &clock);
        let service = Service::new(
            intake.clone(),
            ledger.clone(),
            waiting,
            quarantine.clone(),
            jobs.clone(),
            DeadLetters::new(log.clone(), dead_letters::CONSUMERS),
        );
        Ok(Self { service, ledger, parked, intake, quarantine, jobs, clock, log })
    }

    /// The same, which also asks providers what did not arrive: whether their webhook subscriptions still deliver,
    /// and which deliveries they could not make.
    #[must_use]
    pub fn reconciling(mut self, providers: Providers, tuning: Tuning) -> Self {
        self.jobs = reconcile::jobs(
            &self.log,
            &self.clock,
            self.intake.clone(),
            self.ledger.clone(),
            providers,
            tuning,
        );
        self.service = self.service.with_jobs(self.jobs.clone());
        self
    }

    /// The gRPC service, to be served by the one recipe. At `shutdown` its streams take nothing more, answer what
    /// they have taken, and end.
    pub fn routes(&self, shutdown: CancellationToken) -> VerificationServiceServer<Service> {
        VerificationServiceServer::new(self.service.clone().until(shutdown))
            .max_decoding_message_size(grpc::MESSAGE_BYTES_MAX)
    }

    /// Keeps the projection up to date, appends what was only counted, and gives up what waited too long in
    /// quarantine, until `tasks` stop.
    pub fn run(&self, tasks: &Tasks) {
        let (ledger, shutdown) = (self.ledger.clone(), tasks.shutdown_token());
        tasks.spawn_fallible("verification projection", async move { ledger.run(shutdown).await });

        let (parked, shutdown) = (self.parked.clone(), tasks.shutdown_token());
        tasks.spawn_fallible("verification parked", async move { parked.run(shutdown).await });

        let (tally, shutdown) = (self.intake.refusals().tally(), tasks.shutdown_token());
        tasks.spawn("verification tally", async move { tally.run(shutdown).await });

        let (jobs, shutdown) = (self.jobs.clone(), tasks.shutdown_token());
        tasks.spawn("verification jobs", async move { jobs.run(shutdown).await });

        let (quarantine, shutdown) = (self.quarantine.clone(), tasks.shutdown_token());
        tasks.spawn_fallible("verification erasure", async move { quarantine.erase(shutdown).await });

        let (quarantine, shutdown) = (self.quarantine.clone(), tasks.shutdown_token());
        tasks.spawn("verification retention", async move { quarantine.retain(shutdown).await });
    }
}
