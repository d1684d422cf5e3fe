//! A trusted template: filled with the deal's values and sent without anybody looking.

use anyhow::Result;
use contracts::wire::envelope::Stage as At;

use super::JourneyReport;
use super::journal::SIGNED;
use super::people::asks;
use super::stage::Stage;

pub(super) async fn run(stage: &Stage) -> Result<JourneyReport> {
    let deal = stage.new_deal().await?;
    stage.move_deal(&deal, asks::FOR_TEMPLATE).await?;
    let id = stage.envelope_of(&deal).await?.envelope_id;
    let provider_id = stage.until_stage(&id, At::Sent).await?.provider_id;
    stage.say("the provider has filled the template and sent it");
    stage.deal_says(&deal, "esign_status", "Pending").await?;

    stage.sign(&provider_id, 1).await?;
    stage.sign(&provider_id, 2).await?;
    stage.deal_says(&deal, "esign_status", "Signed").await?;
    stage.at_rest(&id, At::Completed).await?;
    stage.check_deal(&deal, &provider_id, SIGNED).await?;
    stage.check_atlas(&deal, &provider_id, &["create from template 201"]).await?;
    Ok(JourneyReport::of(&deal, &id))
}
