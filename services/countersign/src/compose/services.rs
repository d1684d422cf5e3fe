//! The services of this process: bound first, wired over gRPC, then run.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use domain::retry::Backoff;
use envelope_orchestrator::{Orchestrator, Tuning};
use event_log::EventLog;
use runtime::admin::Readiness;
use runtime::clock::Clock;
use runtime::config::SharedConfiguration;
use runtime::grpc::{Client, ClientSettings, Server, ServerSettings};
use runtime::tasks::Tasks;
use tokio::net::TcpListener;
use verification::Verification;

use super::{adapters, ledger_watch};
use crate::cli::{AddressArgs, Role};

/// A service's socket, bound before anything runs, so that others can be told its address.
pub struct Sockets {
    ingress: Option<TcpListener>,
    verification: Option<TcpListener>,
    orchestrator: Option<TcpListener>,
    crm_sync: Option<TcpListener>,
    admin: TcpListener,
}

/// Where the services of this process listen, and where the others are found.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// HTTP for webhooks; `None` if ingress runs elsewhere.
    pub ingress: Option<String>,
    /// gRPC.
    pub verification: String,
    /// gRPC.
    pub orchestrator: String,
    /// gRPC; `None` if crm-sync runs elsewhere.
    pub crm_sync: Option<String>,
    /// HTTP for health and metrics.
    pub admin: String,
}

/// What every service is given.
pub struct World {
    /// The log.
    pub log: EventLog,
    /// Connections and flows.
    pub configuration: SharedConfiguration,
    /// Holds the projections.
    pub data_dir: PathBuf,
    /// Whether vendors may be at private addresses, and how much faster than life they are: with simulators only.
    pub simulated: Option<f64>,
}

impl Sockets {
    /// Binds the sockets of these roles.
    ///
    /// # Errors
    /// When an address is taken; the message names the flag that moves it.
    pub async fn bind(roles: &[Role], addresses: &AddressArgs) -> Result<Self> {
        let runs = |role| roles.contains(&Role::All) || roles.contains(&role);
        let wanted = async |role, address, flag| match runs(role) {
            true => bind(address, flag).await.map(Some),
            false => Ok(None),
        };
        Ok(Self {
            ingress: wanted(Role::Ingress, addresses.ingress_listen, "--ingress-listen").await?,
            verification: wanted(Role::Verification, addresses.verification_listen, "--verification-listen")
                .await?,
            orchestrator: wanted(Role::Orchestrator, addresses.orchestrator_listen, "--orchestrator-listen")
                .await?,
            crm_sync: wanted(Role::CrmSync, addresses.crm_sync_listen, "--crm-sync-listen").await?,
            admin: bind(addresses.admin_listen, "--admin-listen").await?,
        })
    }

    /// Where everything is found.
    ///
    /// # Errors
    /// When a socket has no address.
    pub fn endpoints(&self, addresses: &AddressArgs) -> Result<Endpoints> {
        let here = |socket: &Option<TcpListener>| socket.as_ref().map(url).transpose();
        Ok(Endpoints {
            ingress: here(&self.ingress)?,
            verification: here(&self.verification)?
                .unwrap_or_else(|| addresses.verification_endpoint.clone()),
            orchestrator: here(&self.orchestrator)?
                .unwrap_or_else(|| addresses.orchestrator_endpoint.clone()),
            crm_sync: here(&self.crm_sync)?,
            admin: url(&self.admin)?,
        })
    }

