//! The provider tells of the envelope before it answers the call that makes it.

use anyhow::{Result, ensure};
use contracts::wire::envelope::Stage as At;
use serde_json::json;

use super::journal::SIGNED;
use super::people::asks;
use super::stage::Stage;
use super::{JourneyReport, eventually};

/// How long the provider sits on the second half of its answer.
const SLOW_MS: u64 = 1_500;

pub(super) async fn run(stage: &Stage) -> Result<JourneyReport> {
    let atlas = stage.addresses().atlas.clone();
    let template = stage.new_template().await?;
    let slow = json!({
        "match": {"method": "POST", "path": format!("/api/templates/{template}/send")},
        "action": {"slow_body_ms": SLOW_MS},
    });
    stage.post(&format!("{atlas}/__sim/faults"), &slow).await?;
    let deal = stage.new_deal_with(&[("order_template", &template)]).await?;
    stage.move_deal(&deal, asks::FOR_TEMPLATE).await?;
    let id = stage.envelope_of(&deal).await?.envelope_id;

    let external_id = deal.external_id();
    let provider_id = eventually("the provider to have made the envelope", async || {
        let all = stage.get(&format!("{atlas}/__sim/envelopes")).await?;
        let mut all = all.as_array().into_iter().flatten();
        let ours = all.find(|envelope| envelope["metadata"]["external_id"] == external_id.as_str());
        Ok(ours.and_then(|envelope| envelope["envelope_id"].as_str()).map(str::to_owned))
    })
    .await?;
    eventually("the first webhook to be answered", async || {
        let webhooks = stage.webhooks_of(&atlas, &provider_id).await?;
        Ok(webhooks.iter().any(|webhook| webhook["state"] == "delivered").then_some(()))
    })
    .await?;
    let calls = stage.atlas_calls(&deal, &provider_id).await?;
    ensure!(calls == ["create from template 201"], "the envelope was made by {calls:?}");
    stage.say("the webhook has arrived while the answer is still on its way");

    stage.until_stage(&id, At::Sent).await?;
    stage.deal_says(&deal, "esign_status", "Pending").await?;
    stage.sign(&provider_id, 1).await?;
    stage.sign(&provider_id, 2).await?;
    // The answer is still on its way; it brings the review link.
    stage.until(&id, "the late answer", |envelope| !envelope.review_url.is_empty()).await?;
    stage.at_rest(&id, At::Completed).await?;
    ensure!(stage.envelopes_of(&deal).await?.len() == 1, "the webhook made an envelope of its own");
    stage.check_deal(&deal, &provider_id, SIGNED).await?;
    stage.check_atlas(&deal, &provider_id, &["create from template 201"]).await?;
    Ok(JourneyReport::of(&deal, &id))
}

impl Stage {
    /// A template of a journey's own at the first provider, so that its calls can be told from all others.
    pub(super) async fn new_template(&self) -> Result<String> {
        let template = format!("tmpl_{}", hex::encode(&runtime::random::new_id()[8..]));
        let new = json!({
            "template_id": template, "name": "Order form", "roles": ["Customer", "Company"],
            "prefill_keys": ["company_name", "amount"],
        });
        self.post(&format!("{}/__sim/templates", self.addresses().atlas), &new).await?;
        Ok(template)
    }
}
