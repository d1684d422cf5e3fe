//! What the vendors saw: the exact effects of a journey, and nothing more.

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::people::Deal;
use super::stage::{Stage, eventually};

/// Who writes when we write.
const US: &str = "INTEGRATION";
/// Any value.
const ANY: &str = "*";

/// What a journey leaves on its deal: the values of each property, in order. Earlier ones may have been skipped,
/// because facts are not invented; the last one must be there; nothing is written twice.
pub type Wanted = &'static [(&'static str, &'static [&'static str])];

/// Signed by all.
pub const SIGNED: Wanted = &[
    ("dealstage", &["contract_out", "closedwon"]),
    ("esign_envelope_id", &[ANY]),
    ("esign_review_url", &[ANY]),
    ("esign_signed_at", &[ANY]),
    ("esign_status", &["Pending", "Signed"]),
];
/// Signed by all, sent by sales at the provider.
pub const SIGNED_ELSEWHERE: Wanted = &[
    ("dealstage", &["contract_out", "closedwon"]),
    ("esign_envelope_id", &[ANY]),
    ("esign_signed_at", &[ANY]),
    ("esign_status", &["Pending", "Signed"]),
];
/// Declined.
pub const DECLINED: Wanted = &[
    ("dealstage", &["contract_out"]),
    ("esign_envelope_id", &[ANY]),
    ("esign_reason", &[ANY]),
    ("esign_review_url", &[ANY]),
    ("esign_status", &["Pending", "Declined"]),
];
/// Voided after it was sent.
pub const VOIDED: Wanted = &[
    ("dealstage", &["contract_out"]),
    ("esign_envelope_id", &[ANY]),
    ("esign_review_url", &[ANY]),
    ("esign_status", &["Pending", "Cancelled"]),
];

/// One property set once.
#[derive(Clone, Debug, Deserialize)]
pub struct Write {
    /// Number of the update it was part of.
    pub update: u64,
    /// When, RFC 3339.
    pub at: String,
    /// Which property.
    pub property: String,
    /// To what.
    pub value: String,
    /// Whether it was something else before.
    pub changed: bool,
    /// Who: `INTEGRATION` is us.
    pub source: String,
}

impl Write {
    /// Whether we wrote it.
    pub fn is_ours(&self) -> bool {
        self.source == US
    }
}

impl Stage {
    /// Everything that was ever written to the deal, in order.
    ///
    /// # Errors
    /// When the CRM does not answer.
    pub async fn deal_history(&self, deal: &str) -> Result<Vec<Write>> {
        let shown = self.get(&format!("{}/__sim/deals/{deal}", self.addresses().hubspot)).await?;
        Ok(serde_json::from_value(shown["history"].clone())?)
    }

    /// Waits until a property of the deal has this value.
    ///
    /// # Errors
    /// When it has not in time.
    pub async fn deal_says(&self, deal: &Deal, property: &str, value: &str) -> Result<()> {
        let url = format!("{}/__sim/deals/{}", self.addresses().hubspot, deal.id);
        eventually(&format!("the deal to say {property} = {value}"), async || {
            Ok((self.get(&url).await?["properties"][property] == value).then_some(()))
        })
        .await?;
        self.say(format!("the deal says {property} = {value}"));
        Ok(())
    }

    /// Holds the deal against what it must have come to: every value once, the envelope's id before the stage,
    /// nothing further, one call per update.
    ///
    /// # Errors
    /// What differs.
    pub async fn check_deal(&self, deal: &Deal, provider_id: &str, wanted: Wanted) -> Result<()> {
        let history = self.deal_history(&deal.id).await?;
        let ours: Vec<&Write> = history.iter().filter(|write| write.is_ours()).collect();
        compare(&ours, wanted).with_context(|| format!("deal {}: {}", deal.id, told(&ours)))?;

        let first = |property: &str| ours.iter().find(|write| write.property == property);
        let link = first("esign_envelope_id").context("the envelope's id is not on the deal")?;
        ensure!(link.value == provider_id, "the deal names another envelope than {provider_id}");
        let early = ours.iter().find(|write| write.update < link.update);
        ensure!(early.is_none(), "the deal was changed before the envelope's id was on it: {}", told(&ours));

        let mut updates: Vec<u64> = ours.iter().map(|write| write.update).collect();
        updates.dedup();
        let calls = self.calls(&self.addresses().hubspot, "PATCH", "/crm/").await?;
        let calls = calls.iter().filter(|call| call.path.ends_with(&format!("/{}", deal.id)));
        let answered = calls.filter(|call| call.status == Some(200)).count();
        ensure!(answered == updates.len(), "{answered} calls made {} updates of the deal", updates.len());
        Ok(())
    }

    /// What was asked of the first provider for this deal, in order, with the answers: `create 201`, `send 409`.
    ///
    /// # Errors
    /// When the simulator does not answer.
    pub async fn atlas_calls(&self, deal: &Deal, provider_id: &str) -> Result<Vec<String>> {
        let mut calls = self.calls(&self.addresses().atlas, "POST", "/api/").await?;
        let external_id = deal.external_id();
        let about = [format!("/api/envelope/{provider_id}/"), format!("/api/v1/envelopes/{provider_id}/")];
        let act =
            |call: &Call| about.iter().find_map(|about| Some(call.path.strip_prefix(about)?.to_owned()));
        calls.retain(|call| act(call).is_some() || call.body.contains(&external_id));
        calls.sort_by_key(|call| call.seq);
        let word = |call: &Call| {
            let word = match act(call) {
                Some(act) => act,
                None if ["/api/envelope", "/api/v1/envelopes"].contains(&call.path.as_str()) => {
                    "create".to_owned()
                }
                None => "create from template".to_owned(),
            };
            let answer = call.status.map_or("unanswered".to_owned(), |status| status.to_string());
            format!("{word} {answer}")
        };
        Ok(calls.iter().map(word).collect())
    }

