//! The same webhook, byte for byte, twenty times over four connections at once: one effect.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use contracts::wire::envelope::Stage as At;
use contracts::wire::verification::{GetLedgerRequest, LedgerLine};
use futures::future::try_join_all;
use serde_json::json;

use super::journal::SIGNED;
use super::people::{PROVIDER, asks};
use super::stage::{Stage, visitor};
use super::{JourneyReport, eventually};

const CONNECTIONS: usize = 4;
const TIMES_EACH: usize = 5;
const TIMES: u64 = 20;

pub(super) async fn run(stage: &Stage) -> Result<JourneyReport> {
    let atlas = stage.addresses().atlas.clone();
    let deal = stage.new_deal().await?;
    stage.move_deal(&deal, asks::FOR_TEMPLATE).await?;
    let id = stage.envelope_of(&deal).await?.envelope_id;
    let provider_id = stage.until_stage(&id, At::Sent).await?.provider_id;
    stage.deal_says(&deal, "esign_status", "Pending").await?;
    everything_told(stage, &provider_id).await?;

    // From here on the vendor's own webhooks get lost: only ours, made with its key, arrive.
    stage.post(&format!("{atlas}/__sim/webhooks"), &json!({"mode": "drop"})).await?;
    let outcome = twenty_times(stage, &provider_id).await;
    stage.post(&format!("{atlas}/__sim/webhooks"), &json!({"mode": "normal"})).await?;
    let (accepted, duplicate) = outcome?;
    ensure!(
        (accepted, duplicate) == (1, TIMES - 1),
        "{TIMES} copies were counted as {accepted} accepted and {duplicate} duplicates"
    );
    stage.say("20 copies were answered 200: one is accepted, 19 are duplicates");

    stage.at_rest(&id, At::Completed).await?;
    let kinds = stage.kinds(&id).await?;
    let completed = kinds.iter().filter(|kind| *kind == "envelope.completed").count();
    ensure!(completed == 1, "the envelope was completed {completed} times");
    stage.check_deal(&deal, &provider_id, SIGNED).await?;
    stage.check_atlas(&deal, &provider_id, &["create from template 201"]).await?;
    let report = JourneyReport { own_webhooks: TIMES, ..JourneyReport::of(&deal, &id) };
    Ok(report.and("1 accepted, 19 duplicates, one effect"))
}

/// Lets both sign, and tells so twenty times. Returns what the ledger counted more than before.
async fn twenty_times(stage: &Stage, provider_id: &str) -> Result<(u64, u64)> {
    let before = line(stage).await?;
    stage.sign(provider_id, 1).await?;
    stage.sign(provider_id, 2).await?;
    let webhooks = stage.webhooks_of(&stage.addresses().atlas, provider_id).await?;
    let signed = webhooks.iter().find(|webhook| webhook["event"] == "envelope.signed");
    let body = signed.and_then(|webhook| webhook["body"].as_str()).context("nothing was signed")?;
    let body: Arc<str> = Arc::from(body);
    let signature = format!("sha256={}", hex::encode(sign(stage, &body)?));
    let url = format!("{}/v1/hooks/{PROVIDER}", stage.addresses().ingress);

    let connections = (0..CONNECTIONS).map(|_| {
        let (body, url, signature) = (body.clone(), &url, &signature);
        async move {
            let client = visitor()?;
            for _ in 0..TIMES_EACH {
                let request = client.post(url).header("x-atlas-signature", signature);
                let request = request.header("content-type", "application/json").body(body.to_string());
                let status = request.send().await?.status();
                ensure!(status == 200, "a copy was answered {status}");
            }
            Ok(())
        }
    });
    try_join_all(connections).await?;
    let after = eventually("the ledger to have counted them", async || {
        let line = line(stage).await?;
        Ok((line.received >= before.received + TIMES).then_some(line))
    })
    .await?;
    Ok((after.accepted - before.accepted, after.duplicate - before.duplicate))
}

/// Waits until the vendor has nothing more to tell, so that the counters stand still.
async fn everything_told(stage: &Stage, provider_id: &str) -> Result<()> {
    eventually("the webhooks so far", async || {
        let webhooks = stage.webhooks_of(&stage.addresses().atlas, provider_id).await?;
        let told = |event: &str| {
            webhooks.iter().any(|webhook| webhook["event"] == event && webhook["state"] == "delivered")
        };
        Ok((told("envelope.created") && told("envelope.sent")).then_some(()))
    })
    .await?;
    eventually("the ledger to stand still", async || {
        let url = format!("{}/__sim/deliveries", stage.addresses().atlas);
        let all = stage.get(&url).await?;
        let open = all.as_array().into_iter().flatten().any(|webhook| webhook["state"] == "pending");
        Ok((!open).then_some(()))
    })
    .await?;
    // Two readings alike: the projection has caught up with what was answered.
    let mut last = line(stage).await?.received;
    eventually("two readings of the ledger alike", async || {
        let now = line(stage).await?.received;
        Ok((std::mem::replace(&mut last, now) == now).then_some(()))
    })
    .await
}

async fn line(stage: &Stage) -> Result<LedgerLine> {
    let request = GetLedgerRequest { connection: PROVIDER.to_owned(), min_position: 0, since_ms: None };
    let ledger = stage.verification().get_ledger(request).await?.into_inner();
    ledger.lines.into_iter().next().context("the ledger has no line for the provider")
}

/// Signs with the vendor's key, which the run with simulators keeps in its data directory.
fn sign(stage: &Stage, body: &str) -> Result<[u8; 32]> {
    let path = stage.addresses().data_dir.join("secrets/atlas-api-key");
    let key = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(signatures::hmac_sha256(key.trim().as_bytes(), &[body.as_bytes()]))
}
