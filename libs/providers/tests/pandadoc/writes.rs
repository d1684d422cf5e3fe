//! Every write call × everything that can go wrong with it: what is known afterwards, how often it was tried, and
//! that trying again the way its class asks for has the effect once.

use std::time::Duration;

use domain::ids::ProviderEnvelopeId;
use domain::intake::Claim;
use domain::retry::Retry;
use providers::pandadoc::Adapter;
use providers::{Class, Provider, ProviderError, SubscriptionStanding};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{
    By, Office, found, in_memory, order, ours, parties, template_source, until, upload_source, url_source,
};

const DOCUMENTS: &str = "/public/v1/documents";
const SUBSCRIPTIONS: &str = "/public/v1/webhook-subscriptions";

/// The calls that change something at the vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Write {
    CreateFromUrl,
    CreateFromTemplate,
    CreateFromUpload,
    Send,
    Remind,
    Void,
    Revert,
    Delete,
    Activate,
    Subscribe,
    Rotate,
}

const WRITES: [Write; 11] = [
    Write::CreateFromUrl,
    Write::CreateFromTemplate,
    Write::CreateFromUpload,
    Write::Send,
    Write::Remind,
    Write::Void,
    Write::Revert,
    Write::Delete,
    Write::Activate,
    Write::Subscribe,
    Write::Rotate,
];

/// What happens to the first try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    TooFast,
    Locked,
    AccessExpired,
    BrokenBefore,
    BrokenAfter,
    SilentBefore,
    SilentAfter,
    LineDropped,
}

const TROUBLES: [Trouble; 8] = [
    Trouble::TooFast,
    Trouble::Locked,
    Trouble::AccessExpired,
    Trouble::BrokenBefore,
    Trouble::BrokenAfter,
    Trouble::SilentBefore,
    Trouble::SilentAfter,
    Trouble::LineDropped,
];

impl Trouble {
    fn fault(self) -> Value {
        match self {
            Self::TooFast => {
                json!({"status": 429, "headers": {"retry-after": "1"}, "body": {"type": "throttled"}})
            }
            Self::Locked => json!({"status": 423, "headers": {"date": "Mon, 02 Nov 2026 09:00:00 GMT"},
                "body": {"type": "document_locked", "expires_at": "2026-11-02T09:00:30Z"}}),
            Self::AccessExpired => json!({"status": 401, "body": {"type": "authentication_error"}}),
            Self::BrokenBefore => json!({"status": 503}),
            Self::BrokenAfter => json!({"status": 500, "after_apply": true}),
            Self::SilentBefore => json!("timeout_before_apply"),
            Self::SilentAfter => json!("timeout_after_apply"),
            Self::LineDropped => json!("drop_connection"),
        }
    }

    /// What the first try says; `None` if it mends itself.
    fn expected(self) -> Option<(Class, Option<Retry>)> {
        let after = |seconds| Some(Retry::After(Duration::from_secs(seconds)));
        match self {
            Self::TooFast => Some((Class::RateLimited, after(1))),
            Self::Locked => Some((Class::Locked, after(30))),
            Self::AccessExpired => None,
            Self::BrokenBefore
            | Self::BrokenAfter
            | Self::SilentBefore
            | Self::SilentAfter
            | Self::LineDropped => Some((Class::OutcomeUnknown, None)),
        }
    }
}

impl Trouble {
    /// Whether the effect is there without a second try, or a second try is certainly right.
    const fn is_got_over(self) -> bool {
        match self {
            Self::TooFast | Self::Locked | Self::AccessExpired | Self::BrokenAfter | Self::SilentAfter => {
                true
            }
            Self::BrokenBefore | Self::SilentBefore | Self::LineDropped => false,
        }
    }
}

impl Write {
    const fn creates(self) -> bool {
        matches!(self, Self::CreateFromUrl | Self::CreateFromTemplate | Self::CreateFromUpload)
    }

    /// Method and path of the call.
    fn call(self, subject: &str) -> (&'static str, String) {
        let document = |rest: &str| format!("{DOCUMENTS}/{subject}{rest}");
        match self {
            Self::CreateFromUrl | Self::CreateFromTemplate | Self::CreateFromUpload => {
                ("POST", DOCUMENTS.to_owned())
            }
            Self::Send => ("POST", document("/send")),
            Self::Remind => ("POST", document("/send-reminder")),
            Self::Void => ("PATCH", document("/status")),
            Self::Revert => ("POST", document("/draft")),
            Self::Delete => ("DELETE", document("")),
            Self::Activate => ("PATCH", format!("{SUBSCRIPTIONS}/{subject}")),
            Self::Subscribe => ("POST", SUBSCRIPTIONS.to_owned()),
            Self::Rotate => ("PATCH", format!("{SUBSCRIPTIONS}/{subject}/shared-key")),
        }
    }

