//! The provider looks for signature fields: it may take its time, fail, find none, or see them moved by somebody.

use anyhow::{Result, ensure};
use contracts::wire::envelope::{Attention, Detection, Envelope, SendEnvelopeRequest, Stage as At};
use serde_json::{Value, json};
use tonic::Code;

use super::journal::SIGNED;
use super::people::{Deal, asks};
use super::stage::Stage;
use super::{Chapter, JourneyReport, eventually};

/// How long the provider sits on the send, so that somebody can edit before it is judged.
const SLOW_MS: u64 = 1_500;

pub(super) async fn run(stage: &Stage) -> Result<JourneyReport> {
    let stories =
        futures::try_join!(takes_its_time(stage), failed(stage), recovered_empty(stage), fields_moved(stage));
    let (first, second, third, fourth) = stories?;
    Ok(JourneyReport::about(vec![
        first.titled("detection takes its time"),
        second.titled("detection fails; a person sends from the review page"),
        third.titled("detection finds nothing; it is mended, then we send"),
        fourth.titled("the fields move between our look and our send"),
    ]))
}

/// While detection runs there is nothing to send; afterwards it is sent as usual.
async fn takes_its_time(stage: &Stage) -> Result<Chapter> {
    let deal = stage.new_deal().await?;
    let pending = json!({"outcome": "ready", "delay_ms": 600_000});
    let envelope = asked(stage, &deal, pending).await?;
    let id = envelope.envelope_id.as_str();
    stage.until_stage(id, At::Preparing).await?;
    let refused = send(stage, &deal, id).await;
    let code = refused.err().map(|status| status.code());
    ensure!(code == Some(Code::FailedPrecondition), "sending during detection answered {code:?}");

    let provider_id = stage.until(id, "the provider's id", has_provider_id).await?.provider_id;
    let ready = json!({"envelope_id": provider_id, "outcome": "ready"});
    stage.post(&format!("{}/__sim/detection", stage.addresses().atlas), &ready).await?;
    stage.until_stage(id, At::InReview).await?;
    stage.say("detection took its time; then the envelope could be sent");
    send(stage, &deal, id).await?;
    signed(stage, &deal, id, &["create 201", "send 200"]).await
}

/// Detection failed: a person places the fields and sends from the review page.
async fn failed(stage: &Stage) -> Result<Chapter> {
    let deal = stage.new_deal().await?;
    let envelope = asked(stage, &deal, json!({"outcome": "failed"})).await?;
    let id = envelope.envelope_id.as_str();
    let envelope = needs_attention(stage, id, Attention::DetectionFailed, Detection::Failed).await?;
    stage.say("detection failed: a person is asked to look");
    stage.review_and_send(&envelope).await?;
    signed(stage, &deal, id, &["create 201"]).await
}

/// Detection found nothing; it is mended at the provider, and then we may send.
async fn recovered_empty(stage: &Stage) -> Result<Chapter> {
    let deal = stage.new_deal().await?;
    let envelope = asked(stage, &deal, json!({"outcome": "recovered_empty"})).await?;
    let id = envelope.envelope_id.as_str();
    let envelope = needs_attention(stage, id, Attention::NoFields, Detection::RecoveredEmpty).await?;
    let refused = send(stage, &deal, id).await;
    ensure!(refused.is_err(), "an envelope without fields was sent");

    stage.say("no fields were found: a person places them");
    let ready = json!({"envelope_id": envelope.provider_id, "outcome": "ready"});
    stage.post(&format!("{}/__sim/detection", stage.addresses().atlas), &ready).await?;
    stage.until_stage(id, At::InReview).await?;
    send(stage, &deal, id).await?;
    signed(stage, &deal, id, &["create 201", "send 200"]).await
}

/// Somebody edits the fields between our look and our send: once more, with what they are now.
async fn fields_moved(stage: &Stage) -> Result<Chapter> {
    let deal = stage.new_deal().await?;
    stage.move_deal(&deal, asks::FOR_REVIEW).await?;
    let id = stage.envelope_of(&deal).await?.envelope_id;
    let known = stage.until_stage(&id, At::InReview).await?;
    let (atlas, path) = (&stage.addresses().atlas, format!("/api/envelope/{}/send", known.provider_id));
    // The send is kept on its way while somebody edits: whatever a poll sees meanwhile, it names the old version.
    let slow = json!({"match": {"method": "POST", "path": path}, "action": {"delay_ms": SLOW_MS}});
    stage.post(&format!("{atlas}/__sim/faults"), &slow).await?;
    send(stage, &deal, &id).await?;
    eventually("the send to be on its way", async || {
        let calls = stage.get(&format!("{atlas}/__sim/requests?method=POST&path_prefix={path}")).await?;
        Ok(calls.as_array().is_some_and(|calls| !calls.is_empty()).then_some(()))
    })
    .await?;
    stage.post(&format!("{atlas}/__sim/fields-version"), &json!({"envelope_id": known.provider_id})).await?;
    let sent = stage.until_stage(&id, At::Sent).await?;
    stage.say("the fields had moved: the send was repeated with their new version");
    ensure!(sent.fields_version > known.fields_version, "the new version of the fields was not taken up");
    let kinds = stage.kinds(&id).await?;
    let held = kinds.iter().filter(|kind| *kind == "envelope.send_held").count();
    ensure!(held == 1, "the send was held {held} times");
    signed(stage, &deal, &id, &["create 201", "send 409", "send 200"]).await
}

/// A deal asks for review of a document in which detection will find what `outcome` says.
async fn asked(stage: &Stage, deal: &Deal, mut outcome: Value) -> Result<Envelope> {
    outcome["name"] = json!(deal.number);
    stage.post(&format!("{}/__sim/detection", stage.addresses().atlas), &outcome).await?;
    stage.move_deal(deal, asks::FOR_REVIEW).await?;
    stage.envelope_of(deal).await
}

async fn needs_attention(
    stage: &Stage,
    id: &str,
    attention: Attention,
    detection: Detection,
) -> Result<Envelope> {
    let envelope = stage.until_stage(id, At::NeedsAttention).await?;
    let found = (envelope.attention(), envelope.detection());
    ensure!(found == (attention, detection), "{id} wants attention for {found:?}");
    Ok(envelope)
}

fn has_provider_id(envelope: &Envelope) -> bool {
    !envelope.provider_id.is_empty()
}

async fn send(stage: &Stage, deal: &Deal, id: &str) -> Result<(), tonic::Status> {
    let request_id = format!("send-{}-{}", deal.number, hex::encode(runtime::random::new_id()));
    let request = SendEnvelopeRequest { request_id, envelope_id: id.to_owned() };
    stage.envelopes().send_envelope(request).await.map(drop)
}

async fn signed(stage: &Stage, deal: &Deal, id: &str, calls: &[&str]) -> Result<Chapter> {
    let provider_id = stage.until(id, "the envelope to be out", |it| it.sent_at_ms > 0).await?.provider_id;
    stage.deal_says(deal, "esign_status", "Pending").await?;
    stage.sign(&provider_id, 1).await?;
    stage.sign(&provider_id, 2).await?;
    stage.at_rest(id, At::Completed).await?;
    stage.check_deal(deal, &provider_id, SIGNED).await?;
    stage.check_atlas(deal, &provider_id, calls).await?;
    Ok(Chapter::of(deal, id))
}
