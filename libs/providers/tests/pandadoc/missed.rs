//! What happened while nobody listened: changes, missed deliveries, the subscription.

use std::collections::BTreeSet;

use domain::intake::{Claim, RawDelivery};
use domain::time::Timestamp;
use providers::{MissedDelivery, Provider, SubscriptionStanding};
use secrecy::ExposeSecret;
use serde_json::{Map, json};
use signatures::VerifyKey;

use super::{By, ConnectionSettings, Office, PATIENCE, SHARED_KEY, secret};

fn delivered(missed: &MissedDelivery) -> RawDelivery {
    RawDelivery {
        connection: "pandadoc-sales".parse().expect("a connection id"),
        method: "POST".to_owned(),
        path_and_query: format!("/v1/hooks/pandadoc-sales?{}", missed.query),
        headers: missed.headers.clone(),
        body: missed.body.to_vec(),
        received_at: Timestamp(0),
    }
}

#[tokio::test]
async fn deliveries_that_nobody_took_are_found_page_by_page_and_prove_themselves() {
    let office = Office::open().await;
    let adapter = office.adapter(By::Key);
    let mut documents = BTreeSet::new();
    for number in 0..60 {
        let id = office.draft(&adapter, number).await;
        documents.insert(id.to_string());
    }
    let scheme = providers::scheme("pandadoc", &Map::new()).expect("a scheme");
    let keys = [VerifyKey::new("s1", secret(SHARED_KEY)).expect("a key")];
    let look = async {
        loop {
            let (mut found, mut pages, mut page) = (Vec::new(), 0, 1);
            loop {
                let missed = adapter.missed_deliveries(Timestamp(0), page).await.expect("a page");
                assert!(missed.items.is_sorted_by_key(|delivery| delivery.made_at));
                found.extend(missed.items);
                pages += 1;
                if !missed.more {
                    break;
                }
                page += 1;
            }
            let about: BTreeSet<String> = found
                .iter()
                .flat_map(|missed| scheme.split(&delivered(missed)))
                .map(|signal| signal.subject)
                .collect();
            if about == documents {
                return (found, pages);
            }
        }
    };
    let (found, pages) = tokio::time::timeout(PATIENCE, look).await.expect("all are found in time");
    assert!(pages > 1, "sixty do not fit on a page");
    for missed in &found {
        assert_eq!(scheme.verify(&delivered(missed), &keys, Timestamp(0)), Ok(0));
        assert!(!format!("{missed:?}").contains("signature"));
    }
}

#[tokio::test]
async fn a_delivery_that_cannot_be_read_fails_no_page_and_one_that_is_gone_is_left_out() {
    let office = Office::open().await;
    let adapter = office.adapter(By::Key);
    for number in 0..4 {
        office.draft(&adapter, number).await;
    }
    let all = async {
        loop {
            let page = adapter.missed_deliveries(Timestamp(0), 1).await.expect("a page");
            assert!(page.unread.is_empty());
            if page.items.len() >= 4 {
                return page.items;
            }
        }
    };
    let all = tokio::time::timeout(PATIENCE, all).await.expect("all are found in time");
    let answers = |missed: &MissedDelivery, status: u16| {
        let path = format!("/public/v1/webhook-events/{}", missed.id);
        let wanted = json!({"method": "GET", "path": path});
        json!({"match": wanted, "times": 1, "action": {"status": status}})
    };
    for (missed, status) in all.iter().zip([500, 404, 429]) {
        office.post("/__sim/faults", answers(missed, status)).await;
    }
    let page = adapter.missed_deliveries(Timestamp(0), 1).await.expect("a page");
    let [unread] = page.unread.as_slice() else { panic!("one is named: {:?}", page.unread) };
    assert!(*unread >= all[0].made_at);
    let read = |missed: &MissedDelivery| page.items.iter().any(|item| item.id == missed.id);
    assert_eq!([0, 1, 2, 3].map(|number| read(&all[number])), [false, false, true, true]);
    let again = adapter.missed_deliveries(*unread, 1).await.expect("a page").items;
    assert!(again.iter().any(|item| item.id == all[0].id), "it is listed again from there on");
}

#[tokio::test]
async fn changes_come_oldest_first_and_only_since_then() {
    let office = Office::open().await;
    let adapter = office.adapter(By::Key);
    let early = office.draft(&adapter, 1).await;
    let late = office.sent(&adapter, 2).await;
    let all = adapter.changed_since(Timestamp(0), 1).await.expect("a page");
    assert!(!all.more);
    let ids: Vec<_> = all.items.iter().map(|changed| changed.provider_id.clone()).collect();
    assert_eq!(ids, [early, late.clone()]);
    let newest = all.items.last().expect("two of them");
    assert_eq!(newest.claim, Claim::Sent);
    let since = Timestamp(newest.revision.expect("a revision"));
    let rest = adapter.changed_since(since, 1).await.expect("a page").items;
    // two changes may fall into one millisecond
    assert!(rest.iter().all(|changed| changed.revision >= newest.revision));
    assert!(rest.iter().any(|changed| changed.provider_id == late));
}

