//! The same news, however often, over however many replicas and in whatever grouping, is one signal.

use std::collections::BTreeSet;

use futures::future::join_all;

use crate::support::vendors::{atlas, atlas_event, batch, hubspot, hubspot_event, pandadoc};
use crate::support::{World, accepted, duplicate, said};

fn event(number: u32, attempt: u32) -> String {
    hubspot_event(number, attempt, "contractsent")
}

#[tokio::test]
async fn a_delivery_that_comes_again_is_a_duplicate_and_the_ledger_balances() {
    let world = World::new().await;
    assert_eq!(said(&world.accept(atlas(&atlas_event(1))).await), accepted(1, 0));
    for _ in 0..3 {
        assert_eq!(said(&world.accept(atlas(&atlas_event(1))).await), duplicate(1));
    }
    let line = world.ledger("atlas-main").await;
    assert_eq!((line.received, line.accepted, line.duplicate, line.quarantined), (4, 1, 3, 0));
    assert_eq!(world.accepted().await.len(), 1);
}

#[tokio::test]
async fn of_twenty_at_once_over_two_replicas_one_is_accepted() {
    let world = World::new().await;
    let replicas = [world.replica.clone(), world.another_replica().await];
    let sending = (0..20).map(|number: usize| {
        let replica = replicas[number % 2].clone();
        async move { replica.accept(atlas(&atlas_event(7))).await }
    });
    let answers = join_all(sending).await;
    let new: u32 = answers.iter().map(|answer| answer.accepted).sum();
    let known: u32 = answers.iter().map(|answer| answer.duplicates).sum();
    assert_eq!((new, known), (1, 19));
    for replica in replicas {
        let line = replica.ledger("atlas-main").await;
        assert_eq!((line.received, line.accepted, line.duplicate), (20, 1, 19), "on every replica");
    }
}

#[tokio::test]
async fn a_batch_with_new_and_known_events_stores_the_new_ones() {
    let world = World::new().await;
    let first = batch(&[event(1, 0), event(2, 0)]);
    assert_eq!(said(&world.accept(hubspot(&first)).await), accepted(2, 0));
    let second = batch(&[event(2, 0), event(3, 0)]);
    assert_eq!(said(&world.accept(hubspot(&second)).await), accepted(1, 1));
}

#[tokio::test]
async fn a_retry_in_another_grouping_brings_nothing_new() {
    let world = World::new().await;
    let first = batch(&[event(1, 0), event(2, 0), event(3, 0)]);
    assert_eq!(said(&world.accept(hubspot(&first)).await), accepted(3, 0));
    assert_eq!(said(&world.accept(hubspot(&batch(&[event(3, 1), event(1, 1)]))).await), duplicate(2));
    assert_eq!(said(&world.accept(hubspot(&batch(&[event(2, 1)]))).await), duplicate(1));
    let line = world.ledger("hubspot-main").await;
    assert_eq!((line.received, line.accepted, line.duplicate), (6, 3, 3));
}

#[tokio::test]
async fn the_same_event_twice_in_one_batch_is_one_signal_and_one_duplicate() {
    let world = World::new().await;
    let twice = batch(&[event(1, 0), event(1, 0)]);
    assert_eq!(said(&world.accept(hubspot(&twice)).await), accepted(1, 1));
    let line = world.ledger("hubspot-main").await;
    assert_eq!((line.received, line.accepted, line.duplicate), (2, 1, 1));
}

#[tokio::test]
async fn two_accounts_may_give_two_things_the_same_id() {
    let second = "  atlas-second:\n    kind: atlas\n    tenant: acme\n    base_url: http://127.0.0.1:9\n    \
        api_keys: [{id: k1, env: ATLAS}]\n";
    let world = World::with(&format!("{}{second}", crate::support::CONFIGURATION)).await;
    let first = atlas(&atlas_event(1));
    let other =
        contracts::wire::verification::Delivery { connection: "atlas-second".to_owned(), ..first.clone() };
    assert_eq!(said(&world.accept(first).await), accepted(1, 0));
    assert_eq!(said(&world.accept(other).await), accepted(1, 0));
}

#[tokio::test]
async fn answers_on_a_stream_are_matched_to_their_deliveries() {
    let world = World::new().await;
    let deliveries = (0..200).map(|number| atlas(&atlas_event(number % 100))).collect();
    let answers = world.replica.accept_all(deliveries).await;
    for number in 0..100 {
        let pair = [&answers[number], &answers[number + 100]];
        let said: BTreeSet<(u32, u32)> =
            pair.iter().map(|answer| (answer.accepted, answer.duplicates)).collect();
        assert_eq!(said, BTreeSet::from([(0, 1), (1, 0)]), "each once, whichever came first");
    }
}

#[tokio::test]
async fn an_empty_batch_is_believed_and_leaves_nothing() {
    let world = World::new().await;
    assert_eq!(said(&world.accept(hubspot(b"[]")).await), accepted(0, 0));
    assert_eq!(said(&world.accept(pandadoc(b"[]")).await), accepted(0, 0));
    assert_eq!(world.ledger("hubspot-main").await.received, 0);
}
