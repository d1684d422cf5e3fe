//! A program of our own stack asks over gRPC, with a Word document as bytes, twice with the same request id.

use anyhow::{Context, Result, ensure};
use contracts::wire::envelope::create_envelope_request::Document;
use contracts::wire::envelope::{
    Correlation, CreateEnvelopeRequest, NewParty, SendPolicy, Stage as At, Upload,
};

use super::JourneyReport;
use super::journal::SIGNED;
use super::people::{Deal, PROVIDER};
use super::stage::Stage;

const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

pub(super) async fn run(stage: &Stage) -> Result<JourneyReport> {
    let deal = stage.new_deal().await?;
    let url = format!("{}/files/order-{}.docx", stage.addresses().atlas, deal.number);
    let content = stage.bytes(&url).await?;
    let request = request(&deal, content);

    let first = stage.envelopes().create_envelope(request.clone()).await?.into_inner();
    stage.say("our own program uploads a Word document over gRPC");
    let again = stage.envelopes().create_envelope(request).await?.into_inner();
    let id = first.envelope.context("an answer without envelope")?.envelope_id;
    let same = again.envelope.context("an answer without envelope")?.envelope_id;
    ensure!(id == same, "the same request id made two envelopes");

    let provider_id = stage.until_stage(&id, At::Sent).await?.provider_id;
    stage.deal_says(&deal, "esign_status", "Pending").await?;
    stage.sign(&provider_id, 1).await?;
    stage.sign(&provider_id, 2).await?;
    stage.deal_says(&deal, "esign_status", "Signed").await?;
    stage.at_rest(&id, At::Completed).await?;
    stage.check_deal(&deal, &provider_id, SIGNED).await?;
    stage.check_atlas(&deal, &provider_id, &["create 201", "send 200"]).await?;
    Ok(JourneyReport::of(&deal, &id).and("the same request sent twice made one envelope"))
}

/// The document goes out once its fields are found, about the given deal.
fn request(deal: &Deal, content: Vec<u8>) -> CreateEnvelopeRequest {
    let party = |role: &str, name: &str, email: String| NewParty {
        role: role.to_owned(),
        name: name.to_owned(),
        email,
    };
    let file_name = format!("order-{}.docx", deal.number);
    CreateEnvelopeRequest {
        request_id: format!("journey-{}", deal.number),
        provider: PROVIDER.to_owned(),
        flow: "order-form-upload".to_owned(),
        record: Some(deal.record()),
        document: Some(Document::Upload(Upload { file_name, content_type: DOCX.to_owned(), content })),
        parties: vec![
            party("Customer", "Dana Buyer", format!("dana.{}@buyer.test", deal.number)),
            party("Company", "Sam Seller", "sam@acme.test".to_owned()),
        ],
        send: SendPolicy::Auto.into(),
        title: format!("Order {}", deal.number),
        expires_after_ms: 0,
        remind_after_ms: Vec::new(),
        correlation: Some(Correlation {
            external_id: deal.external_id(),
            client_reference_id: format!("deal-{}", deal.id),
        }),
    }
}
