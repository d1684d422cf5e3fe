//! The door for webhooks and triggers.
//!
//! Ingress takes raw deliveries over HTTP, with limits on everything (size, time, number at once), and asks
//! verification for a verdict over a few long-lived gRPC streams. It reads nothing into the bytes: who sent them
//! and what they say is verification's business. It answers 200 only once the delivery is durable: because
//! verification said so, or because ingress itself parked it, sealed, in the log when verification could not be
//! reached. Parked deliveries are handed over in order as soon as verification is back; the receive time they
//! carry is the one of their arrival, so signatures with a timestamp still verify.
//!
//! On a crash nothing acknowledged is lost: what had not been answered is sent again by its sender, and what
//! had been answered is in the log. A delivery may reach verification twice; its signals are deduplicated there.

mod answer;
mod backlog;
mod config;
mod handover;
mod http;
mod lanes;
mod parking;
mod rate;
mod sender;

use std::sync::Arc;

use contracts::wire::verification::verification_service_client::VerificationServiceClient;
use event_log::EventLog;
use runtime::clock::Clock;
use runtime::config::SharedConfiguration;
use runtime::grpc::Client;
use runtime::tasks::Tasks;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

pub use config::Settings;

use crate::backlog::Backlog;
use crate::handover::Handover;
use crate::lanes::Lanes;
use crate::parking::Parking;
use crate::rate::Rates;

/// What ingress needs from the world.
pub struct Dependencies {
    /// Where deliveries are parked while verification cannot be reached.
    pub log: EventLog,
    /// Tells when a delivery came.
    pub clock: Clock,
    /// Names the connections and their tenants.
    pub configuration: SharedConfiguration,
    /// Verification, connected lazily.
    pub verification: Client,
    /// Limits.
    pub settings: Settings,
}

/// The running service's parts.
#[derive(Clone)]
pub struct Ingress {
    shared: Arc<Shared>,
    log: EventLog,
    backlog: Arc<Backlog>,
}

pub(crate) struct Shared {
    pub clock: Clock,
    pub configuration: SharedConfiguration,
    pub lanes: Lanes,
    pub parking: Parking,
    pub settings: Settings,
    pub rates: Rates,
    /// One permit for each byte of a body that may be held in memory.
    pub room: Arc<Semaphore>,
}

impl Ingress {
    /// Wires the parts; the streams to verification run under `tasks` from now on.
    pub fn new(dependencies: Dependencies, tasks: &Tasks) -> Self {
        let Dependencies { log, clock, configuration, verification, settings } = dependencies;
        let client = VerificationServiceClient::new(verification);
        let lanes = Lanes::start(client, &settings, tasks);
        let backlog = Arc::new(Backlog::new(settings.parked_max));
        let parking = Parking::new(log.clone(), configuration.clone(), backlog.clone());
        let room = Arc::new(Semaphore::new(settings.bodies_bytes_max.min(Semaphore::MAX_PERMITS)));
        let shared = Arc::new(Shared {
            clock,
            configuration,
            lanes,
            parking,
            settings,
            rates: Rates::default(),
            room,
        });
        Self { shared, log, backlog }
    }

    /// Serves HTTP on `listener` and hands parked deliveries over, until `tasks` stop.
    pub fn run(&self, listener: TcpListener, tasks: &Tasks) {
        let (shared, shutdown) = (self.shared.clone(), tasks.shutdown_token());
        tasks.spawn("ingress http", async move { http::serve(listener, shared, shutdown).await });

        let (backlog, log, shutdown) = (self.backlog.clone(), self.log.clone(), tasks.shutdown_token());
        tasks.spawn_fallible("ingress backlog", async move {
            backlog.follow(log, handover::CONSUMER, shutdown).await
        });

        let handover = Handover {
            log: self.log.clone(),
            clock: self.shared.clock.clone(),
            lanes: self.shared.lanes.clone(),
            backlog: self.backlog.clone(),
            pause: self.shared.settings.handover_pause,
        };
        tasks.spawn_fallible("ingress handover", handover.run(tasks.shutdown_token()));
    }
}
