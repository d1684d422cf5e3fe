//! The provider makes the envelope and then says nothing: the call is repeated with its key, and there is one.

use anyhow::{Result, ensure};
use contracts::wire::envelope::Stage as At;
use serde_json::json;

use super::JourneyReport;
use super::journal::SIGNED;
use super::people::asks;
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
    stage.post(&format!("{}/__sim/faults", stage.addresses().atlas), &silence).await?;
    let deal = stage.new_deal_with(&[("order_template", &template)]).await?;
    stage.move_deal(&deal, asks::FOR_TEMPLATE).await?;
    let id = stage.envelope_of(&deal).await?.envelope_id;
    let provider_id = stage.until_stage(&id, At::Sent).await?.provider_id;
    stage.say("the provider's answer was lost; the same call was made again");
    stage.deal_says(&deal, "esign_status", "Pending").await?;

    stage.sign(&provider_id, 1).await?;
    stage.sign(&provider_id, 2).await?;
    stage.at_rest(&id, At::Completed).await?;
    stage.check_deal(&deal, &provider_id, SIGNED).await?;
    stage.one_envelope_at_atlas(&deal).await?;
    let calls = stage.atlas_calls(&deal, &provider_id).await?;
    // A webhook may have told the id before the call was due again; then there is no second one.
    let expected = calls == ["create from template unanswered", "create from template 201"]
        || calls == ["create from template unanswered"];
    ensure!(expected, "Atlas was asked {calls:?}");
    Ok(JourneyReport::of(&deal, &id).and("two calls, one envelope, one mail to the first signer"))
}
