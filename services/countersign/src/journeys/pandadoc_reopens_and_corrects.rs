//! What is over at the second provider may begin again, or end otherwise: we follow, once a GET says the same.
//!
//! Sales takes a half-signed document back to draft and sends it anew; staff sets by hand what had ended (T23 to
//! T26 of the lifecycle). Each time the webhook alone moves nothing.

use anyhow::{Context, Result, ensure};
use contracts::wire::envelope::Stage as At;

use super::people::{Deal, asks};
use super::stage::Stage;
use super::{Chapter, JourneyReport};

pub(super) async fn run(stage: &Stage) -> Result<JourneyReport> {
    let reopened = reopened(stage).await?;
    let completed =
        corrected(stage, "decline-by-hand", At::Declined, "complete-by-hand", At::Completed).await?;
    let declined =
        corrected(stage, "complete-by-hand", At::Completed, "decline-by-hand", At::Declined).await?;
    let late = corrected(stage, "expire", At::Expired, "complete-by-hand", At::Completed).await?;
    let refused = corrected(stage, "expire", At::Expired, "decline-by-hand", At::Declined).await?;
    let report = JourneyReport::about(vec![reopened, completed, declined, late, refused]);
    Ok(report.and("a reopening and four corrections, each confirmed by a GET before it counted"))
}

async fn out(stage: &Stage) -> Result<(Deal, String, String)> {
    let deal = stage.new_deal().await?;
    stage.move_deal(&deal, asks::FOR_SECOND_TEMPLATE).await?;
    let id = stage.envelope_of(&deal).await?.envelope_id;
    let document = stage.until_stage(&id, At::Sent).await?.provider_id;
    Ok((deal, id, document))
}

/// T23: signatures are gone, and it is a person who sends it again.
async fn reopened(stage: &Stage) -> Result<Chapter> {
    let (deal, id, document) = out(stage).await?;
    stage.act_in_pandadoc(&document, "sign").await?;
    stage.until(&id, "the first signature", |envelope| envelope.signed_count == 1).await?;
    stage.act_in_pandadoc(&document, "edit-back-to-draft").await?;
    stage.say("sales takes the half-signed document back to draft");
    let again = stage.until_stage(&id, At::InReview).await?;
    ensure!(again.signed_count == 0, "the signatures of the first life count in the second");
    stage.act_in_pandadoc(&document, "send").await?;
    stage.until_stage(&id, At::Sent).await?;
    for _ in 0..2 {
        stage.act_in_pandadoc(&document, "sign").await?;
    }
    stage.deal_says(&deal, "esign_status", "Signed").await?;
    stage.at_rest(&id, At::Completed).await?;
    confirmed(stage, &id, "envelope.reopened").await?;
    Ok(Chapter::of(&deal, &id))
}

/// T24 to T26: it ended one way, and then staff says otherwise.
async fn corrected(stage: &Stage, act: &str, first: At, correction: &str, then: At) -> Result<Chapter> {
    let (deal, id, document) = out(stage).await?;
    stage.act_in_pandadoc(&document, act).await?;
    stage.until_stage(&id, first).await?;
    stage.act_in_pandadoc(&document, correction).await?;
    stage.say(format!("{act}, and then {correction}"));
    stage.until_stage(&id, then).await?;
    confirmed(stage, &id, "envelope.corrected").await?;
    let says = if then == At::Completed { "Signed" } else { "Declined" };
    stage.deal_says(&deal, "esign_status", says).await?;
    Ok(Chapter::of(&deal, &id))
}

/// No webhook made the change: the answer of a GET did, whether a question was asked before it, or a poll or a sweep
/// was faster than the webhook.
async fn confirmed(stage: &Stage, id: &str, change: &str) -> Result<()> {
    let entries = stage.evidence(id).await?;
    let made = entries.iter().find(|entry| entry.kind == change);
    let made = made.with_context(|| format!("{change} did not happen"))?;
    // A signal is an event of the intake; a question is one of the envelope; a poll follows from nothing.
    let asked = entries.iter().any(|entry| entry.event_id == made.causation_id);
    ensure!(asked || made.causation_id.is_empty(), "{change} follows from a webhook alone: {entries:?}");
    Ok(())
}
