//! A vendor that reopens and corrects, whose webhooks carry a revision.

use anyhow::{Context, Result};
use contracts::wire::envelope::Stage as At;
use countersign::journeys::Stage;
use serde_json::json;

use crate::{End, post, signature, until, until_recorded, until_so};

/// A document that sales made and sent; `(our id, the vendor's id)`.
async fn sent(stage: &Stage) -> Result<(String, String)> {
    let deal = stage.new_deal().await?;
    let ui = format!("{}/__sim/ui/documents", stage.addresses().pandadoc);
    let made = stage.post(&ui, &json!({"name": "Offer", "deal_id": deal.id})).await?;
    let document = made["id"].as_str().context("a document without id")?.to_owned();
    stage.act_in_pandadoc(&document, "send").await?;
    let id = stage.envelope_of(&deal).await?.envelope_id;
    until(stage, &id, At::Sent).await?;
    Ok((id, document))
}

/// Tells of a draft in the vendor's name, as it stood then.
async fn tell_of_draft(stage: &Stage, document: &str, modified: &str) -> Result<()> {
    let news = json!([{"event": "document_state_changed",
        "data": {"id": document, "status": "document.draft", "date_modified": modified}}]);
    let body = serde_json::to_vec(&news)?;
    let signature = signature(stage, "pandadoc-shared-key", &body)?;
    let url = format!("{}/v1/hooks/pandadoc-sales?signature={signature}", stage.addresses().ingress);
    post(url, None, &body).await
}

pub async fn a_draft_older_than_sent_and_one_that_is_newer(stage: &Stage) -> Result<End> {
    let (id, document) = sent(stage).await?;
    // The draft it once was is told late: nothing reopens, nothing is sent.
    tell_of_draft(stage, &document, "2020-01-01T00:00:00.000000Z").await?;
    until_recorded(stage, &id, "envelope.signal_ignored", 1).await?;
    until(stage, &id, At::Sent).await?;

    stage.act_in_pandadoc(&document, "sign").await?;
    until_so(stage, &id, "the first signature", |envelope| envelope.signed_count == 1).await?;
    stage.act_in_pandadoc(&document, "edit-back-to-draft").await?;
    until_so(stage, &id, "a draft without signatures", |envelope| {
        envelope.stage() == At::InReview && envelope.signed_count == 0
    })
    .await?;

    stage.act_in_pandadoc(&document, "send").await?;
    until(stage, &id, At::Sent).await?;
    stage.act_in_pandadoc(&document, "sign").await?;
    stage.act_in_pandadoc(&document, "sign").await?;
    until(stage, &id, At::Completed).await?;
    Ok(End {
        envelope: id,
        facts: &["Sent", "PartiesProgressed", "Reopened", "Sent", "Completed"],
        ignored: &[("draft", "stale")],
        never: &["SendRequested", "Corrected"],
    })
}

pub async fn an_end_that_sales_corrects_by_hand(stage: &Stage) -> Result<End> {
    let (id, document) = sent(stage).await?;
    stage.act_in_pandadoc(&document, "expire").await?;
    until(stage, &id, At::Expired).await?;
    stage.act_in_pandadoc(&document, "complete-by-hand").await?;
    until(stage, &id, At::Completed).await?;
    stage.act_in_pandadoc(&document, "decline-by-hand").await?;
    until(stage, &id, At::Declined).await?;
    // Late news of the life before the corrections.
    tell_of_draft(stage, &document, "2020-01-01T00:00:00.000000Z").await?;
    until_recorded(stage, &id, "envelope.signal_ignored", 1).await?;
    until(stage, &id, At::Declined).await?;
    Ok(End {
        envelope: id,
        // Who asked for the GET that corrects, a webhook or a sweep, is a race that nobody decides.
        facts: &["Sent", "Expired", "Corrected", "Corrected"],
        ignored: &[("draft", "stale")],
        never: &["Reopened"],
    })
}
