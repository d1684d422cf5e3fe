//! `countersign up`: services in one process, wired over loopback gRPC, until somebody asks them to stop.
#![expect(clippy::print_stdout, reason = "what it prints is what the verb is for")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use event_log::{Category, EventLog};
use runtime::admin::Readiness;
use runtime::config::{Environment, SharedConfiguration};
use runtime::tasks::Tasks;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::cli::Up;
use crate::compose::adapters::{self, RULES};
use crate::compose::configuration::{self, Secrets};
use crate::compose::log;
use crate::compose::services::{Endpoints, Sockets, World};
use crate::compose::simulators::{self, Simulators};

/// Longest time everything may take to end.
const STOP_DEADLINE: Duration = Duration::from_secs(20);

/// Everything of one process, running.
pub struct Running {
    /// Where the services are found.
    pub endpoints: Endpoints,
    /// Where the simulators are found, if they run.
    pub simulators: Option<simulators::Addresses>,
    /// The configuration in use.
    pub configuration: PathBuf,
    /// Where the data lies.
    pub data_dir: PathBuf,
    log: EventLog,
    vendors: Option<Simulators>,
    tasks: Tasks,
}

/// Runs the verb.
///
/// # Errors
/// When something cannot start, or a service failed.
pub async fn run(up: Up) -> Result<ExitCode> {
    let telemetry = crate::telemetry(up.json, None)?;
    let signal = runtime::shutdown::on_signal();
    let outcome = serve(&up, signal).await;
    telemetry.flush().await;
    outcome.map(|()| ExitCode::SUCCESS)
}

async fn serve(up: &Up, signal: CancellationToken) -> Result<()> {
    // A start may wait for the log for a minute; whoever is asked to end then, ends.
    let running = tokio::select! {
        running = start(up) => running?,
        () = signal.cancelled() => return Ok(()),
    };
    tell(&running, up.json);
    tokio::select! {
        () = signal.cancelled() => {}
        () = running.failed() => {}
    }
    running.stop().await
}

/// Starts everything that `up` asks for; returns once every socket listens.
///
/// # Errors
/// What cannot start, and the mend.
pub async fn start(up: &Up) -> Result<Running> {
    runtime::metrics::install();
    let data_dir = up.log.data_dir.clone();
    std::fs::create_dir_all(&data_dir).with_context(|| format!("cannot make {}", data_dir.display()))?;

    let sockets = Sockets::bind(&up.roles, &up.addresses).await?;
    let endpoints = sockets.endpoints(&up.addresses)?;
    // The log first: it belongs to one process, and whoever else runs on this directory keeps its configuration.
    let log = log::open(&up.log).await?;
    let (vendors, configuration) = vendors(up, &endpoints).await?;
    let shared = SharedConfiguration::from_file(&configuration, &RULES, Environment::of_process())
        .with_context(|| format!("{} cannot be used", configuration.display()))?;
    for (connection, what) in adapters::warnings(&shared.current()) {
        tracing::warn!(%connection, what, "allowed by the configuration, at a price");
    }

    let tasks = Tasks::new();
    let world = World {
        log: log.clone(),
        configuration: shared,
        data_dir: data_dir.clone(),
        simulated: (up.simulators || up.simulators_elsewhere).then_some(up.time_factor),
    };
    sockets.run(world, &endpoints, &tasks, Readiness::new()).await?;
    let simulators = vendors.as_ref().map(Simulators::addresses);
    Ok(Running { endpoints, simulators, configuration, data_dir, log, vendors, tasks })
}

