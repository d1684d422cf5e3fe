//! A vendor whose ends are final and whose webhooks carry no revision.

use anyhow::{Result, ensure};
use contracts::wire::envelope as wire;
use contracts::wire::envelope::create_envelope_request::Document;
use contracts::wire::envelope::{NewParty, SendPolicy, Stage as At};
use countersign::journeys::Stage;
use serde_json::{Value, json};

use crate::{End, post, signature, until, until_recorded, until_so};

const CONNECTION: &str = "atlas-main";

/// An envelope of two signers that is out; `(our id, the vendor's id)`.
async fn sent(stage: &Stage) -> Result<(String, String)> {
    let party = |role: &str, name: &str, email: &str| NewParty {
        role: role.to_owned(),
        name: name.to_owned(),
        email: email.to_owned(),
    };
    let request = wire::CreateEnvelopeRequest {
        request_id: "race".to_owned(),
        provider: CONNECTION.to_owned(),
        document: Some(Document::Url(format!("{}/files/order-7.pdf", stage.addresses().atlas))),
        parties: vec![
            party("Customer", "Dana Buyer", "dana@buyer.test"),
            party("Company", "Sam Seller", "sam@acme.test"),
        ],
        send: SendPolicy::Auto.into(),
        title: "Order 7".to_owned(),
        ..Default::default()
    };
    let made = stage.envelopes().create_envelope(request).await?.into_inner();
    let id = made.envelope.map(|envelope| envelope.envelope_id).unwrap_or_default();
    let provider_id = until(stage, &id, At::Sent).await?.provider_id;
    Ok((id, provider_id))
}

async fn webhooks(stage: &Stage, mode: &str) -> Result<()> {
    let url = format!("{}/__sim/webhooks", stage.addresses().atlas);
    stage.post(&url, &json!({ "mode": mode })).await.map(drop)
}

/// What was held back goes out, in this order of what is held; returns how many there were.
async fn flush(stage: &Stage) -> Result<u64> {
    let url = format!("{}/__sim/webhooks/flush", stage.addresses().atlas);
    let released = stage.post(&url, &json!({})).await?["released"].as_u64().unwrap_or_default();
    webhooks(stage, "normal").await?;
    Ok(released)
}

async fn void(stage: &Stage, id: &str) -> Result<()> {
    let request =
        wire::VoidEnvelopeRequest { request_id: "race-void".to_owned(), envelope_id: id.to_owned() };
    stage.envelopes().void_envelope(request).await?;
    Ok(())
}

async fn status(stage: &Stage, provider_id: &str) -> Result<Value> {
    let all = stage.get(&format!("{}/__sim/envelopes", stage.addresses().atlas)).await?;
    let found = all.as_array().into_iter().flatten().find(|one| one["envelope_id"] == provider_id);
    Ok(found.map(|one| one["status"].clone()).unwrap_or_default())
}

/// Tells something in the vendor's name.
async fn tell(stage: &Stage, news: &Value) -> Result<()> {
    let body = serde_json::to_vec(news)?;
    let header = format!("sha256={}", signature(stage, "atlas-api-key", &body)?);
    let url = format!("{}/v1/hooks/{CONNECTION}", stage.addresses().ingress);
    post(url, Some(("x-atlas-signature", header)), &body).await
}

pub async fn the_last_signature_is_faster_than_our_void(stage: &Stage) -> Result<End> {
    let (id, provider_id) = sent(stage).await?;
    webhooks(stage, "hold").await?;
    stage.sign(&provider_id, 1).await?;
    stage.sign(&provider_id, 2).await?;
    // We do not know it yet: the void is believed possible, asked for, and refused by the vendor.
    void(stage, &id).await?;
    until_so(stage, &id, "completed and confirmed", |envelope| {
        envelope.stage() == At::Completed && envelope.confirmed
    })
    .await?;
    ensure!(status(stage, &provider_id).await? == "signed", "the vendor's contract binds");
    let before = stage.kinds(&id).await?.iter().filter(|kind| *kind == "envelope.signal_ignored").count();
    ensure!(flush(stage).await? > 0, "nothing was held back");
    until_recorded(stage, &id, "envelope.signal_ignored", before + 1).await?;
    until(stage, &id, At::Completed).await?;
    Ok(End {
        envelope: id,
        facts: &["Sent", "VoidRequested", "VoidRefused", "Completed"],
        ignored: &[("viewed", "closed")],
        never: &["Voided"],
    })
}

pub async fn our_void_is_faster_than_the_last_signature(stage: &Stage) -> Result<End> {
    let (id, provider_id) = sent(stage).await?;
    webhooks(stage, "hold").await?;
    stage.sign(&provider_id, 1).await?;
    let invitation = stage.invitation(&provider_id, 2).await?;
    void(stage, &id).await?;
    until(stage, &id, At::Voided).await?;
    let late = stage.press(&invitation, &[("action", "sign")]).await;
    ensure!(late.is_err(), "a voided envelope could be signed");
    ensure!(flush(stage).await? > 0, "nothing was held back");
    // Somebody says that everybody signed: only a GET can say whose word counts.
    let news = json!({"event": "envelope.signed", "envelope_id": provider_id, "status": "signed"});
    tell(stage, &news).await?;
    until_recorded(stage, &id, "envelope.confirmation_requested", 1).await?;
    until_so(stage, &id, "voided and confirmed", |envelope| {
        envelope.stage() == At::Voided && !envelope.confirmation_requested
    })
    .await?;
    ensure!(status(stage, &provider_id).await? == "voided", "the vendor took it back");
    Ok(End {
        envelope: id,
        facts: &["Sent", "VoidRequested", "Voided", "ConfirmationRequested", "Confirmed"],
        ignored: &[("viewed", "closed")],
        never: &["Completed", "Corrected"],
    })
}

pub async fn news_that_contradicts_or_lags_behind_the_completion(stage: &Stage) -> Result<End> {
    let (id, provider_id) = sent(stage).await?;
    stage.sign(&provider_id, 1).await?;
    stage.sign(&provider_id, 2).await?;
    until_so(stage, &id, "completed and confirmed", |envelope| {
        envelope.stage() == At::Completed && envelope.confirmed
    })
    .await?;
    let told = [
        json!({"event": "envelope.viewed", "envelope_id": provider_id, "late": 1}),
        json!({"event": "envelope.sent", "envelope_id": provider_id, "late": 2}),
        json!({"event": "envelope.declined", "envelope_id": provider_id, "reason": "too late"}),
        json!({"event": "envelope.voided", "envelope_id": provider_id, "late": 3}),
    ];
    for news in told {
        let before = stage.kinds(&id).await?.iter().filter(|kind| *kind == "envelope.signal_ignored").count();
        tell(stage, &news).await?;
        until_recorded(stage, &id, "envelope.signal_ignored", before + 1).await?;
    }
    until_so(stage, &id, "completed and confirmed again", |envelope| {
        envelope.stage() == At::Completed && !envelope.confirmation_requested
    })
    .await?;
    Ok(End {
        envelope: id,
        facts: &["Completed", "ConfirmationRequested", "Confirmed"],
        ignored: &[("viewed", "closed"), ("sent", "closed"), ("declined", "illegal"), ("voided", "illegal")],
        never: &["Declined", "Voided", "Corrected"],
    })
}
