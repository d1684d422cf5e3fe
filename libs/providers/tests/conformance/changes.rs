//! What changed while nobody listened: the list of changes, and deliveries that did not arrive.

use std::time::Duration;

use domain::ids::ProviderEnvelopeId;
use domain::intake::{Claim, Meaning, RawDelivery};
use domain::time::Timestamp;
use providers::{Changed, MissedDelivery, Provider};
use serde_json::Map;
use simulation::Receiver;

use crate::capabilities::key;
use crate::stand::{SHARED_KEY, Stand, stands, variants};

/// Nothing here takes longer, unless it is broken.
const PATIENCE: Duration = Duration::from_secs(30);
/// More pages than anything here fills.
const PAGES_MAX: u32 = 20;

/// Every page, one after the other.
async fn all_changes(provider: &dyn Provider, since: Timestamp) -> Vec<Changed> {
    let mut found = Vec::new();
    for page in 1..=PAGES_MAX {
        let read = provider.changed_since(since, page).await.expect("a page");
        found.extend(read.items);
        if !read.more {
            return found;
        }
    }
    panic!("the list does not end");
}

/// Every page, one after the other.
async fn all_missed(provider: &dyn Provider, since: Timestamp) -> Vec<MissedDelivery> {
    let mut found = Vec::new();
    for page in 1..=PAGES_MAX {
        let read = provider.missed_deliveries(since, page).await.expect("a page");
        found.extend(read.items);
        if !read.more {
            return found;
        }
    }
    panic!("the list does not end");
}

#[tokio::test]
async fn what_changed_is_listed_oldest_first_with_the_revision_that_a_get_shows() {
    for stand in stands().await.into_iter().filter(|stand| stand.provider.capabilities().lists_changes) {
        let mut ids: Vec<ProviderEnvelopeId> = Vec::new();
        for number in 1..=3 {
            ids.push(stand.sent(number).await);
        }
        stand.decide(&ids[0], "sign").await;
        stand.until(&ids[0], |found| found.signed == 1).await;
        stand.decide(&ids[1], "decline").await;
        let declined = stand.until(&ids[1], |found| matches!(found.claim, Claim::Declined { .. })).await;

        let changes = all_changes(&*stand.provider, Timestamp(0)).await;
        for id in &ids {
            let entries: Vec<&Changed> = changes.iter().filter(|change| change.provider_id == *id).collect();
            let [entry] = entries.as_slice() else { panic!("{}: {id} is listed {entries:?}", stand.kind) };
            let truth = stand.provider.snapshot(id).await.expect("a snapshot");
            assert_eq!(entry.revision, truth.revision, "{}: the list and a GET disagree", stand.kind);
            let same = std::mem::discriminant(&entry.claim) == std::mem::discriminant(&truth.claim);
            assert!(same, "{}: {:?} is listed as {:?}", stand.kind, truth.claim, entry.claim);
        }
        let revisions: Vec<i64> = changes.iter().filter_map(|change| change.revision).collect();
        assert!(revisions.is_sorted(), "{}: {revisions:?}", stand.kind);

        let since = Timestamp(declined.revision.expect("a revision"));
        let newer = all_changes(&*stand.provider, since).await;
        assert!(
            newer.iter().any(|change| change.provider_id == ids[1]),
            "{}: since is inclusive",
            stand.kind
        );
        // two changes may fall into one millisecond, so it is the revision that tells which is old
        let old = newer.iter().find(|change| change.revision < declined.revision);
        assert_eq!(old, None, "{}: it lists the old, which changed before {since:?}", stand.kind);
        let later = all_changes(&*stand.provider, Timestamp(since.0 + 3_600_000)).await;
        assert_eq!(later, [], "{}: nothing changed in the future", stand.kind);
    }
}

#[tokio::test]
async fn a_delivery_that_did_not_arrive_is_kept_by_the_vendor_and_verifies_as_if_it_had() {
    for (kind, options) in variants() {
        let receiver = Receiver::start(std::iter::repeat_n(503, 100)).await.expect("a receiver");
        let stand = Stand::open(kind, options, Some(&receiver.url())).await;
        if !stand.provider.capabilities().replays_deliveries {
            continue;
        }
        let id = stand.sent(1).await;
        let scheme = providers::scheme(kind, &Map::new()).expect("a scheme");
        let sent = |missed: &MissedDelivery| {
            let delivery = as_delivery(missed);
            let judged =
                scheme.verify(&delivery, &[key("new", "shared_new_1"), key("old", SHARED_KEY)], Timestamp(0));
            assert_eq!(judged, Ok(1), "{kind}: the old key signed it");
            assert!(scheme.verify(&delivery, &[key("k", "a-stranger-1")], Timestamp(0)).is_err(), "{kind}");
            let signals = scheme.split(&delivery);
            signals.iter().any(|signal| {
                matches!(&signal.meaning, Meaning::Envelope(news) if news.claim == Claim::Sent && news.provider_id == id)
            })
        };
        let waiting = async { while !all_missed(&*stand.provider, Timestamp(0)).await.iter().any(sent) {} };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the lost news is listed in time");
        let missed = all_missed(&*stand.provider, Timestamp(0)).await;
        assert!(missed.is_sorted_by_key(|missed| missed.made_at), "{kind}: oldest first");
        // a delivery is known by the same id however it comes
        let arrived = receiver.received();
        let dedupes = |delivery: &RawDelivery| -> Vec<String> {
            scheme.split(delivery).into_iter().map(|signal| signal.dedupe).collect()
        };
        for missed in &missed {
            let twin = arrived.iter().find(|received| received.body == missed.body).expect("it was tried");
            let as_it_came = RawDelivery {
                path_and_query: twin.target.clone(),
                headers: twin
                    .headers
                    .iter()
                    .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
                    .collect(),
                ..as_delivery(missed)
            };
            assert_eq!(
                dedupes(&as_delivery(missed)),
                dedupes(&as_it_came),
                "{kind}: fetched, it is other news"
            );
        }
    }
}

/// The delivery as it would have come in.
fn as_delivery(missed: &MissedDelivery) -> RawDelivery {
    RawDelivery {
        connection: "under-test".parse().expect("an id"),
        method: "POST".to_owned(),
        path_and_query: format!("/v1/hooks/under-test?{}", missed.query),
        headers: missed.headers.clone(),
        body: missed.body.to_vec(),
        received_at: Timestamp(0),
    }
}
