//! The CRM is down when the link is to be written: nothing else is written before it.

use anyhow::{Result, ensure};
use contracts::wire::envelope::Stage as At;
use serde_json::json;

use super::JourneyReport;
use super::journal::SIGNED;
use super::people::asks;
use super::stage::Stage;

const FAILURES: usize = 3;

pub(super) async fn run(stage: &Stage) -> Result<JourneyReport> {
    let hubspot = stage.addresses().hubspot.clone();
    let deal = stage.new_deal().await?;
    let broken = json!({
        "match": {"method": "PATCH", "path": format!("~/{}", deal.id)},
        "times": FAILURES,
        "action": {"status": 503, "body": {"status": "error", "message": "down"}},
    });
    stage.post(&format!("{hubspot}/__sim/faults"), &broken).await?;
    stage.move_deal(&deal, asks::FOR_TEMPLATE).await?;
    let id = stage.envelope_of(&deal).await?.envelope_id;
    let provider_id = stage.until_stage(&id, At::Sent).await?.provider_id;
    stage.deal_says(&deal, "esign_status", "Pending").await?;
    stage.say("the CRM failed three times; then the link and the stage were written");

    stage.sign(&provider_id, 1).await?;
    stage.sign(&provider_id, 2).await?;
    stage.at_rest(&id, At::Completed).await?;
    stage.check_deal(&deal, &provider_id, SIGNED).await?;
    stage.check_atlas(&deal, &provider_id, &["create from template 201"]).await?;

    let mut calls = stage.calls(&hubspot, "PATCH", "/crm/").await?;
    calls.retain(|call| call.path.ends_with(&format!("/{}", deal.id)));
    let (failed, later) = calls.split_at(FAILURES.min(calls.len()));
    ensure!(failed.iter().all(|call| call.status == Some(503)), "the CRM did not fail three times");
    ensure!(later.iter().all(|call| call.status == Some(200)), "the CRM failed more than three times");
    ensure!(
        calls.iter().take(FAILURES + 1).all(|call| call.body.contains("esign_envelope_id")),
        "something was written before the link"
    );
    Ok(JourneyReport::of(&deal, &id))
}
