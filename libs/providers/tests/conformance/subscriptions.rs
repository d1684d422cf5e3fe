//! The subscription by which a vendor reports: it is found, given up by the vendor, turned on again, and its key changes.

use std::time::Duration;

use domain::intake::RawDelivery;
use domain::time::Timestamp;
use providers::{Provider, SubscriptionStanding};
use secrecy::ExposeSecret as _;
use serde_json::{Map, json};
use simulation::{Received, Receiver};

use crate::capabilities::key;
use crate::stand::{SHARED_KEY, Stand, variants};

/// Nothing here takes longer, unless it is broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// The stands of the vendors that have subscriptions, each with the receiver of its webhooks, which answers first
/// what `script` says.
async fn subscribed(script: &[u16]) -> Vec<(Stand, Receiver)> {
    let mut found = Vec::new();
    for (kind, options) in variants() {
        let receiver = Receiver::start(script.to_vec()).await.expect("a receiver");
        let stand = Stand::open(kind, options, Some(&receiver.url())).await;
        if stand.provider.capabilities().subscriptions {
            found.push((stand, receiver));
        }
    }
    assert!(!found.is_empty(), "no vendor has subscriptions: these tests judge nothing");
    found
}

async fn standing(provider: &dyn Provider) -> SubscriptionStanding {
    provider.subscription().await.expect("an answer").expect("there is one").standing
}

fn delivery(received: &Received) -> RawDelivery {
    let headers = received.headers.iter();
    RawDelivery {
        connection: "under-test".parse().expect("an id"),
        method: "POST".to_owned(),
        path_and_query: received.target.clone(),
        headers: headers.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect(),
        body: received.body.to_vec(),
        received_at: Timestamp(0),
    }
}

#[tokio::test]
async fn a_subscription_the_vendor_gave_up_is_seen_and_turned_on_again() {
    for (stand, receiver) in subscribed(&[410]).await {
        assert_eq!(standing(&*stand.provider).await, SubscriptionStanding::Active, "{}", stand.kind);
        stand.draft(1, stand.url_source()).await;
        let given_up =
            async { while standing(&*stand.provider).await != SubscriptionStanding::Deactivated {} };
        tokio::time::timeout(PATIENCE, given_up).await.expect("one 410 is enough");

        let ours = stand.provider.subscription().await.expect("an answer").expect("there is one");
        stand.provider.activate_subscription(&ours.id).await.expect("turned on");
        assert_eq!(standing(&*stand.provider).await, SubscriptionStanding::Active, "{}", stand.kind);
        stand.provider.activate_subscription(&ours.id).await.expect("twice is once");
        let before = receiver.received().len();
        stand.sent(2).await;
        let delivered = tokio::time::timeout(PATIENCE, receiver.until(before + 1)).await;
        assert!(delivered.is_ok(), "{}: it delivers again", stand.kind);
    }
}

#[tokio::test]
async fn a_connection_without_a_subscription_makes_one_and_only_one() {
    for (stand, _elsewhere) in subscribed(&[]).await {
        let receiver = Receiver::start([]).await.expect("a receiver");
        let provider = stand.reporting_to(&receiver.url());
        let none = provider.subscription().await.expect("an answer");
        assert_eq!(none, None, "{}: somebody else's subscription is not ours", stand.kind);
        let made = provider.subscribe("countersign").await.expect("made");
        let found = provider.subscription().await.expect("an answer").expect("there is one");
        assert_eq!((found.id, found.standing), (made.id.clone(), SubscriptionStanding::Active));
        assert!(provider.subscribe("countersign").await.is_err(), "{}: one is enough", stand.kind);
        assert!(!format!("{made:?}").contains(made.shared_key.expose_secret()), "{}: printed", stand.kind);

        stand.sent(1).await;
        let received = tokio::time::timeout(PATIENCE, receiver.until(1)).await.expect("it delivers");
        let scheme = providers::scheme(stand.kind, &Map::new()).expect("a scheme");
        let keys = [key("made", made.shared_key.expose_secret())];
        assert_eq!(scheme.verify(&delivery(&received[0]), &keys, Timestamp(0)), Ok(0), "{}", stand.kind);
        let told = received.iter().flat_map(|received| scheme.split(&delivery(received)));
        let correlated = told.into_iter().any(|signal| match signal.meaning {
            domain::intake::Meaning::Envelope(news) => !news.correlation.is_empty(),
            domain::intake::Meaning::Record(_) | domain::intake::Meaning::Nothing(_) => false,
        });
        assert!(correlated, "{}: the news carries what we attached", stand.kind);
    }
}

#[tokio::test]
async fn a_rotated_key_signs_from_then_on_and_the_old_one_is_still_believed_while_it_is_kept() {
    for (stand, receiver) in subscribed(&[]).await {
        stand.draft(1, stand.url_source()).await;
        let before = tokio::time::timeout(PATIENCE, receiver.until(1)).await.expect("it delivers").len();
        let ours = stand.provider.subscription().await.expect("an answer").expect("there is one");
        let new = stand.provider.rotate_shared_key(&ours.id).await.expect("another key");
        assert_ne!(new.expose_secret(), SHARED_KEY, "{}", stand.kind);

        stand.draft(2, stand.url_source()).await;
        let scheme = providers::scheme(stand.kind, &Map::new()).expect("a scheme");
        let keys = [key("new", new.expose_secret()), key("old", SHARED_KEY)];
        let signed_by = |received: &Received| {
            scheme.verify(&delivery(received), &keys, Timestamp(0)).expect("one of the two signed it")
        };
        let all = tokio::time::timeout(PATIENCE, async {
            loop {
                let all = receiver.until(before + 1).await;
                if all.iter().any(|received| signed_by(received) == 0) {
                    return all;
                }
                tokio::task::yield_now().await;
            }
        });
        let all = all.await.expect("the new key signs");
        assert!(all.iter().any(|received| signed_by(received) == 1), "{}: the old one did", stand.kind);
        let without_old = scheme.verify(&delivery(&all[0]), &keys[..1], Timestamp(0));
        assert!(without_old.is_err(), "{}: what the old key signed needs the old key", stand.kind);
    }
}

#[tokio::test]
async fn the_same_news_has_one_dedupe_key_however_often_it_comes() {
    for (kind, options) in variants() {
        let receiver = Receiver::start([]).await.expect("a receiver");
        let stand = Stand::open(kind, options, Some(&receiver.url())).await;
        stand.post("/__sim/webhooks", json!({"mode": "duplicate", "n": 3})).await;
        stand.sent(1).await;
        let scheme = providers::scheme(kind, &Map::new()).expect("a scheme");
        let received = tokio::time::timeout(PATIENCE, receiver.until(6)).await.expect("three of each");
        let mut by_body: std::collections::BTreeMap<Vec<u8>, Vec<Vec<String>>> = Default::default();
        for received in &received {
            let dedupes = scheme.split(&delivery(received)).into_iter().map(|signal| signal.dedupe).collect();
            by_body.entry(received.body.to_vec()).or_default().push(dedupes);
        }
        assert!(by_body.values().any(|twins| twins.len() > 1), "{kind}: nothing came twice");
        for twins in by_body.values() {
            assert!(twins.windows(2).all(|pair| pair[0] == pair[1]), "{kind}: {twins:?}");
        }
    }
}