#[tokio::test]
async fn a_full_page_of_changes_says_that_there_is_more() {
    let office = Office::open().await;
    let adapter = office.adapter(By::Key);
    for number in 0..101 {
        office.post("/__sim/ui/documents", json!({"name": format!("Offer {number}")})).await;
    }
    let pages = [1, 2].map(|page| adapter.changed_since(Timestamp(0), page));
    let [first, second] = futures::future::join_all(pages).await.try_into().expect("two pages");
    let (first, second) = (first.expect("a page"), second.expect("a page"));
    assert_eq!((first.items.len(), first.more), (100, true));
    assert_eq!((second.items.len(), second.more), (1, false));
}

#[tokio::test]
async fn a_subscription_that_was_given_up_is_seen_and_turned_on_again() {
    let receiver = simulation::Receiver::start([410]).await.expect("a receiver");
    let office = Office::with(Default::default(), Some(&receiver.url())).await;
    let adapter = office.adapter(By::Key);
    let standing = async || adapter.subscription().await.expect("an answer").expect("a subscription");
    let ours = standing().await;
    assert_eq!(ours.standing, SubscriptionStanding::Active);
    office.post("/__sim/ui/documents", json!({})).await;
    let look = async { while standing().await.standing != SubscriptionStanding::Deactivated {} };
    tokio::time::timeout(PATIENCE, look).await.expect("one 410 is enough");
    adapter.activate_subscription(&ours.id).await.expect("turned on");
    assert_eq!(standing().await.standing, SubscriptionStanding::Active);
}

#[tokio::test]
async fn a_new_key_signs_at_once_and_the_one_before_no_more() {
    let receiver = simulation::Receiver::start([]).await.expect("a receiver");
    let office = Office::with(Default::default(), Some(&receiver.url())).await;
    let adapter = office.adapter(By::Key);
    let ours = adapter.subscription().await.expect("an answer").expect("a subscription");
    let fresh = adapter.rotate_shared_key(&ours.id).await.expect("a new key");
    assert_ne!(fresh.expose_secret(), SHARED_KEY);
    office.post("/__sim/ui/documents", json!({})).await;
    let arrived = tokio::time::timeout(PATIENCE, receiver.until(1)).await.expect("a delivery in time");
    let delivery = RawDelivery {
        path_and_query: arrived[0].target.clone(),
        body: arrived[0].body.to_vec(),
        ..delivered(&nothing_missed())
    };
    let scheme = providers::scheme("pandadoc", &Map::new()).expect("a scheme");
    let key = |secret| VerifyKey::new("k", secret).expect("a key");
    assert_eq!(scheme.verify(&delivery, &[key(secret(SHARED_KEY)), key(fresh)], Timestamp(0)), Ok(1));
}

fn nothing_missed() -> MissedDelivery {
    let body = bytes::Bytes::new();
    MissedDelivery { id: String::new(), made_at: Timestamp(0), query: String::new(), headers: vec![], body }
}

#[tokio::test]
async fn a_subscription_is_made_at_our_address_with_the_metadata_and_only_once() {
    let office = Office::with(Default::default(), None).await;
    let adapter = office.adapter(By::Key);
    assert_eq!(adapter.subscription().await, Ok(None));
    let made = adapter.subscribe("countersign").await.expect("made");
    assert!(!format!("{made:?}").contains(made.shared_key.expose_secret()));
    let shown = office.read(&format!("/public/v1/webhook-subscriptions/{}", made.id)).await;
    assert_eq!((&shown["url"], &shown["payload"]), (&json!(office.hook), &json!(["metadata"])));
    let again = adapter.subscribe("countersign").await.expect_err("there is one");
    assert_eq!(again.code, "already_subscribed");
}

#[tokio::test]
async fn an_address_with_a_query_of_its_own_is_not_subscribed() {
    let office = Office::with(Default::default(), None).await;
    let webhook_url = Some(format!("{}?a=1", office.hook).parse().expect("an address"));
    let settings = ConnectionSettings { webhook_url, ..office.settings(By::Key, json!({})) };
    let refused = super::Adapter::new(settings).expect("an adapter").subscribe("countersign").await;
    assert_eq!(refused.expect_err("the signature goes there").code, "webhook_url_has_query");
}
