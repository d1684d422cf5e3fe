//! An operator cancels an envelope that is out for signature, twice with the same request id.

use anyhow::{Result, ensure};
use contracts::wire::envelope::{Stage as At, VoidEnvelopeRequest};

use super::JourneyReport;
use super::journal::VOIDED;
use super::people::asks;
use super::stage::Stage;

pub(super) async fn run(stage: &Stage) -> Result<JourneyReport> {
    let deal = stage.new_deal().await?;
    stage.move_deal(&deal, asks::FOR_TEMPLATE).await?;
    let id = stage.envelope_of(&deal).await?.envelope_id;
    let provider_id = stage.until_stage(&id, At::Sent).await?.provider_id;
    stage.deal_says(&deal, "esign_status", "Pending").await?;

    let request =
        VoidEnvelopeRequest { request_id: format!("void-{}", deal.number), envelope_id: id.clone() };
    stage.envelopes().void_envelope(request.clone()).await?;
    stage.envelopes().void_envelope(request).await?;
    stage.say("an operator cancels the envelope");
    stage.deal_says(&deal, "esign_status", "Cancelled").await?;
    stage.at_rest(&id, At::Voided).await?;
    stage.check_deal(&deal, &provider_id, VOIDED).await?;
    stage.check_atlas(&deal, &provider_id, &["create from template 201", "void 200"]).await?;

    let link = stage.invitation(&provider_id, 1).await?;
    let signed = stage.press(&link, &[("action", "sign")]).await;
    ensure!(signed.is_err(), "a cancelled envelope could be signed");
    Ok(JourneyReport::of(&deal, &id))
}
