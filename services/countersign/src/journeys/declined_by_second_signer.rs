//! The first signer signs, the second one does not want to.

use anyhow::Result;
use contracts::wire::envelope::Stage as At;

use super::JourneyReport;
use super::journal::DECLINED;
use super::people::asks;
use super::stage::Stage;

pub(super) async fn run(stage: &Stage) -> Result<JourneyReport> {
    let deal = stage.new_deal().await?;
    stage.move_deal(&deal, asks::FOR_UPLOAD).await?;
    let id = stage.envelope_of(&deal).await?.envelope_id;
    let provider_id = stage.until_stage(&id, At::Sent).await?.provider_id;
    stage.say("the order form was fetched, uploaded and sent");
    stage.deal_says(&deal, "esign_status", "Pending").await?;

    stage.sign(&provider_id, 1).await?;
    stage.decline(&provider_id, 2, "The term is too long").await?;
    stage.deal_says(&deal, "esign_status", "Declined").await?;
    stage.deal_says(&deal, "esign_reason", "The term is too long").await?;
    stage.at_rest(&id, At::Declined).await?;
    stage.check_deal(&deal, &provider_id, DECLINED).await?;
    stage.check_atlas(&deal, &provider_id, &["create 201", "send 200"]).await?;
    Ok(JourneyReport::of(&deal, &id))
}
