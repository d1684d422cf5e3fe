//! The subscription by which the vendor reports to us (pandadoc.md §6).

use outbound::Request;
use secrecy::SecretString;
use serde_json::{Value, json};
use url::Url;

use super::adapter::Adapter;
use crate::error::Call;
use crate::{NewSubscription, ProviderError, Subscription, SubscriptionStanding, reading};

/// What we ask to be told: everything about documents. What else the vendor tells has no meaning here.
const TRIGGERS: [&str; 6] = [
    "document_state_changed",
    "document_completed_pdf_ready",
    "document_updated",
    "recipient_completed",
    "document_deleted",
    "document_creation_failed",
];
/// What each event carries beyond the usual: the metadata holds our correlation.
const PAYLOAD: [&str; 1] = ["metadata"];

impl Adapter {
    fn subscriptions_url(&self, rest: &[&str]) -> Url {
        self.api_url("webhook-subscriptions", rest)
    }

    /// Ours among the subscriptions of the workspace: the one with our address; without an address, the only one.
    pub(super) async fn our_subscription(&self) -> Result<Option<Subscription>, ProviderError> {
        let answer = self.read(self.subscriptions_url(&[]), "list_subscriptions").await?;
        let all = reading::list(&answer, &["/items", "/results"]);
        let found = match (&self.webhook_url, all) {
            (Some(ours), all) => all.iter().find(|one| is_at(one, ours)),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        Ok(found.and_then(read))
    }

    /// Turns a subscription on again.
    pub(super) async fn activate(&self, id: &str) -> Result<(), ProviderError> {
        let url = self.subscriptions_url(&[id]);
        let request = Request::patch_json(url, "activate_subscription", &json!({"active": true}));
        self.send_checked(request, Call::Write).await.map(drop)
    }

    /// Makes a subscription at our address, unless there is one.
    pub(super) async fn subscribe_here(&self, name: &str) -> Result<NewSubscription, ProviderError> {
        let Some(address) = self.webhook_url.as_ref() else {
            return Err(ProviderError::invalid("webhook_url_missing"));
        };
        // the vendor writes the signature into the query: nobody says how it does beside another
        if address.query().is_some() {
            return Err(ProviderError::invalid("webhook_url_has_query"));
        }
        if self.our_subscription().await?.is_some() {
            return Err(ProviderError::invalid("already_subscribed"));
        }
        let body = json!({
            "name": name, "url": address.as_str(), "triggers": TRIGGERS, "payload": PAYLOAD, "active": true,
        });
        let request = Request::post_json(self.subscriptions_url(&[]), "create_subscription", &body);
        let answer = self.send_checked(request, Call::Write).await?;
        let made = answer.json().unwrap_or_default();
        new(&made).ok_or_else(|| ProviderError::unreadable(Call::Write, answer.status))
    }

    /// A new shared key; the old one may sign nothing any more from now on.
    pub(super) async fn rotate(&self, id: &str) -> Result<SecretString, ProviderError> {
        let url = self.subscriptions_url(&[id, "shared-key"]);
        let request = Request::patch_json(url, "rotate_shared_key", &json!({}));
        let answer = self.send_checked(request, Call::Write).await?;
        let body: Value = answer.json().unwrap_or_default();
        key(&body).ok_or_else(|| ProviderError::unreadable(Call::Write, answer.status))
    }
}

/// Whether the subscription reports to this address; the signature's place in the query does not count.
fn is_at(subscription: &Value, ours: &Url) -> bool {
    let plain = |mut url: Url| {
        url.set_query(None);
        url.set_fragment(None);
        url
    };
    let theirs = reading::text(subscription, &["/url"]).and_then(|url| url.parse::<Url>().ok());
    theirs.is_some_and(|theirs| plain(theirs) == plain(ours.clone()))
}

fn read(subscription: &Value) -> Option<Subscription> {
    let id = reading::text(subscription, &["/uuid", "/id"])?.to_owned();
    let active = subscription.get("active").and_then(Value::as_bool);
    let standing = match (reading::text(subscription, &["/status"]), active) {
        (Some("DEACTIVATED"), _) => SubscriptionStanding::Deactivated,
        (Some("ACTIVE"), _) | (None, Some(true)) => SubscriptionStanding::Active,
        // an unknown word is not trusted to deliver
        (Some(_), _) | (None, Some(false) | None) => SubscriptionStanding::Inactive,
    };
    Some(Subscription { id, standing })
}

fn new(made: &Value) -> Option<NewSubscription> {
    Some(NewSubscription { id: read(made)?.id, shared_key: key(made)? })
}

fn key(value: &Value) -> Option<SecretString> {
    reading::text(value, &["/shared_key"]).map(|key| SecretString::from(key.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_is_the_one_at_our_address_whatever_its_query() {
        let ours: Url = "https://mw.test/v1/hooks/s".parse().unwrap();
        assert!(is_at(&json!({"url": "https://mw.test/v1/hooks/s?signature={signature}"}), &ours));
        assert!(!is_at(&json!({"url": "https://mw.test/v1/hooks/other"}), &ours));
    }

    #[test]
    fn a_status_word_nobody_knows_does_not_pass_for_active() {
        let standing = |value| read(&value).unwrap().standing;
        assert_eq!(standing(json!({"uuid": "s", "status": "ACTIVE"})), SubscriptionStanding::Active);
        assert_eq!(
            standing(json!({"uuid": "s", "status": "DEACTIVATED"})),
            SubscriptionStanding::Deactivated
        );
        assert_eq!(standing(json!({"uuid": "s", "status": "PAUSED"})), SubscriptionStanding::Inactive);
        assert_eq!(standing(json!({"uuid": "s", "active": true})), SubscriptionStanding::Active);
    }
}
