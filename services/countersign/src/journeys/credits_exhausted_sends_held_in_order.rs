//! The provider's credits are used up: sends wait, one probes, and after the top-up they go in the order asked.

use anyhow::{Context, Result, ensure};
use contracts::wire::envelope::{HoldReason, Stage as At};
use serde_json::{Value, json};

use super::journal::SIGNED;
use super::people::{Deal, asks};
use super::stage::Stage;
use super::{Chapter, JourneyReport, eventually};

const DEALS: usize = 3;

struct Waiting {
    deal: Deal,
    envelope: String,
    provider_id: String,
}

pub(super) async fn run(stage: &Stage) -> Result<JourneyReport> {
    let url = format!("{}/__sim/credits", stage.addresses().atlas);
    let before = stage.get(&url).await?["credits"].as_u64().context("no credits")?;
    stage.post(&url, &json!({"credits": 0})).await?;
    stage.say("the provider's credits are used up");
    let held = held(stage).await;
    // Whatever happened: the next journey finds credits.
    stage.post(&url, &json!({"credits": before})).await?;
    let held = held?;
    stage.say("credits are topped up");

    for waiting in &held {
        stage.until(&waiting.envelope, "the held send", |envelope| envelope.sent_at_ms > 0).await?;
    }
    let order = sent_in_order(stage).await?;
    let wanted: Vec<&str> = held.iter().map(|waiting| waiting.provider_id.as_str()).collect();
    let sent: Vec<&str> = order.iter().map(String::as_str).filter(|id| wanted.contains(id)).collect();
    ensure!(sent == wanted, "the held sends did not go out in the order they were asked for, or not once");
    stage.say("the held sends go out in the order they were asked for");

    let mut chapters = Vec::new();
    for Waiting { deal, envelope, provider_id } in &held {
        stage.sign(provider_id, 1).await?;
        stage.sign(provider_id, 2).await?;
        stage.at_rest(envelope, At::Completed).await?;
        stage.check_deal(deal, provider_id, SIGNED).await?;
        stage.one_envelope_at_atlas(deal).await?;
        let calls = stage.atlas_calls(deal, provider_id).await?;
        let taken = calls.iter().filter(|call| *call == "send 200").count();
        ensure!(taken == 1, "one of the held sends was made {taken} times");
        chapters.push(Chapter::of(deal, envelope));
    }
    Ok(JourneyReport::about(chapters).and(format!("{DEALS} sends were held and none was lost")))
}

/// Asks for envelopes one after the other, each once the one before waits for its send.
async fn held(stage: &Stage) -> Result<Vec<Waiting>> {
    let mut all = Vec::new();
    for number in 1..=DEALS {
        let deal = stage.new_deal().await?;
        stage.move_deal(&deal, asks::FOR_UPLOAD).await?;
        let envelope = stage.envelope_of(&deal).await?.envelope_id;
        let waiting = stage
            .until(&envelope, "the send to wait", |envelope| {
                envelope.hold() == HoldReason::CreditsExhausted || envelope.stage() == At::Sending
            })
            .await?;
        stage.say(format!("send {number} of {DEALS} waits"));
        all.push(Waiting { deal, envelope, provider_id: waiting.provider_id });
    }
    let oldest = &all.first().context("invariant: there are deals")?.envelope;
    stage.until(oldest, "the oldest send to be held", |it| it.hold() == HoldReason::CreditsExhausted).await?;
    eventually("a refused probe", async || {
        Ok(sends(stage).await?.iter().any(|(_, status)| *status == Some(402)).then_some(()))
    })
    .await?;
    Ok(all)
}

/// Provider ids of the sends that were taken, in order.
async fn sent_in_order(stage: &Stage) -> Result<Vec<String>> {
    let taken = sends(stage).await?.into_iter().filter(|(_, status)| *status == Some(200));
    Ok(taken.map(|(id, _)| id).collect())
}

/// Every send call with its answer.
async fn sends(stage: &Stage) -> Result<Vec<(String, Option<u16>)>> {
    let url = format!("{}/__sim/requests?method=POST&path_prefix=/api/envelope/", stage.addresses().atlas);
    let calls = stage.get(&url).await?;
    let send = |call: &Value| {
        let id = call["path"].as_str()?.strip_prefix("/api/envelope/")?.strip_suffix("/send")?.to_owned();
        Some((id, call["status"].as_u64().and_then(|status| u16::try_from(status).ok())))
    };
    Ok(calls.as_array().into_iter().flatten().filter_map(send).collect())
}