    /// Runs the services of the sockets under `tasks`.
    ///
    /// # Errors
    /// When a service cannot be put together.
    pub async fn run(
        self,
        world: World,
        endpoints: &Endpoints,
        tasks: &Tasks,
        readiness: Readiness,
    ) -> Result<()> {
        let clock = Clock::system();
        let projections = world.data_dir.join("projections");
        // One table of adapters for all services of this process: they share each connection's pace.
        let providers = adapters::providers(
            world.configuration.clone(),
            clock.clone(),
            &world.log,
            world.simulated.is_some(),
        );
        if let Some(socket) = self.verification {
            let verification = Verification::new(verification::Dependencies {
                log: world.log.clone(),
                clock: clock.clone(),
                configuration: world.configuration.clone(),
                data_dir: projections.clone(),
            });
            let tuning = verification::Tuning {
                time_factor: world.simulated.unwrap_or(1.0),
                ..verification::Tuning::default()
            };
            let verification = verification.await?.reconciling(providers.clone(), tuning);
            verification.run(tasks);
            // Ingress keeps thousands of deliveries in flight on a few streams.
            let service = verification.routes(tasks.shutdown_token());
            serve("verification", Server::new().service(service), socket, tasks);
        }
        if let Some(socket) = self.orchestrator {
            let orchestrator = Orchestrator::new(envelope_orchestrator::Dependencies {
                log: world.log.clone(),
                clock: clock.clone(),
                configuration: world.configuration.clone(),
                providers,
                data_dir: projections.clone(),
                tuning: world.simulated.map_or_else(Tuning::default, faster),
            });
            let orchestrator = orchestrator.await?;
            orchestrator.run(tasks);
            let service = orchestrator.service(tasks.shutdown_token());
            serve("orchestrator", Server::new().service(service), socket, tasks);
        }
        if let Some(socket) = self.crm_sync {
            let crm_sync = crm_sync::CrmSync::new(crm_sync::Dependencies {
                log: world.log.clone(),
                clock: clock.clone(),
                configuration: world.configuration.clone(),
                adapters: crm_sync::Adapters::new(
                    world.configuration.clone(),
                    clock.clone(),
                    world.simulated.is_some(),
                ),
                orchestrator: Client::new(&endpoints.orchestrator, ClientSettings::default())?,
                data_dir: projections,
                settings: world.simulated.map_or_else(crm_sync::Settings::default, |_| quick()),
            });
            let crm_sync = crm_sync.await?;
            crm_sync.run(tasks);
            let own = Client::new(&url(&socket)?, ClientSettings::default())?;
            serve("crm-sync", Server::new().service(crm_sync.routes()), socket, tasks);
            // Here, because only this role is asked by nobody else and so knows where the other two are.
            let verification = Client::new(&endpoints.verification, ClientSettings::default())?;
            let orchestrator = Client::new(&endpoints.orchestrator, ClientSettings::default())?;
            let watch =
                ledger_watch::watch(verification, orchestrator, own, clock.clone(), tasks.shutdown_token());
            tasks.spawn("ledger watch", watch);
        }
        if let Some(socket) = self.ingress {
            let ingress = ingress::Ingress::new(
                ingress::Dependencies {
                    log: world.log.clone(),
                    clock,
                    configuration: world.configuration.clone(),
                    verification: Client::new(&endpoints.verification, ClientSettings::default())?,
                    settings: ingress::Settings::default(),
                },
                tasks,
            );
            ingress.run(socket, tasks);
        }
        let (admin, shutdown) = (runtime::admin::router(readiness), tasks.shutdown_token());
        tasks.spawn("admin", runtime::http::serve(self.admin, admin, Default::default(), shutdown));
        tasks.spawn("configuration", world.configuration.follow_file(tasks.shutdown_token()));
        tasks.spawn("metrics", runtime::metrics::upkeep(tasks.shutdown_token()));
        Ok(())
    }
}

fn serve(name: &'static str, server: Server, socket: TcpListener, tasks: &Tasks) {
    let server = server.descriptors(contracts::DESCRIPTOR_SET);
    tasks.spawn_fallible(name, server.serve(socket, ServerSettings::default(), tasks.shutdown_token()));
}

async fn bind(address: SocketAddr, flag: &str) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}: free it, or move it with {flag}"))
}

fn url(socket: &TcpListener) -> Result<String> {
    Ok(format!("http://{}", socket.local_addr()?))
}

/// The orchestrator beside simulators that live faster: it waits accordingly less.
fn faster(time_factor: f64) -> Tuning {
    let quick = Backoff {
        pause_min: Duration::from_millis(100),
        pause_max: Duration::from_secs(2),
        attempts_max: u32::MAX,
    };
    Tuning {
        time_factor,
        probe_pause: Duration::from_millis(500),
        turn_pause: Duration::from_millis(100),
        early_arrival_window: Duration::from_secs(30),
        early_arrival_pause: Duration::from_millis(100),
        write_backoff: quick,
        read_backoff: quick,
        throttled_backoff: quick,
        artifact_backoff: quick,
        sweep_grace: Duration::from_secs(3),
        ..Tuning::default()
    }
}

/// crm-sync beside simulators: the same rules, shorter pauses.
fn quick() -> crm_sync::Settings {
    crm_sync::Settings {
        backoff: Backoff {
            pause_min: Duration::from_millis(100),
            pause_max: Duration::from_secs(2),
            attempts_max: 300,
        },
        confirmation_look: Duration::from_millis(50),
        sweep: crm_sync::Sweep { grace: Duration::from_secs(1), ..crm_sync::Sweep::default() },
        ..crm_sync::Settings::default()
    }
}
