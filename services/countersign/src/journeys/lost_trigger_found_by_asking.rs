//! The webhook that should have started everything does not come. The deal is found by asking, and the webhook that comes
//! after all changes nothing.

use anyhow::{Context, Result, ensure};
use contracts::wire::common::{Job, JobOutcome};
use contracts::wire::crmsync::{GetLedgerRequest, ListJobsRequest, RunJobRequest};
use contracts::wire::envelope::Stage as At;
use serde_json::json;

use super::journal::SIGNED;
use super::people::{CRM, asks};
use super::stage::Stage;
use super::{JourneyReport, eventually};

/// The job that asks a CRM for what nobody told.
const JOB: &str = "lost-triggers";
/// How long one question waits for the end of its run, in milliseconds: the most there is.
const RUN_MS: u64 = 20_000;

pub(super) async fn run(stage: &Stage) -> Result<JourneyReport> {
    let hubspot = stage.addresses().hubspot.clone();
    let lag = stage.get(&format!("{hubspot}/__sim/settings")).await?["search_lag_ms"].clone();
    // Nothing the CRM tells arrives from here on, and its index does not lag behind.
    stage.post(&format!("{hubspot}/__sim/settings"), &json!({"search_lag_ms": 0})).await?;
    stage.post(&format!("{hubspot}/__sim/webhooks"), &json!({"mode": "hold"})).await?;
    let played = without_webhooks(stage).await;
    stage.post(&format!("{hubspot}/__sim/webhooks"), &json!({"mode": "normal"})).await?;
    // What was held since (news of our own writes) arrives as well.
    stage.post(&format!("{hubspot}/__sim/webhooks/flush"), &json!({})).await?;
    stage.post(&format!("{hubspot}/__sim/settings"), &json!({"search_lag_ms": lag})).await?;
    played
}

async fn without_webhooks(stage: &Stage) -> Result<JourneyReport> {
    let hubspot = stage.addresses().hubspot.clone();
    // The first run comes by itself; it shall not be the one that finds the deal.
    eventually("the first sweep", async || {
        Ok(job(stage).await?.filter(|job| job.last.is_some() && !job.running))
    })
    .await?;
    let reconciled = tally(stage, "reconciled", 0).await?.0;
    let deal = stage.new_deal().await?;
    stage.move_deal(&deal, asks::FOR_REVIEW).await?;
    // One that comes round by itself may be faster than this one: which of them found it, nobody decides.
    ensure!(sweep(stage).await? <= 1, "the sweep found more than the one deal that nobody told of");
    let id = stage.envelope_of(&deal).await?.envelope_id;
    stage.say("the webhook never came; a sweep found the deal and asked for its envelope");
    ensure!(sweep(stage).await? == 0, "a second sweep found the same deal again");

    // It comes after all: the vendor tries for a day.
    stage.post(&format!("{hubspot}/__sim/webhooks/flush"), &json!({})).await?;
    let (_, head) = tally(stage, "reconciled", 0).await?;
    let (after, _) = tally(stage, "reconciled", head).await?;
    ensure!(after == reconciled + 1, "{} findings are counted for one deal", after - reconciled);
    ensure!(stage.envelopes_of(&deal).await?.len() == 1, "the late webhook made another envelope");
    stage.say("the webhook came late and met the envelope that is there");

    let envelope = stage.until_stage(&id, At::InReview).await?;
    let provider_id = envelope.provider_id.clone();
    stage.review_and_send(&envelope).await?;
    stage.deal_says(&deal, "esign_status", "Pending").await?;
    stage.sign(&provider_id, 1).await?;
    stage.until_stage(&id, At::PartiallySigned).await?;
    stage.sign(&provider_id, 2).await?;
    stage.deal_says(&deal, "esign_status", "Signed").await?;
    stage.at_rest(&id, At::Completed).await?;
    stage.check_deal(&deal, &provider_id, SIGNED).await?;
    stage.check_atlas(&deal, &provider_id, &["create 201"]).await?;
    Ok(JourneyReport::of(&deal, &id).and("found by asking, and one envelope although its webhook came late"))
}

/// Runs the sweep of the CRM now. Says how many triggers it found that nobody had told.
async fn sweep(stage: &Stage) -> Result<u64> {
    let request = RunJobRequest {
        request_id: hex::encode(runtime::random::new_id()),
        connection: CRM.to_owned(),
        name: JOB.to_owned(),
        wait_ms: RUN_MS,
    };
    let answer = stage.crm_sync().run_job(request).await?.into_inner();
    ensure!(answer.ended, "the sweep did not end");
    let run = answer.job.and_then(|job| job.last).context("the sweep has no result")?;
    ensure!(run.outcome() == JobOutcome::Done && !run.attention, "the sweep says: {}", run.note);
    Ok(run.found)
}

/// How the sweep of the CRM stands.
async fn job(stage: &Stage) -> Result<Option<Job>> {
    let request = ListJobsRequest { connection: CRM.to_owned() };
    let jobs = stage.crm_sync().list_jobs(request).await?.into_inner().jobs;
    Ok(jobs.into_iter().find(|job| job.name == JOB))
}

/// What is counted under this name for the CRM once everything up to `intake_position` is handled, and how far the
/// intake goes.
async fn tally(stage: &Stage, name: &str, intake_position: u64) -> Result<(u64, u64)> {
    let request = GetLedgerRequest { connection: CRM.to_owned(), since_ms: None, intake_position };
    let ledger = stage.crm_sync().get_ledger(request).await?.into_inner();
    let counts = ledger.tallies.iter().flat_map(|tally| &tally.counts).filter(|count| count.name == name);
    Ok((counts.map(|count| count.count).sum(), ledger.intake_head))
}
