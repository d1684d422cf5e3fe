//! What a template asks for, read before it is used (atlas.md §14).
//!
//! The vendor takes a prefill label that its template does not have without a word and leaves the field empty, so a
//! misspelt label would go out to a signer. What a template asks for is kept for a few minutes to save calls; a
//! refusal of the vendor forgets it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::ids::ProviderEnvelopeId;
use domain::parties::Parties;
use parking_lot::Mutex;
use serde_json::Value;

use super::Adapter;
use crate::{CreateOrder, ProviderError, reading};

/// How long what was read counts.
const KEPT_FOR: Duration = Duration::from_secs(300);
/// Templates kept at most.
const KEPT_MAX: usize = 100;

/// Envelopes whose first reading is compared with their order at most; of more nobody is warned.
const MADE_MAX: usize = 1_000;

/// Templates read lately, and envelopes made from them that were not read yet.
#[derive(Default)]
pub(super) struct Templates {
    read: Mutex<HashMap<String, (Instant, Arc<Asks>)>>,
    made: Mutex<HashMap<ProviderEnvelopeId, Given>>,
}

/// What an envelope was given when it was made.
struct Given {
    webhook_url: Option<String>,
    metadata: BTreeMap<String, String>,
}

/// What a template asks for; `None` where the vendor does not say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asks {
    roles: Option<BTreeSet<String>>,
    prefill: Option<BTreeSet<String>>,
}

impl Templates {
    fn known(&self, id: &str) -> Option<Arc<Asks>> {
        let kept = self.read.lock();
        kept.get(id).filter(|(at, _)| at.elapsed() < KEPT_FOR).map(|(_, asks)| asks.clone())
    }

    fn keep(&self, id: &str, asks: Arc<Asks>) {
        let mut kept = self.read.lock();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(id.to_owned(), (Instant::now(), asks));
    }

    pub(super) fn forget(&self, id: &str) {
        self.read.lock().remove(id);
    }

    /// Remembers what an envelope was given, until it is read.
    pub(super) fn made(&self, id: &ProviderEnvelopeId, order: &CreateOrder, webhook_url: Option<&str>) {
        let given =
            Given { webhook_url: webhook_url.map(str::to_owned), metadata: order.correlation.clone() };
        let mut made = self.made.lock();
        if made.len() < MADE_MAX {
            made.insert(id.clone(), given);
        }
    }

    /// No page of the vendor's shows that an envelope made from a template keeps the webhook address and the metadata
    /// (atlas.md §14, §23.13): its first reading tells. Without them it is polled, as every envelope is, but nobody
    /// reports in between, and a person should know.
    pub(super) fn compare(&self, id: &ProviderEnvelopeId, envelope: &Value) {
        let Some(given) = self.made.lock().remove(id) else { return };
        for lost in given.missing_in(envelope) {
            tracing::warn!(provider.id = %id, lost, "an envelope made from a template does not carry what it was given");
        }
    }
}

impl Adapter {
    /// Refuses an order whose roles or labels the template does not have; nothing has been made then.
    pub(super) async fn check_template(
        &self,
        id: &str,
        parties: &Parties,
        prefill: &BTreeMap<String, String>,
    ) -> Result<(), ProviderError> {
        let asks = match self.templates.known(id) {
            Some(asks) => asks,
            None => {
                let answer = self.read(self.url(&["templates", id]), "get_template").await?;
                let asks = Arc::new(Asks::read(&answer));
                self.templates.keep(id, asks.clone());
                asks
            }
        };
        let refused = asks.refusal(parties, prefill);
        if refused.is_some() {
            self.templates.forget(id);
        }
        refused.map_or(Ok(()), |code| Err(ProviderError::invalid(code)))
    }
}

impl Given {
    /// What the vendor has not kept of it.
    fn missing_in(&self, envelope: &Value) -> Vec<&'static str> {
        let address = reading::text(envelope, &["/webhook_url", "/webhookUrl", "/envelope/webhook_url"]);
        let kept = reading::correlation(envelope, &["/metadata", "/envelope/metadata"]);
        let reported = self.webhook_url.is_none() || address == self.webhook_url.as_deref();
        let found = self.metadata.iter().all(|(key, value)| kept.get(key) == Some(value));
        let all = [("webhook_url", reported), ("metadata", found)];
        all.into_iter().filter(|(_, there)| !there).map(|(name, _)| name).collect()
    }
}

impl Asks {
    fn read(answer: &Value) -> Self {
        let roles = ["/roles", "/parties_for_send", "/partiesForSend", "/signer_roles", "/template/roles"];
        let labels = ["/prefill_keys", "/prefillKeys", "/prefill", "/template/prefill_keys"];
        Self {
            roles: told(answer, &roles, &["/role", "/role_name", "/name"]).filter(|roles| !roles.is_empty()),
            prefill: told(answer, &labels, &["/key", "/label", "/name"]),
        }
    }

    fn refusal(&self, parties: &Parties, prefill: &BTreeMap<String, String>) -> Option<&'static str> {
        let given: BTreeSet<String> = parties.as_slice().iter().map(|party| party.role.clone()).collect();
        if self.roles.as_ref().is_some_and(|roles| *roles != given) {
            return Some("template_roles_differ");
        }
        let known = |labels: &BTreeSet<String>| prefill.keys().all(|label| labels.contains(label));
        if self.prefill.as_ref().is_some_and(|labels| !known(labels)) {
            return Some("template_prefill_unknown");
        }
        None
    }
}

/// The names in the first list that is there: texts, or objects with a name.
fn told(answer: &Value, lists: &[&str], names: &[&str]) -> Option<BTreeSet<String>> {
    let list = lists.iter().find_map(|pointer| answer.pointer(pointer)?.as_array())?;
    let name = |entry: &Value| entry.as_str().or_else(|| reading::text(entry, names)).map(str::to_owned);
    list.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_template_send_has_not_kept_is_named() {
        let hook = "https://mw.test/v1/hooks/a";
        let metadata = BTreeMap::from([("external_id".to_owned(), "20417".to_owned())]);
        let given = Given { webhook_url: Some(hook.to_owned()), metadata };
        let whole = json!({"webhook_url": hook, "metadata": {"external_id": "20417", "more": 1}});
        assert!(given.missing_in(&whole).is_empty());
        assert_eq!(given.missing_in(&json!({"webhook_url": null})), ["webhook_url", "metadata"]);
        assert_eq!(given.missing_in(&json!({"webhook_url": hook, "metadata": {}})), ["metadata"]);
        assert_eq!(Given { webhook_url: None, ..given }.missing_in(&whole), Vec::<&str>::new());
    }

    fn set(names: &[&str]) -> Option<BTreeSet<String>> {
        Some(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn what_a_template_asks_for_is_read_in_every_shape_and_silence_is_no_answer() {
        let shapes = [
            json!({"roles": ["Customer"], "prefill_keys": ["amount"]}),
            json!({"roles": [{"role": "Customer"}], "prefill_keys": [{"key": "amount"}]}),
            json!({"parties_for_send": [{"role_name": "Customer"}], "prefillKeys": ["amount"]}),
        ];
        for shape in shapes {
            let expected = Asks { roles: set(&["Customer"]), prefill: set(&["amount"]) };
            assert_eq!(Asks::read(&shape), expected, "{shape}");
        }
        assert_eq!(Asks::read(&json!({"template_id": "t1"})), Asks::default());
        assert_eq!(Asks::read(&json!({"roles": [], "prefill_keys": []})).roles, None);
    }
}
