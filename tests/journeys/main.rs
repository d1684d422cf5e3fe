//! Every journey, on both logs, through the real binary.
//!
//! Each test starts a process of its own (and a nats-server of its own where the log stands on one), plays one
//! journey against it over HTTP and gRPC, and asks the process to end. The journeys hold the vendors' journals
//! against what had to happen, so a test fails for one call too many as well as for one too few. Afterwards the
//! ledger must balance and nothing may lie among the dead letters.

use anyhow::{Context, Result, ensure};
use contracts::wire::crmsync::ListDeadLettersRequest;
use contracts::wire::verification::GetLedgerRequest;
use countersign::journeys::{ALL, Addresses, Stage, named};
use system_tests::process::{Countersign, Options};
use testkit::nats::{NatsOptions, NatsServer};

macro_rules! journeys {
    ($($name:ident)*) => {
        /// The journeys that have tests here.
        const TESTED: &[&str] = &[$(stringify!($name)),*];

        $(mod $name {
            #[tokio::test]
            async fn on_the_embedded_log() -> anyhow::Result<()> {
                super::on_the_embedded_log(stringify!($name)).await
            }

            #[tokio::test]
            async fn on_jetstream() -> anyhow::Result<()> {
                super::on_jetstream(stringify!($name)).await
            }
        })*
    };
}

journeys! {
    ad_hoc_review_two_signers
    template_auto_send
    docx_upload_over_grpc
    second_generation
    declined_by_second_signer
    voided_by_us
    detection_needs_attention
    pandadoc_document_sent_by_sales
    pandadoc_driven
    pandadoc_reopens_and_corrects
    webhook_before_create_returned
    create_times_out_after_apply
    link_write_fails_three_times
    lost_trigger_found_by_asking
    credits_exhausted_sends_held_in_order
    same_webhook_twenty_times
    every_permutation_of_a_lifecycle
}

#[test]
fn every_journey_has_its_tests() {
    let missing: Vec<&str> =
        ALL.iter().map(|journey| journey.name).filter(|name| !TESTED.contains(name)).collect();
    assert!(missing.is_empty(), "journeys without a test: {missing:?}");
}

async fn on_the_embedded_log(name: &str) -> Result<()> {
    let directory = tempfile::tempdir()?;
    play(name, &Options::embedded(directory.path())).await
}

async fn on_jetstream(name: &str) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let server = NatsServer::start(NatsOptions::default()).await?;
    play(name, &Options::on(&server, directory.path())).await
}

async fn play(name: &str, options: &Options) -> Result<()> {
    let journey = named(name).context("no such journey")?;
    let countersign = Countersign::up(options).await?;
    let addresses: Addresses = serde_json::from_value(countersign.ready.clone())?;
    let stage = Stage::new(addresses)?;
    journey.run(&stage).await?;
    the_ledger_balances(&stage).await?;
    nothing_was_given_up(&stage).await?;
    countersign.stop().await
}

async fn the_ledger_balances(stage: &Stage) -> Result<()> {
    let ledger = stage.verification().get_ledger(GetLedgerRequest::default()).await?.into_inner();
    for line in ledger.lines {
        let known = line.accepted + line.duplicate + line.quarantined;
        ensure!(
            line.received == known,
            "{}: {} received, {known} accounted for",
            line.connection,
            line.received
        );
        ensure!(line.unreadable == 0, "{}: {} were unreadable", line.connection, line.unreadable);
    }
    Ok(())
}

async fn nothing_was_given_up(stage: &Stage) -> Result<()> {
    let letters = stage.crm_sync().list_dead_letters(ListDeadLettersRequest::default()).await?.into_inner();
    let reasons: Vec<&str> = letters.dead_letters.iter().map(|letter| letter.reason.as_str()).collect();
    ensure!(reasons.is_empty(), "dead letters: {reasons:?}");
    Ok(())
}
