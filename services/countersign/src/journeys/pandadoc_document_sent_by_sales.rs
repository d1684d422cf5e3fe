//! Sales makes and sends a document in the second provider's application; its metadata names the deal.
//!
//! We never call that provider to change anything: we follow its batched webhooks, and the deal follows us.

use anyhow::{Context, Result, ensure};
use contracts::wire::envelope::Stage as At;
use serde_json::{Value, json};

use super::JourneyReport;
use super::journal::SIGNED_ELSEWHERE;
use super::stage::{Stage, eventually};

/// Everything within this many milliseconds comes in one delivery.
const BATCH_MS: u64 = 150;

pub(super) async fn run(stage: &Stage) -> Result<JourneyReport> {
    let panda = stage.addresses().pandadoc.clone();
    stage.post(&format!("{panda}/__sim/settings"), &json!({"batch_ms": BATCH_MS})).await?;
    let deal = stage.new_deal().await?;
    let new = json!({"name": "Offer", "deal_id": deal.id});
    let made = stage.post(&format!("{panda}/__sim/ui/documents"), &new).await?;
    let document = made["id"].as_str().context("a document without id")?.to_owned();
    stage.act_in_pandadoc(&document, "send").await?;
    stage.say("sales makes a document in PandaDoc and sends it");
    let id = stage.envelope_of(&deal).await?.envelope_id;
    stage.deal_says(&deal, "esign_status", "Pending").await?;

    stage.act_in_pandadoc(&document, "view").await?;
    stage.act_in_pandadoc(&document, "sign").await?;
    stage.until(&id, "the first signature", |envelope| envelope.signed_count == 1).await?;
    stage.act_in_pandadoc(&document, "sign").await?;
    stage.say("both recipients sign");
    stage.deal_says(&deal, "esign_status", "Signed").await?;

    let envelope = stage.at_rest(&id, At::Completed).await?;
    ensure!(envelope.adopted && envelope.provider_id == document, "{id} is not the document of sales");
    stage.check_deal(&deal, &document, SIGNED_ELSEWHERE).await?;
    // others drive documents of their own there
    let changing = stage.calls(&panda, "POST", "/public/").await?;
    let about_it = changing.iter().filter(|call| call.path.contains(&document)).count();
    ensure!(about_it == 0, "we changed something in the application of sales");

    let largest = eventually("every kind of event to be delivered", async || {
        let batches = batches(stage, &panda, &document).await?;
        let heard: Vec<&Value> = batches.iter().flatten().collect();
        let all = ["document_state_changed", "recipient_completed", "document_completed_pdf_ready"]
            .iter()
            .all(|kind| heard.iter().any(|event| event["event"] == **kind));
        Ok(batches.iter().map(Vec::len).max().filter(|_| all))
    })
    .await?;
    ensure!(largest > 1, "no delivery held more than one event");
    Ok(JourneyReport::of(&deal, &id).and(format!("up to {largest} events came in one delivery")))
}

/// The delivered webhooks about the document, as the events each held.
async fn batches(stage: &Stage, panda: &str, document: &str) -> Result<Vec<Vec<Value>>> {
    let found = stage.get(&format!("{panda}/__sim/deliveries")).await?;
    let delivered = found.as_array().into_iter().flatten().filter(|one| one["state"] == "delivered");
    let bodies = delivered.filter_map(|one| one["body"].as_str()).filter(|body| body.contains(document));
    bodies.map(|body| Ok(serde_json::from_str(body)?)).collect()
}