    /// A workspace that lacks what is to be made.
    async fn office(self) -> Office {
        match self {
            Self::Subscribe => Office::with(quick(), None).await,
            Self::CreateFromUrl
            | Self::CreateFromTemplate
            | Self::CreateFromUpload
            | Self::Send
            | Self::Remind
            | Self::Void
            | Self::Revert
            | Self::Delete
            | Self::Activate
            | Self::Rotate => Office::open().await,
        }
    }

    /// What it is done to, made ready.
    async fn subject(self, office: &Office, adapter: &Adapter) -> String {
        match self {
            Self::CreateFromUrl | Self::CreateFromTemplate | Self::CreateFromUpload | Self::Subscribe => {
                String::new()
            }
            Self::Send | Self::Delete => office.draft(adapter, 1).await.to_string(),
            Self::Remind | Self::Void | Self::Revert => office.sent(adapter, 1).await.to_string(),
            Self::Rotate => adapter.subscription().await.expect("an answer").expect("a subscription").id,
            Self::Activate => {
                let id = adapter.subscription().await.expect("an answer").expect("a subscription").id;
                office.change(&format!("{SUBSCRIPTIONS}/{id}"), json!({"active": false})).await;
                let off = adapter.subscription().await.expect("an answer").expect("a subscription");
                assert_eq!(off.standing, SubscriptionStanding::Inactive);
                id
            }
        }
    }

    async fn once(self, office: &Office, adapter: &Adapter, subject: &str) -> Result<(), ProviderError> {
        let id = || -> ProviderEnvelopeId { subject.parse().expect("an id") };
        let create = async |source| adapter.create(&order(1, source), "no key").await.map(drop);
        match self {
            Self::CreateFromUrl => create(url_source(office)).await,
            Self::CreateFromTemplate => create(template_source()).await,
            Self::CreateFromUpload => create(upload_source()).await,
            Self::Send => adapter.send(&id(), &parties(), None, "no key").await,
            Self::Remind => adapter.remind(&id()).await,
            Self::Void => adapter.void(&id(), "order cancelled").await,
            Self::Revert => adapter.reopen(&id()).await,
            Self::Delete => adapter.delete(&id()).await,
            Self::Activate => adapter.activate_subscription(subject).await,
            Self::Subscribe => adapter.subscribe("countersign").await.map(drop),
            Self::Rotate => {
                let key = adapter.rotate_shared_key(subject).await?;
                assert_eq!(office.only_subscription().await["shared_key"], key.expose_secret());
                Ok(())
            }
        }
    }

    /// Once more, as whoever hears of that trouble does: what may have happened is looked for before it is repeated.
    async fn again(self, office: &Office, adapter: &Adapter, subject: &str, first: &ProviderError) {
        if self.creates() && first.class == Class::OutcomeUnknown {
            if found(adapter, 1).await.is_none() {
                self.once(office, adapter, subject).await.expect("created");
            }
            return;
        }
        // one that may have gone out is not made again: nobody wants two
        if self == Self::Remind && first.class == Class::OutcomeUnknown {
            return;
        }
        let Err(second) = self.once(office, adapter, subject).await else { return };
        match self {
            // it has happened: its present state says so
            Self::Void | Self::Revert => assert_eq!(second.class, Class::Conflict, "{self:?}"),
            Self::Subscribe => assert_eq!(second.code, "already_subscribed"),
            Self::CreateFromUrl
            | Self::CreateFromTemplate
            | Self::CreateFromUpload
            | Self::Send
            | Self::Remind
            | Self::Delete
            | Self::Activate
            | Self::Rotate => panic!("{self:?}: {second}"),
        }
    }

