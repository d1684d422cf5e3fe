//! The first provider's second API: another path, other words, a version for everything, and webhooks that are signed
//! with a secret of their own. One envelope is sent by a person, one by us.

use anyhow::{Context, Result};
use contracts::wire::envelope::create_envelope_request::Document;
use contracts::wire::envelope::{Correlation, CreateEnvelopeRequest, NewParty, SendPolicy, Stage as At};

use super::journal::SIGNED;
use super::people::{Deal, SECOND_API};
use super::stage::Stage;
use super::{Chapter, JourneyReport};

pub(super) async fn run(stage: &Stage) -> Result<JourneyReport> {
    let mut chapters = Vec::new();
    for (send, calls) in
        [(SendPolicy::Review, &["create 201"][..]), (SendPolicy::Auto, &["create 201", "send 200"])]
    {
        let deal = stage.new_deal().await?;
        let made = stage.envelopes().create_envelope(request(stage, &deal, send)).await?.into_inner();
        let id = made.envelope.context("an answer without envelope")?.envelope_id;
        if send == SendPolicy::Review {
            let envelope = stage.until_stage(&id, At::InReview).await?;
            stage.review_and_send(&envelope).await?;
        }
        let provider_id = stage.until_stage(&id, At::Sent).await?.provider_id;
        stage.deal_says(&deal, "esign_status", "Pending").await?;
        stage.sign(&provider_id, 1).await?;
        stage.until_stage(&id, At::PartiallySigned).await?;
        stage.sign(&provider_id, 2).await?;
        stage.deal_says(&deal, "esign_status", "Signed").await?;
        stage.at_rest(&id, At::Completed).await?;
        stage.check_deal(&deal, &provider_id, SIGNED).await?;
        stage.check_atlas(&deal, &provider_id, calls).await?;
        chapters.push(Chapter::of(&deal, &id));
    }
    Ok(JourneyReport::about(chapters).and("the same house, by one option of the connection"))
}

fn request(stage: &Stage, deal: &Deal, send: SendPolicy) -> CreateEnvelopeRequest {
    let party = |role: &str, name: &str, email: String| NewParty {
        role: role.to_owned(),
        name: name.to_owned(),
        email,
    };
    CreateEnvelopeRequest {
        request_id: format!("journey-{}", deal.number),
        provider: SECOND_API.to_owned(),
        flow: "order-form".to_owned(),
        record: Some(deal.record()),
        document: Some(Document::Url(format!("{}/files/order-{}.pdf", stage.addresses().atlas, deal.number))),
        parties: vec![
            party("Customer", "Dana Buyer", format!("dana.{}@buyer.test", deal.number)),
            party("Company", "Sam Seller", "sam@acme.test".to_owned()),
        ],
        send: send.into(),
        title: format!("Order {}", deal.number),
        expires_after_ms: 0,
        remind_after_ms: Vec::new(),
        correlation: Some(Correlation {
            external_id: deal.external_id(),
            client_reference_id: format!("deal-{}", deal.id),
        }),
    }
}
