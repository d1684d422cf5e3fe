//! The provider makes the envelope and then says nothing: the call is repeated with its key, and there is one.
//!
//! Its webhooks are kept back meanwhile, so that nothing but the key can help.

use anyhow::Result;
use contracts::wire::envelope::Stage as At;
use serde_json::json;

use super::JourneyReport;
use super::journal::SIGNED;
use super::people::{Deal, asks};
use super::stage::Stage;

/// How long the provider stays silent before the line goes dead.
const SILENCE_MS: u64 = 500;

pub(super) async fn run(stage: &Stage) -> Result<JourneyReport> {
    let template = stage.new_template().await?;
    let silence = json!({
        "match": {"method": "POST", "path": format!("/api/templates/{template}/send")},
        "hold_ms": SILENCE_MS,
        "action": "timeout_after_apply",
    });
    let atlas = stage.addresses().atlas.clone();
    stage.post(&format!("{atlas}/__sim/faults"), &silence).await?;
    stage.post(&format!("{atlas}/__sim/webhooks"), &json!({"mode": "hold"})).await?;
    let made = made(stage, &template).await;
    stage.post(&format!("{atlas}/__sim/webhooks"), &json!({"mode": "normal"})).await?;
    stage.post(&format!("{atlas}/__sim/webhooks/flush"), &json!({})).await?;
    let (deal, id, provider_id) = made?;
    stage.say("the provider's answer was lost; the same call was made again");
    stage.deal_says(&deal, "esign_status", "Pending").await?;

    stage.sign(&provider_id, 1).await?;
    stage.sign(&provider_id, 2).await?;
    stage.at_rest(&id, At::Completed).await?;
    stage.check_deal(&deal, &provider_id, SIGNED).await?;
    let calls = ["create from template unanswered", "create from template 201"];
    stage.check_atlas(&deal, &provider_id, &calls).await?;
    Ok(JourneyReport::of(&deal, &id).and("two calls, one envelope, one mail to the first signer"))
}

/// The deal, its envelope, and the provider's id, known from the repeated call.
async fn made(stage: &Stage, template: &str) -> Result<(Deal, String, String)> {
    let deal = stage.new_deal_with(&[("order_template", template)]).await?;
    stage.move_deal(&deal, asks::FOR_TEMPLATE).await?;
    let id = stage.envelope_of(&deal).await?.envelope_id;
    let provider_id = stage.until_stage(&id, At::Sent).await?.provider_id;
    Ok((deal, id, provider_id))
}