    /// That the effect is there, once; a reminder of unknown outcome as the vendor has it.
    async fn check(self, trouble: Trouble, office: &Office, adapter: &Adapter, subject: &str, case: &str) {
        let id = || -> ProviderEnvelopeId { subject.parse().expect("an id") };
        match self {
            Self::CreateFromUrl | Self::CreateFromTemplate | Self::CreateFromUpload => {
                let key = providers::ENVELOPE_ID_KEY;
                let found = office.read(&format!("{DOCUMENTS}?metadata_{key}={}", ours(1))).await;
                assert_eq!(found["results"].as_array().map(Vec::len), Some(1), "{case}: one document");
            }
            Self::Send => assert_eq!(office.audited(&id(), 6).await, 1, "{case}: sent once"),
            Self::Void => {
                assert_eq!(office.audited(&id(), 19).await, 1, "{case}: ended once");
                until(adapter, &id(), |seen| seen.claim == Claim::Voided).await;
            }
            Self::Revert => assert_eq!(office.audited(&id(), 2).await, 1, "{case}: taken back once"),
            Self::Delete => {
                let gone = office.read(&format!("{DOCUMENTS}?id={subject}")).await;
                assert_eq!(gone["results"].as_array().map(Vec::len), Some(0), "{case}: gone");
            }
            Self::Remind => {
                let sent = office.get(&format!("/__sim/documents/{subject}/reminders")).await;
                assert_eq!(sent["reminders"], u64::from(trouble.is_got_over()), "{case}: reminded");
            }
            Self::Subscribe => assert_eq!(office.only_subscription().await["url"], office.hook, "{case}"),
            Self::Activate => assert_eq!(office.only_subscription().await["active"], true, "{case}: on"),
            // the new one was compared with the answer that named it
            Self::Rotate => {
                let key = &office.only_subscription().await["shared_key"];
                assert_ne!(key, super::SHARED_KEY, "{case}: another key");
            }
        }
    }
}

#[tokio::test]
async fn a_write_that_goes_wrong_says_what_is_known_and_has_its_effect_once() {
    for write in WRITES {
        for trouble in TROUBLES {
            let case = format!("{write:?} {trouble:?}");
            let office = write.office().await;
            let adapter = office.adapter(By::OAuth(in_memory()));
            let subject = write.subject(&office, &adapter).await;
            adapter.subscription().await.expect("access is there already");
            let refreshed = office.get("/__sim/oauth").await["refreshed"].as_u64().expect("a number");
            let (method, path) = write.call(&subject);
            let before = office.requests(method, &path).await;
            office.spoil(method, &path, trouble.fault()).await;

            let first = write.once(&office, &adapter, &subject).await;
            let tried = office.requests(method, &path).await - before;
            match (trouble.expected(), first) {
                (None, first) => {
                    first.unwrap_or_else(|error| panic!("{case}: {error}"));
                    assert_eq!(tried, 2, "{case}: once with the old access, once with the new");
                    let now = office.get("/__sim/oauth").await["refreshed"].as_u64().expect("a number");
                    assert_eq!(now, refreshed + 1, "{case}: one refresh");
                }
                (Some((class, retry)), Err(error)) => {
                    assert_eq!(error.class, class, "{case}: {error}");
                    assert_ne!(error.retry, Retry::Never, "{case}");
                    assert!(retry.is_none_or(|retry| retry == error.retry), "{case}: {:?}", error.retry);
                    assert_eq!(tried, 1, "{case}: nothing is tried twice behind the caller's back");
                    write.again(&office, &adapter, &subject, &error).await;
                    let tried = office.requests(method, &path).await - before;
                    assert!(tried <= 2, "{case}: {tried} tries");
                }
                (Some(_), Ok(())) => panic!("{case}: it should have gone wrong"),
            }
            write.check(trouble, &office, &adapter, &subject, &case).await;
        }
    }
}

#[tokio::test]
async fn a_key_that_is_refused_is_not_tried_twice_and_says_that_patience_does_not_help() {
    for write in WRITES {
        let office = write.office().await;
        let adapter = office.adapter(By::Key);
        let subject = write.subject(&office, &adapter).await;
        let (method, path) = write.call(&subject);
        let before = office.requests(method, &path).await;
        office.spoil(method, &path, Trouble::AccessExpired.fault()).await;
        let refused = write.once(&office, &adapter, &subject).await.expect_err("refused");
        assert_eq!((refused.class, refused.retry), (Class::Unauthorized, Retry::Never), "{write:?}");
        assert_eq!(office.requests(method, &path).await, before + 1, "{write:?}");
    }
}

fn quick() -> providers::pandadoc::simulator::Switches {
    providers::pandadoc::simulator::Switches { creation_delay_ms: 0, pdf_delay_ms: 0, ..Default::default() }
}