    /// Holds what was asked of the first provider against what must have been asked, and nothing more; and that
    /// it holds exactly one envelope for the deal.
    ///
    /// # Errors
    /// What differs.
    pub async fn check_atlas(&self, deal: &Deal, provider_id: &str, wanted: &[&str]) -> Result<()> {
        let calls = self.atlas_calls(deal, provider_id).await?;
        ensure!(calls == wanted, "Atlas was asked {calls:?} where {wanted:?} was to be asked");
        self.one_envelope_at_atlas(deal).await
    }

    /// Holds that the first provider has exactly one envelope for the deal.
    ///
    /// # Errors
    /// When there is none, or more.
    pub async fn one_envelope_at_atlas(&self, deal: &Deal) -> Result<()> {
        let all = self.get(&format!("{}/__sim/envelopes", self.addresses().atlas)).await?;
        let external_id = deal.external_id();
        let all = all.as_array().into_iter().flatten();
        let count =
            all.filter(|envelope| envelope["metadata"]["external_id"] == external_id.as_str()).count();
        ensure!(count == 1, "Atlas holds {count} envelopes for one deal");
        Ok(())
    }

    /// Requests a simulator received.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn calls(&self, simulator: &str, method: &str, path_prefix: &str) -> Result<Vec<Call>> {
        let url = format!("{simulator}/__sim/requests?method={method}&path_prefix={path_prefix}");
        Ok(serde_json::from_value(self.get(&url).await?)?)
    }

    /// Webhooks of one envelope or document.
    ///
    /// # Errors
    /// When the simulator does not answer.
    pub async fn webhooks_of(&self, simulator: &str, lane: &str) -> Result<Vec<Value>> {
        let found = self.get(&format!("{simulator}/__sim/deliveries?lane={lane}")).await?;
        found.as_array().cloned().context("deliveries are no list")
    }
}

/// A request in a simulator's journal.
#[derive(Clone, Debug, Deserialize)]
pub struct Call {
    /// Place in the journal.
    pub seq: u64,
    /// Path without query.
    pub path: String,
    /// The body as text.
    pub body: String,
    /// What was answered, if anything.
    pub status: Option<u16>,
}

fn compare(ours: &[&Write], wanted: Wanted) -> Result<()> {
    if let Some(write) = ours.iter().find(|write| !write.changed) {
        bail!("{} was written although it said so already", write.property);
    }
    let known = |property: &str| wanted.iter().any(|(name, _)| *name == property);
    if let Some(write) = ours.iter().find(|write| !known(&write.property)) {
        bail!("{} was not to be written", write.property);
    }
    for (property, values) in wanted {
        let written: Vec<&str> = ours
            .iter()
            .filter(|write| write.property == *property)
            .map(|write| write.value.as_str())
            .collect();
        let fits = |(wanted, written): (&&str, &&str)| *wanted == ANY || wanted == written;
        let mut left = values.iter();
        let in_order = written.iter().all(|value| left.any(|wanted| fits((wanted, value))));
        let ended = values.last().zip(written.last()).is_some_and(fits);
        ensure!(in_order && ended, "{property} was to become {values:?} and became {written:?}");
    }
    Ok(())
}

/// The writes without values that could be personal.
fn told(ours: &[&Write]) -> String {
    let shown = |write: &&Write| match write.property.as_str() {
        "dealstage" | "esign_status" => format!("{}:{}={}", write.update, write.property, write.value),
        property => format!("{}:{property}", write.update),
    };
    ours.iter().map(shown).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(property: &str, value: &str) -> Write {
        Write {
            update: 1,
            at: String::new(),
            property: property.to_owned(),
            value: value.to_owned(),
            changed: true,
            source: US.to_owned(),
        }
    }

    const WANTED: Wanted = &[("esign_status", &["Pending", "Signed"])];

    #[test]
    fn a_value_may_be_skipped_but_the_last_one_must_be_there() {
        let (pending, signed) = (write("esign_status", "Pending"), write("esign_status", "Signed"));
        assert!(compare(&[&pending, &signed], WANTED).is_ok());
        assert!(compare(&[&signed], WANTED).is_ok());
        assert!(compare(&[&pending], WANTED).is_err());
        assert!(compare(&[&signed, &pending], WANTED).is_err());
        assert!(compare(&[], WANTED).is_err());
    }

    #[test]
    fn a_repeated_or_foreign_write_is_one_too_many() {
        let (signed, stage) = (write("esign_status", "Signed"), write("dealstage", "closedwon"));
        assert!(compare(&[&signed, &signed], WANTED).is_err());
        assert!(compare(&[&signed, &stage], WANTED).is_err());
        let unchanged = Write { changed: false, ..write("esign_status", "Signed") };
        assert!(compare(&[&unchanged], WANTED).is_err());
    }
}