/// The simulators, if they are asked for, and the configuration to use.
async fn vendors(up: &Up, endpoints: &Endpoints) -> Result<(Option<Simulators>, PathBuf)> {
    if !up.simulators {
        let given = up
            .config
            .clone()
            .context("--config is missing: name a configuration file, or add --simulators")?;
        return Ok((None, given));
    }
    let Some(ingress) = &endpoints.ingress else {
        bail!("--simulators needs the role ingress in this process: the vendors report to it");
    };
    let directory = up.log.data_dir.join("secrets");
    let secrets = Secrets::in_directory(&directory)?;
    let vendors = Simulators::start(up.addresses.simulators_port, up.time_factor, &secrets, ingress).await?;
    let configuration = match &up.config {
        Some(given) => given.clone(),
        None => configuration::write(&up.log.data_dir, &directory, &vendors.addresses(), ingress)?,
    };
    Ok((Some(vendors), configuration))
}

impl Running {
    /// Position of the last delivery in the log: what is older than this process on a log that others wrote.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn intake_head(&self) -> Result<u64> {
        Ok(self.log.head(Category::Intake).await?.0)
    }

    /// Returns once a service has failed; [`Running::stop`] says how.
    pub async fn failed(&self) {
        self.tasks.shutdown_token().cancelled().await;
    }

    /// Ends everything in order: services first, so that the vendors' last answers are still heard.
    ///
    /// # Errors
    /// When a service had failed or does not end in time.
    pub async fn stop(self) -> Result<()> {
        let stopped = self.tasks.stop(STOP_DEADLINE).await;
        if let Some(vendors) = self.vendors {
            vendors.stop().await;
        }
        stopped.context("not everything ended well")
    }
}

fn tell(running: &Running, as_json: bool) {
    let Endpoints { ingress, verification, orchestrator, crm_sync, admin } = &running.endpoints;
    let simulators = running.simulators.as_ref();
    if as_json {
        let line = json!({
            "event": "ready",
            "ingress": ingress,
            "verification": verification,
            "orchestrator": orchestrator,
            "crm_sync": crm_sync,
            "admin": admin,
            "atlas": simulators.map(|simulators| &simulators.atlas),
            "pandadoc": simulators.map(|simulators| &simulators.pandadoc),
            "hubspot": simulators.map(|simulators| &simulators.hubspot),
            "data_dir": running.data_dir,
            "configuration": running.configuration,
        });
        println!("{line}");
        return;
    }
    println!("Countersign is up. Stop it with Ctrl-C.\n");
    let here = [
        ("webhooks", ingress.as_ref()),
        ("verification", Some(verification)),
        ("orchestrator", Some(orchestrator)),
        ("crm-sync", crm_sync.as_ref()),
        ("health, metrics", Some(admin)),
    ];
    for (name, address) in here {
        if let Some(address) = address {
            println!("  {name:<16} {address}");
        }
    }
    println!("  {:<16} {}", "configuration", running.configuration.display());
    println!("  {:<16} {}", "data", running.data_dir.display());
    if let Some(simulators) = simulators {
        println!("{}", invitation(simulators));
    }
}

/// How a person tries it out.
fn invitation(simulators: &simulators::Addresses) -> String {
    let simulators::Addresses { atlas, pandadoc, hubspot } = simulators;
    format!(
        "\nSimulated vendors, with pages to click through:\n\
         \x20 HubSpot   {hubspot}/    deals; move one to a stage\n\
         \x20 Atlas     {atlas}/    envelopes to review, invitations to sign\n\
         \x20 PandaDoc  {pandadoc}/    documents of the sales team\n\n\
         Make a deal that is ready for a contract (stage \"contractsent\"):\n\n\
         \x20 curl -s {hubspot}/__sim/deals -H 'content-type: application/json' -d '{{\"properties\":{{\"dealname\":\"Order 1\",\
         \"dealstage\":\"contractsent\",\"amount\":\"1200\",\"buyer_name\":\"Dana Buyer\",\"buyer_email\":\"dana@buyer.test\",\
         \"order_pdf_url\":\"{atlas}/files/order-1.pdf\",\"order_docx_url\":\"{atlas}/files/order-1.docx\"}}}}'\n\n\
         Then open {atlas}/ , review and send the envelope, and sign it with the links it shows."
    )
}
