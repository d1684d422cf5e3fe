//! Where each vendor shows what was done, and how often it was asked.

use anyhow::{Context, Result};
use contracts::wire::envelope::Envelope;
use countersign::journeys::Stage;
use serde_json::{Value, json};

use crate::troubles::Trouble;

/// A call that changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Create,
    Send,
    Remind,
    Void,
}

/// One vendor's simulator.
pub struct Vendor {
    /// The connection of ours.
    pub connection: &'static str,
    /// Roles of the two parties.
    pub roles: [&'static str; 2],
    url: String,
    files: String,
    /// Method and last part of the path of each call; creating has no last part.
    calls: [(Call, &'static str, &'static str); 4],
    /// Where envelopes are made.
    create_path: &'static str,
    locks: bool,
}

impl Vendor {
    pub fn atlas(stage: &Stage) -> Self {
        Self {
            connection: "atlas-main",
            roles: ["Customer", "Company"],
            url: stage.addresses().atlas.clone(),
            files: stage.addresses().atlas.clone(),
            calls: [
                (Call::Create, "POST", ""),
                (Call::Send, "POST", "/send"),
                (Call::Remind, "POST", "/remind"),
                (Call::Void, "POST", "/void"),
            ],
            create_path: "/api/envelope",
            locks: false,
        }
    }

    pub fn pandadoc(stage: &Stage) -> Self {
        Self {
            connection: "pandadoc-sales",
            roles: ["Client", "Sender"],
            url: stage.addresses().pandadoc.clone(),
            files: stage.addresses().pandadoc.clone(),
            calls: [
                (Call::Create, "POST", ""),
                (Call::Send, "POST", "/send"),
                (Call::Remind, "POST", "/send-reminder"),
                (Call::Void, "PATCH", "/status"),
            ],
            create_path: "/public/v1/documents",
            locks: true,
        }
    }

    /// An address of a document.
    pub fn document(&self) -> String {
        format!("{}/files/order-7.pdf", self.files)
    }

    /// Whether this can happen there.
    pub fn knows(&self, trouble: &Trouble) -> bool {
        self.locks || !trouble.lock
    }

    fn call(&self, call: Call) -> (&'static str, &'static str) {
        let found = self.calls.iter().find(|(known, ..)| *known == call);
        found.map_or(("", ""), |(_, method, last)| (*method, *last))
    }

    /// Has the next such calls go wrong.
    pub async fn spoil(&self, stage: &Stage, call: Call, trouble: &Trouble) -> Result<()> {
        let (method, last) = self.call(call);
        let path = if last.is_empty() { self.create_path.to_owned() } else { format!("~{last}") };
        // No order may be left over for the next case: a call that is not repeated meets one.
        let times = trouble.times.min(*trouble.attempts(call).end());
        let rule = json!({
            "match": {"method": method, "path": path}, "times": times, "hold_ms": 20, "action": trouble.action,
        });
        stage.post(&format!("{}/__sim/faults", self.url), &rule).await.map(drop)
    }

    /// The calls that were made for this envelope, as the vendor wrote them down.
    async fn calls_made(&self, stage: &Stage, call: Call, envelope: &Envelope) -> Result<Vec<Value>> {
        let (method, last) = self.call(call);
        let (ours_id, id) = (&envelope.envelope_id, &envelope.provider_id);
        let prefix = self.create_path;
        let query = format!("{}/__sim/requests?method={method}&path_prefix={prefix}", self.url);
        let ours = |entry: &Value| {
            let path = entry["path"].as_str().unwrap_or_default();
            match call {
                Call::Create => {
                    path == prefix && entry["body"].as_str().unwrap_or_default().contains(ours_id.as_str())
                }
                Call::Send | Call::Remind | Call::Void => path == format!("{prefix}/{id}{last}"),
            }
        };
        let found = stage.get(&query).await?;
        Ok(found.as_array().into_iter().flatten().filter(|entry| ours(entry)).cloned().collect())
    }

    /// How many calls were made.
    pub async fn attempts(&self, stage: &Stage, call: Call, envelope: &Envelope) -> Result<usize> {
        Ok(self.calls_made(stage, call, envelope).await?.len())
    }

    /// How often it happened at the vendor, as the vendor has it.
    pub async fn effects(&self, stage: &Stage, call: Call, envelope: &Envelope) -> Result<usize> {
        let id = envelope.provider_id.as_str();
        match (self.connection, call) {
            ("atlas-main", Call::Create) => {
                let all = stage.get(&format!("{}/__sim/envelopes", self.url)).await?;
                Ok(count(&all, |one| one["metadata"].to_string().contains(&envelope.envelope_id)))
            }
            ("atlas-main", Call::Send) => self.mails(stage, id, "invitation").await,
            ("atlas-main", Call::Remind) => self.mails(stage, id, "reminder").await,
            ("atlas-main", Call::Void) => self.told(stage, id, "envelope.voided").await,
            (_, Call::Create) => {
                let page = stage.bytes(&format!("{}/", self.url)).await?;
                let page = String::from_utf8(page).context("a page that is no text")?;
                Ok(page.matches(&format!("{}<", envelope.title)).count())
            }
            (_, Call::Send) => self.told(stage, id, "document.sent").await,
            (_, Call::Void) => self.told(stage, id, "document.voided").await,
            (_, Call::Remind) => {
                let sent = stage.get(&format!("{}/__sim/documents/{id}/reminders", self.url)).await?;
                let sent = sent["reminders"].as_u64().context("a number of reminders")?;
                Ok(usize::try_from(sent)?)
            }
        }
    }

    async fn mails(&self, stage: &Stage, id: &str, kind: &str) -> Result<usize> {
        let mails = stage.get(&format!("{}/__sim/inbox", self.url)).await?;
        Ok(count(&mails, |mail| mail["envelope_id"] == id && mail["kind"] == kind && mail["order"] == 1))
    }

    /// Webhooks about the envelope that say this.
    async fn told(&self, stage: &Stage, id: &str, word: &str) -> Result<usize> {
        let deliveries = stage.get(&format!("{}/__sim/deliveries?lane={id}", self.url)).await?;
        Ok(count(&deliveries, |delivery| {
            let body = delivery["body"].as_str().unwrap_or_default();
            body.contains(&format!("\"{word}\"")) && !body.contains("document_updated")
        }))
    }
}

fn count(list: &Value, fits: impl Fn(&Value) -> bool) -> usize {
    list.as_array().into_iter().flatten().filter(|one| fits(one)).count()
}
