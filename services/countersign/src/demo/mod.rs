//! `countersign demo`: the vendors, every service and all people in one process, and every journey judged.
//!
//! Nothing is needed but this binary: a fresh data directory, free ports, the embedded log unless another one is
//! named. Progress is told as it happens; then each journey's timeline, the ledger, and where everything lies.
//! It ends with success only if every journey ended as it must and the ledger balances.

mod ledger;
mod plan;
mod timeline;
pub mod words;

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::cli::{AddressArgs, Demo, LogKind, Role, Up};
use crate::journeys::{Addresses, Stage};
use crate::terminal::{Terminal, Tone};
use crate::up::{self, Running};
use plan::Played;

/// A vendor's minute takes a tenth of a second.
const TIME_FACTOR: f64 = 600.0;
/// Says what it does in words; its log lines would only repeat that.
const LOG_FILTER: &str = "error";

/// Runs the verb.
///
/// # Errors
/// When something cannot start or stop. A journey that ended otherwise than it must is an exit code.
pub async fn run(demo: Demo) -> Result<ExitCode> {
    let chosen = plan::choose(&demo.only)?;
    let telemetry = crate::telemetry(demo.json, Some(LOG_FILTER))?;
    let signal = runtime::shutdown::on_signal();
    let terminal = Terminal::new(demo.json);
    let started = Instant::now();

    let running = up::start(&everything(&demo)).await?;
    welcome(terminal, &demo, &running);
    let stage = Stage::new(addresses(&running)?)?;
    let before = ledger::reading(&stage, running.intake_head().await?).await?;
    let played = tokio::select! {
        played = plan::play(&stage, &chosen, terminal) => played,
        () = signal.cancelled() => bail!("asked to stop before the journeys ended"),
        () = running.failed() => bail!("a service failed; the last lines of the log say why"),
    };
    for journey in &played {
        timeline::tell(&stage, journey, terminal).await?;
    }
    let balanced = ledger::tell(&stage, &played, &before, terminal).await?;
    farewell(terminal, &running, &played, balanced, started.elapsed());

    running.stop().await?;
    telemetry.flush().await;
    let well = balanced && played.iter().all(Played::is_well);
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Every service with the simulators, on free ports, in a fresh directory.
fn everything(demo: &Demo) -> Up {
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    let name = format!("demo-{}", hex::encode(&runtime::random::new_id()[10..]));
    let mut log = demo.log.clone();
    log.data_dir = log.data_dir.join(name);
    Up {
        log,
        roles: vec![Role::All],
        config: None,
        simulators: true,
        simulators_elsewhere: false,
        time_factor: TIME_FACTOR,
        addresses: AddressArgs {
            ingress_listen: free,
            verification_listen: free,
            orchestrator_listen: free,
            crm_sync_listen: free,
            admin_listen: free,
            verification_endpoint: String::new(),
            orchestrator_endpoint: String::new(),
            simulators_port: 0,
        },
        json: demo.json,
    }
}

fn addresses(running: &Running) -> Result<Addresses> {
    let vendors = running.simulators.as_ref().context("invariant: the demo starts the simulators")?;
    let endpoints = &running.endpoints;
    let missing = "invariant: the demo runs every role";
    Ok(Addresses {
        ingress: endpoints.ingress.clone().context(missing)?,
        verification: endpoints.verification.clone(),
        orchestrator: endpoints.orchestrator.clone(),
        crm_sync: endpoints.crm_sync.clone().context(missing)?,
        atlas: vendors.atlas.clone(),
        pandadoc: vendors.pandadoc.clone(),
        hubspot: vendors.hubspot.clone(),
        data_dir: running.data_dir.clone(),
    })
}

fn welcome(terminal: Terminal, demo: &Demo, running: &Running) {
    let log = match demo.log.log {
        LogKind::Embedded => "the embedded log",
        LogKind::Nats => "NATS JetStream",
    };
    terminal.line(format_args!(
        "{}\nA CRM, two signature providers and the people who use them are simulated in this process,\n\
         all over real HTTP. Countersign runs beside them on {log}. A vendor's minute takes {:.1} s here.\n",
        terminal.toned(Tone::Heading, "Countersign: a deal becomes a signed contract, and the CRM knows."),
        60.0 / TIME_FACTOR,
    ));
    terminal.object(&json!({"event": "started", "log": log, "data_dir": running.data_dir}));
}

fn farewell(terminal: Terminal, running: &Running, played: &[Played], balanced: bool, took: Duration) {
    let total = took.as_secs_f64();
    let failed: Vec<&Played> = played.iter().filter(|journey| !journey.is_well()).collect();
    let data_dir = running.data_dir.display();
    terminal.heading("Where everything lies");
    let store = if Path::new(&running.data_dir).join("log").exists() {
        format!("the log, its keys and the signed documents in {data_dir}")
    } else {
        format!("the log on the NATS server; secrets and read models in {data_dir}")
    };
    terminal.line(format_args!("  {store}"));
    terminal.line(format_args!("  the configuration in {}", running.configuration.display()));
    terminal.object(&json!({
        "event": "end", "ok": failed.is_empty() && balanced, "journeys": played.len(), "failed": failed.len(),
        "balanced": balanced, "total_ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "data_dir": running.data_dir, "configuration": running.configuration,
    }));
    if failed.is_empty() && balanced {
        let all = format!("All {} journeys ended as they must, in {total:.1} s.", played.len());
        terminal.line(format_args!("\n{}", terminal.toned(Tone::Good, all)));
        terminal.line(
            "To click through it yourself: countersign up --simulators (it prints how to make a deal).",
        );
        return;
    }
    terminal.heading("What differs");
    for journey in failed {
        if let Err(difference) = &journey.outcome {
            terminal
                .line(format_args!("  {}: {difference:#}", terminal.toned(Tone::Bad, journey.journey.name)));
        }
    }
    if !balanced {
        terminal.line(format_args!("  {}", terminal.toned(Tone::Bad, "the ledger does not balance")));
    }
}
