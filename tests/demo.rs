//! `countersign demo`, the first command of the README, on both logs: a few of its journeys, then its own judgement of
//! them, of the ledger and of itself.
//!
//! The journeys are played one by one elsewhere; here it is the demo that is tested: several journeys beside each other in
//! one process, each reading in its ledger held against what the vendors say they told, and the exit code of it all.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use system_tests::process::{Options, demo};
use testkit::nats::{NatsOptions, NatsServer};

/// The plain life, the second provider, and the two journeys whose webhooks are hardest to count.
const JOURNEYS: [&str; 4] = [
    "template_auto_send",
    "pandadoc_document_sent_by_sales",
    "lost_trigger_found_by_asking",
    "same_webhook_twenty_times",
];
/// Every connection of these journeys that something comes in over.
const CONNECTIONS: [&str; 3] = ["atlas-main", "hubspot-main", "pandadoc-sales"];

#[tokio::test]
async fn the_demo_ends_well_on_the_embedded_log() -> Result<()> {
    let directory = tempfile::tempdir()?;
    the_demo_ends_well(&Options::embedded(directory.path()), "the embedded log").await
}

#[tokio::test]
async fn the_demo_ends_well_on_jetstream() -> Result<()> {
    let (directory, server) = (tempfile::tempdir()?, NatsServer::start(NatsOptions::default()).await?);
    the_demo_ends_well(&Options::on(&server, directory.path()), "NATS JetStream").await
}

async fn the_demo_ends_well(options: &Options, log: &str) -> Result<()> {
    let answer = demo(&JOURNEYS, options).await?;
    judge(&answer.objects, log).with_context(|| format!("the demo said:\n{}", answer.said))?;
    ensure!(answer.success, "it says that all is well, and ends with failure:\n{}", answer.said);
    Ok(())
}

/// What it printed says the same everywhere: each journey, each line of the ledger, and the end.
fn judge(said: &[Value], log: &str) -> Result<()> {
    let of = |event: &str| said.iter().filter(|object| object["event"] == event).collect::<Vec<_>>();
    let started = of("started");
    ensure!(started.iter().any(|started| started["log"] == log), "it did not run on {log}: {started:?}");
    for name in JOURNEYS {
        let told = of("journey").into_iter().find(|journey| journey["name"] == name);
        ensure!(told.with_context(|| format!("nothing of {name}"))?["ok"] == true, "{name} differs");
    }

    let ledger = of("ledger");
    for name in CONNECTIONS {
        let lines = || ledger.iter().filter(|line| line["connection"] == name);
        let count = |line: &Value, part: &str| {
            line[part].as_u64().with_context(|| format!("{name} says nothing of {part}"))
        };
        let intake = lines().find(|line| line["received"].is_u64());
        let intake = intake.with_context(|| format!("what came in over {name} does not balance"))?;
        let known = count(intake, "accepted")? + count(intake, "duplicate")? + count(intake, "quarantined")?;
        ensure!(count(intake, "received")? == known, "{known} are known of {intake}");
        ensure!(known > 0 && count(intake, "received")? >= count(intake, "told")?, "too few: {intake}");
        let sheet = lines().find(|line| line["unexplained"].is_u64());
        ensure!(
            sheet.with_context(|| format!("no sheet of {name}"))?["unexplained"] == 0,
            "{name} lost some"
        );
    }
    let records = ledger.iter().find(|line| line["records"].is_u64()).context("nothing of the records")?;
    ensure!(records["records"] == records["synced"] && records["dead_letters"] == 0, "{records}");
    ensure!(records["writes_applied"] == records["writes_taken"], "{records}");

    let end = said.iter().rfind(|object| object["event"] == "end").context("it has no end")?;
    ensure!(end["ok"] == true && end["balanced"] == true && end["failed"] == 0, "it ended as {end}");
    ensure!(end["journeys"] == JOURNEYS.len(), "it ended as {end}");
    Ok(())
}
