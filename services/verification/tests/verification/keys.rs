//! Keys in rotation, their windows, and what holds when there is none.

use std::time::Duration;

use contracts::intake::{Accepted, IntakeEvent};
use contracts::seal::Sealer;
use contracts::wire::verification::{Answer, KeyStatus, ListKeysRequest, Verdict};
use domain::ids::CommandId;
use domain::intake::{Claim, EnvelopeNews, Meaning};
use domain::time::Timestamp;
use event_log::{Category, Commit, Entity, Expected, NewEvent, TraceContext, event_id};

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

/// What is told of a key: whether it may go, and why not.
async fn told(world: &World, key: &str) -> (bool, String) {
    let status = key_status(world).await;
    let found = status.into_iter().find(|status| status.key_id == key).expect("it is configured");
    (found.safe_to_remove, found.kept_because)
}

#[tokio::test]
async fn an_old_key_is_safe_to_remove_once_another_is_used_retries_are_over_and_its_envelopes_are_closed() {
    let world = World::with(&configuration("[{id: k1, env: ATLAS}, {id: k0, env: ATLAS_OLD}]")).await;
    let body = |event: &str, id: u32| format!(r#"{{"event":"{event}","envelope_id":"e-{id}"}}"#).into_bytes();
    let send = async |key: &str, event: &str, id: u32| {
        let answer = world.accept(atlas_with(key, &body(event, id), world.clock.now())).await;
        assert_eq!(answer.verdict(), Verdict::Accepted);
    };
    let kept = async |why: &str| {
        let (safe, kept_because) = told(&world, "k0").await;
        assert!(!safe && kept_because.contains(why), "{kept_because}");
    };
    kept("verified nothing yet").await;
    send(ATLAS_OLD_KEY, "envelope.sent", 1).await;
    kept("no other key has verified anything since").await;
    world.clock.advance(Duration::from_secs(60));
    send(ATLAS_KEY, "envelope.sent", 2).await;
    kept("wait until that is 3h").await;
    world.clock.advance(Duration::from_secs(4 * 3_600));
    kept("1 envelopes").await;
    send(ATLAS_OLD_KEY, "envelope.voided", 1).await;
    send(ATLAS_OLD_KEY, "envelope.viewed", 1).await;
    world.clock.advance(Duration::from_secs(4 * 3_600));
    send(ATLAS_KEY, "envelope.voided", 2).await;
    assert_eq!(told(&world, "k0").await, (true, String::new()), "late news open nothing again");
    let (safe, why) = told(&world, "k1").await;
    assert!(!safe && why.contains("calls are made with it"), "{why}");

    let before = key_status(&world).await;
    let again = world.another_replica().await;
    let request = ListKeysRequest { connection: "atlas-main".to_owned() };
    let after = again.client.clone().list_keys(request).await.expect("an answer").into_inner().keys;
    assert_eq!(after, before, "another replica, and one after a restart, know the same");
}

#[tokio::test]
async fn an_envelope_whose_end_was_only_fetched_from_the_vendor_keeps_no_key() {
    let world = World::with(&configuration("[{id: k1, env: ATLAS}, {id: k0, env: ATLAS_OLD}]")).await;
    let day = Duration::from_secs(86_400);
    send(&world, ATLAS_OLD_KEY, 1, START).await;
    send(&world, ATLAS_KEY, 2, at(60)).await;
    world.clock.advance(day);
    assert_eq!(told(&world, "k0").await.1, "1 envelopes that were last told of under it are not closed");

    let (_, sent) = world.accepted().await.swap_remove(0);
    let Meaning::Envelope(news) = sent.meaning.clone() else { panic!("news of an envelope") };
    let fetched = |claim: Claim| Accepted {
        key_id: String::new(),
        replayed: true,
        meaning: Meaning::Envelope(EnvelopeNews { claim, ..news.clone() }),
        ..sent.clone()
    };
    append(&world, fetched(Claim::Viewed)).await;
    assert!(!told(&world, "k0").await.0, "it is as open as before");
    append(&world, fetched(Claim::Voided)).await;
    append(&world, fetched(Claim::Viewed)).await;
    assert_eq!(told(&world, "k0").await, (true, String::new()));
}

/// Appends a signal as if it had been fetched.
async fn append(world: &World, accepted: Accepted) {
    let command_id = CommandId::from_bytes(runtime::random::new_id());
    let id = event_id(&command_id, 0);
    let (at, event) = (accepted.received_at, IntakeEvent::Accepted(Box::new(accepted)));
    let encoded = contracts::intake::encode(&event, &id, &Sealer::new(&[0; 32]));
    let entity = hex::encode(command_id.as_bytes());
    let entity =
        Entity::new(Category::Intake, &"acme".parse().expect("a tenant"), entity).expect("an entity");
    let new = NewEvent {
        id,
        kind: encoded.kind.to_owned(),
        schema: encoded.schema,
        occurred_at: at,
        payload: encoded.payload.into(),
    };
    let trace = TraceContext::default();
    let commit =
        Commit { command_id, correlation_id: String::new(), causation_id: None, trace, events: vec![new] };
    world.log.append(&entity, Expected::Absent, commit).await.expect("it is appended");
}

#[tokio::test]
async fn what_weakens_the_proof_of_origin_is_told_with_the_keys() {
    let weak = CONFIGURATION.replace("portal_id:", "options: {allow_legacy_v2: true}\n    portal_id:");
    let world = World::with(&weak).await;
    let told = world.replica.client.clone().list_keys(ListKeysRequest::default()).await.expect("an answer");
    let [warning] = told.into_inner().warnings.try_into().expect("one warning");
    assert_eq!(warning.connection, "hubspot-main");
    assert!(warning.what.contains("allow_legacy_v2"), "{}", warning.what);
}

#[tokio::test]
async fn how_long_a_key_must_be_silent_is_the_operators_choice() {
    let keys = "[{id: k1, env: ATLAS}, {id: k0, env: ATLAS_OLD}]\n    key_idle: 10s";
    let world = World::with(&configuration(keys)).await;
    let voided = |id: u32| format!(r#"{{"event":"envelope.voided","envelope_id":"e-{id}"}}"#).into_bytes();
    world.accept(atlas_with(ATLAS_OLD_KEY, &voided(1), START)).await;
    world.accept(atlas_with(ATLAS_KEY, &voided(2), at(1))).await;
    world.clock.advance(Duration::from_secs(9));
    assert!(!told(&world, "k0").await.0);
    world.clock.advance(Duration::from_secs(1));
    assert!(told(&world, "k0").await.0);
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
