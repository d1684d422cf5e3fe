//! Keys in rotation, their windows, and what holds when there is none.

use std::time::Duration;

use contracts::wire::verification::{Answer, KeyStatus, ListKeysRequest, Verdict};
use domain::time::Timestamp;

use crate::support::vendors::{ATLAS_KEY, ATLAS_OLD_KEY, atlas_event, atlas_with};
use crate::support::{CONFIGURATION, START, World, loaded};

const ONE_KEY: &str = "[{id: k1, env: ATLAS}]";

fn configuration(keys: &str) -> String {
    assert!(CONFIGURATION.contains(ONE_KEY));
    CONFIGURATION.replace(ONE_KEY, keys)
}

fn at(seconds: u64) -> Timestamp {
    START.after(Duration::from_secs(seconds))
}

async fn send(world: &World, key: &str, number: u32, at: Timestamp) -> Answer {
    world.accept(atlas_with(key, &atlas_event(number), at)).await
}

async fn key_status(world: &World) -> Vec<KeyStatus> {
    let request = ListKeysRequest { connection: "atlas-main".to_owned() };
    world.replica.client.clone().list_keys(request).await.expect("an answer").into_inner().keys
}

#[tokio::test]
async fn during_a_rotation_both_keys_verify_and_the_log_names_the_one_that_did() {
    let world = World::with(&configuration("[{id: k1, env: ATLAS}, {id: k0, env: ATLAS_OLD}]")).await;
    assert_eq!(send(&world, ATLAS_OLD_KEY, 1, START).await.verdict(), Verdict::Accepted);
    assert_eq!(send(&world, ATLAS_KEY, 2, START).await.verdict(), Verdict::Accepted);
    let accepted = world.accepted().await;
    let by: Vec<&str> = accepted.iter().map(|(_, accepted)| accepted.key_id.as_str()).collect();
    assert_eq!(by, ["k0", "k1"]);
    let status = key_status(&world).await;
    let used: Vec<_> = status.iter().map(|key| (key.key_id.as_str(), key.in_force, key.verified)).collect();
    assert_eq!(used, [("k1", true, 1), ("k0", true, 1)], "an operator sees when the old key is not used");
}

#[tokio::test]
async fn a_key_verifies_within_its_window_by_the_time_of_arrival() {
    let keys = "[{id: new, env: ATLAS, not_before: 2027-01-15T08:00:30Z}, \
        {id: old, env: ATLAS_OLD, not_after: 2027-01-15T08:01:00Z}]";
    let world = World::with(&configuration(keys)).await;
    // A parked delivery comes late: the clock has long passed, its arrival has not.
    world.clock.advance(Duration::from_secs(3_600));
    let cases = [
        (ATLAS_OLD_KEY, 0, Verdict::Accepted),
        (ATLAS_KEY, 10, Verdict::Refused),
        (ATLAS_KEY, 40, Verdict::Accepted),
        (ATLAS_OLD_KEY, 50, Verdict::Accepted),
        (ATLAS_OLD_KEY, 90, Verdict::Refused),
    ];
    for (number, (key, seconds, verdict)) in (0..).zip(cases) {
        let answer = send(&world, key, number, at(seconds)).await;
        assert_eq!(answer.verdict(), verdict, "after {seconds} s");
    }
}

#[tokio::test]
async fn without_a_key_in_force_everything_is_refused() {
    let world = World::with(&configuration("[{id: k1, env: ATLAS, not_after: 2027-01-01T00:00:00Z}]")).await;
    for (number, key) in [(1, ATLAS_KEY), (2, ATLAS_OLD_KEY), (3, "")] {
        let answer = send(&world, key, number, START).await;
        assert_eq!((answer.verdict(), answer.refusal.as_str()), (Verdict::Refused, "signature_wrong"));
    }
    assert!(world.accepted().await.is_empty());
    assert!(!key_status(&world).await[0].in_force);
}

#[tokio::test]
async fn a_reloaded_configuration_takes_a_new_key_and_lets_go_of_the_old_one_without_a_restart() {
    let world = World::with(&configuration("[{id: k0, env: ATLAS_OLD}]")).await;
    assert_eq!(send(&world, ATLAS_KEY, 1, START).await.verdict(), Verdict::Refused);
    world.configuration.replace(loaded(&configuration(ONE_KEY)));
    assert_eq!(send(&world, ATLAS_KEY, 1, START).await.verdict(), Verdict::Accepted);
    assert_eq!(send(&world, ATLAS_OLD_KEY, 2, START).await.verdict(), Verdict::Refused);
}

#[tokio::test]
async fn a_connection_that_is_not_configured_is_unknown_and_leaves_nothing() {
    let world = World::new().await;
    let mut delivery = atlas_with(ATLAS_KEY, &atlas_event(1), START);
    delivery.connection = "nobody".to_owned();
    assert_eq!(world.accept(delivery).await.verdict(), Verdict::UnknownConnection);
    assert_eq!(world.log.head(event_log::Category::Intake).await, Ok(event_log::Position::ZERO));
}
