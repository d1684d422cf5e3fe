//! What people do: sales move deals and press Send, signers sign or decline. Always through the vendors' pages.

use anyhow::{Context, Result, ensure};
use contracts::wire::common::RecordRef;
use contracts::wire::envelope::Envelope;
use serde_json::{Map, Value, json};

use super::stage::{Stage, eventually};

/// The CRM connection of the generated configuration.
pub const CRM: &str = "hubspot-main";
/// The provider connection of the generated configuration.
pub const PROVIDER: &str = "atlas-main";
/// The connection of the generated configuration that speaks the same provider's second API.
pub const SECOND_API: &str = "atlas-next";

/// Stages a person moves a deal to, and what the generated configuration makes of them.
pub mod asks {
    /// Atlas fetches the order form; a person reviews and sends it.
    pub const FOR_REVIEW: &str = "contractsent";
    /// A template, sent without review.
    pub const FOR_TEMPLATE: &str = "readytosend";
    /// The order form is fetched here, uploaded, and sent without review.
    pub const FOR_UPLOAD: &str = "decisionmakerboughtin";
    /// A template at the second provider, sent without review.
    pub const FOR_SECOND_TEMPLATE: &str = "presentationscheduled";
    /// The second provider fetches the order form; a person reviews and sends it there.
    pub const FOR_SECOND_REVIEW: &str = "qualifiedtobuy";
}

/// A deal of a journey's own.
#[derive(Clone, Debug)]
pub struct Deal {
    /// Id in the CRM.
    pub id: String,
    /// Number of its order form; part of the document's name at the provider.
    pub number: String,
}

impl Deal {
    /// The deal as our services name it.
    pub fn record(&self) -> RecordRef {
        RecordRef { connection: CRM.to_owned(), object_type: "deal".to_owned(), object_id: self.id.clone() }
    }

    /// How the provider knows which deal an envelope belongs to.
    pub fn external_id(&self) -> String {
        format!("{CRM}:deal:{}", self.id)
    }
}

impl Stage {
    /// A sales person makes a deal whose order form is ready.
    ///
    /// # Errors
    /// When the CRM refuses.
    pub async fn new_deal(&self) -> Result<Deal> {
        self.new_deal_with(&[]).await
    }

    /// A deal with further properties.
    ///
    /// # Errors
    /// When the CRM refuses.
    pub async fn new_deal_with(&self, further: &[(&str, &str)]) -> Result<Deal> {
        let number = hex::encode(&runtime::random::new_id()[8..]);
        let files = format!("{}/files/order-{number}", self.addresses().atlas);
        let mut properties: Map<String, Value> = [
            ("dealname", format!("Order {number}")),
            ("amount", "1200".to_owned()),
            ("buyer_name", "Dana Buyer".to_owned()),
            ("buyer_email", format!("dana.{number}@buyer.test")),
            ("order_pdf_url", format!("{files}.pdf")),
            ("order_docx_url", format!("{files}.docx")),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Value::String(value)))
        .collect();
        properties.extend(further.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
        let url = format!("{}/__sim/deals", self.addresses().hubspot);
        let made = self.post(&url, &json!({"properties": properties})).await?;
        let id = made["id"].as_str().context("the CRM answered without an id")?.to_owned();
        Ok(Deal { id, number })
    }

    /// A sales person moves the deal to a stage.
    ///
    /// # Errors
    /// When the CRM refuses.
    pub async fn move_deal(&self, deal: &Deal, to: &str) -> Result<()> {
        let url = format!("{}/__sim/ui-edit", self.addresses().hubspot);
        let edit = json!({"id": deal.id, "properties": {"dealstage": to}});
        self.post(&url, &edit).await?;
        self.say(format!("sales moves a deal to \"{to}\""));
        Ok(())
    }

    /// A sales person opens the review page and presses Send.
    ///
    /// # Errors
    /// When the page says no.
    pub async fn review_and_send(&self, envelope: &Envelope) -> Result<()> {
        ensure!(!envelope.review_url.is_empty(), "the envelope has no review link");
        let (page, token) = envelope.review_url.split_once('?').context("the review link has no token")?;
        self.bytes(&envelope.review_url).await?;
        self.press(&format!("{page}/send?{token}"), &[]).await?;
        self.say("a person reviews the document and presses Send");
        Ok(())
    }

    /// Opens the mail of the signer whose place in the order this is, and returns the link in it.
    ///
    /// # Errors
    /// When no mail comes.
    pub async fn invitation(&self, provider_id: &str, order: u32) -> Result<String> {
        let inbox = format!("{}/__sim/inbox", self.addresses().atlas);
        eventually("the invitation to sign", async || {
            let mails = self.get(&inbox).await?;
            let mut mails = mails.as_array().into_iter().flatten();
            let mail = mails.find(|mail| mail["envelope_id"] == provider_id && mail["order"] == order);
            Ok(mail.and_then(|mail| mail["sign_url"].as_str()).map(str::to_owned))
        })
        .await
    }

    /// A signer opens the link of their mail and signs.
    ///
    /// # Errors
    /// When no mail comes, or the page says no.
    pub async fn sign(&self, provider_id: &str, order: u32) -> Result<()> {
        let link = self.invitation(provider_id, order).await?;
        self.bytes(&link).await?;
        self.press(&link, &[("action", "sign")]).await?;
        self.say(format!("signer {order} opens the mail and signs"));
        Ok(())
    }

    /// A signer opens the link of their mail and declines.
    ///
    /// # Errors
    /// When no mail comes, or the page says no.
    pub async fn decline(&self, provider_id: &str, order: u32, reason: &str) -> Result<()> {
        let link = self.invitation(provider_id, order).await?;
        self.bytes(&link).await?;
        self.press(&link, &[("action", "decline"), ("reason", reason)]).await?;
        self.say(format!("signer {order} opens the mail and declines"));
        Ok(())
    }

    /// A sales person works in the second provider's application.
    ///
    /// # Errors
    /// When the application says no.
    pub async fn act_in_pandadoc(&self, document: &str, act: &str) -> Result<()> {
        let url = format!("{}/__sim/ui/documents/{document}/{act}", self.addresses().pandadoc);
        self.post(&url, &json!({})).await.map(drop)
    }
}
