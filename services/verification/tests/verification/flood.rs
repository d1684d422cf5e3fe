//! A flood of what is forged: refused whole, counted exactly, kept in part.

use std::time::Duration;

use contracts::wire::verification::{Delivery, Verdict};

use crate::support::vendors::{atlas, atlas_event, atlas_with};
use crate::support::{SOON, START, World, eventually};

fn forged(number: u32) -> Delivery {
    atlas_with("not-the-key", &atlas_event(number), START)
}

#[tokio::test]
async fn a_flood_of_forgeries_is_counted_whole_and_recorded_in_part() {
    let world = World::new().await;
    let flood = (0..2_500).map(forged).collect();
    let answers = world.replica.accept_all(flood).await;
    assert!(answers.iter().all(|answer| answer.verdict() == Verdict::Refused));
    eventually("every refusal to be counted", async || world.ledger("atlas-main").await.quarantined == 2_500)
        .await;
    assert_eq!(world.waiting("atlas-main").await.len(), 1_000, "the bound on records");

    let answer = world.accept(atlas(&atlas_event(1))).await;
    assert_eq!(answer.verdict(), Verdict::Accepted, "what is real passes all the same");
    assert_eq!(world.ledger("atlas-main").await.received, 2_501);
}

#[tokio::test]
async fn what_is_counted_at_the_last_moment_is_in_the_log_when_the_process_ends() {
    let world = World::new().await;
    world.replica.accept_all((0..2_300).map(forged).collect()).await;
    world.tasks.stop(SOON).await.expect("all ends well");
    let again = world.another_process("view-3").await;
    assert_eq!(again.ledger("atlas-main").await.quarantined, 2_300);
}

#[tokio::test]
async fn seven_hundred_at_once_are_kept_with_their_content() {
    let world = World::new().await;
    world.replica.accept_all((0..700).map(forged).collect()).await;
    world.ledger("atlas-main").await;
    let waiting = world.waiting("atlas-main").await;
    assert_eq!(waiting.len(), 700);
    assert!(waiting.iter().all(|delivery| delivery.content_bytes > 100));
}

#[tokio::test]
async fn what_is_too_old_is_given_up_and_its_content_erased() {
    let world = World::new().await;
    world.accept(forged(1)).await;
    world.ledger("atlas-main").await;
    let id = world.waiting("atlas-main").await[0].quarantine_id.clone();
    assert!(world.shown("atlas-main", &id).await.content.is_some());
    world.clock.advance(Duration::from_secs(31 * 86_400));
    eventually("the quarantine to be emptied", async || world.waiting("atlas-main").await.is_empty()).await;
    eventually("the content to be erased", async || world.shown("atlas-main", &id).await.content.is_none())
        .await;
    let line = world.ledger("atlas-main").await;
    assert_eq!((line.received, line.quarantined), (1, 1), "that it came is known for ever");
}

#[tokio::test]
async fn of_too_much_the_oldest_is_given_up() {
    let small = "api_keys: [{id: k1, env: ATLAS}]\n    quarantine: {bytes_max: 1048576, age_max: 1h}";
    let configuration = crate::support::CONFIGURATION.replacen("api_keys: [{id: k1, env: ATLAS}]", small, 1);
    let world = World::with(&configuration).await;
    let large = |number: i64| {
        let mut forged = atlas_with("not-the-key", &vec![b'x'; 300 * 1024], START);
        forged.received_at_ms += number;
        forged
    };
    for number in 0..3 {
        world.accept(large(number)).await;
    }
    // An hour later there is room for as much again, but not for both together.
    world.clock.advance(Duration::from_secs(3_590));
    for number in 3..6 {
        world.accept(large(number)).await;
    }
    let times = async || -> Vec<i64> {
        let waiting = world.waiting("atlas-main").await;
        waiting.iter().map(|delivery| delivery.received_at_ms - START.0).collect()
    };
    eventually("the oldest to be given up", async || times().await == [5, 4, 3]).await;
    eventually("their blobs to be removed", async || world.blobs() == 3).await;
}
