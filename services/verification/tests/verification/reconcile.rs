//! What did not arrive: fetched, taken in once, and marked; and a subscription that was given up is turned on again.

use std::time::Duration;

use contracts::wire::common::JobOutcome;
use contracts::wire::verification::{ListJobsRequest, RunJobRequest};
use domain::time::Timestamp;
use providers::SubscriptionStanding;
use signatures::hmac_sha256;
use tonic::Code;

use crate::support::absentee::Absentee;
use crate::support::vendors::{ATLAS_OLD_KEY, pandadoc};
use crate::support::{CONFIGURATION, START, World, accepted, duplicate, eventually, loaded, said};

const GAPS: &str = "gap-recovery";
const HEALTH: &str = "subscription-health";
const HOUR: Duration = Duration::from_secs(3_600);

/// That a document changed, told apart by its number.
fn news(number: u32) -> Vec<u8> {
    format!(
        r#"[{{"event":"document_state_changed","data":{{"id":"doc{number}","status":"document.sent","date_modified":"2027-01-15T07:00:0{number}.000000Z"}}}}]"#
    )
    .into_bytes()
}

fn ago(by: Duration) -> Timestamp {
    Timestamp(START.0 - i64::try_from(by.as_millis()).expect("a short time"))
}

#[tokio::test]
async fn what_a_vendor_could_not_deliver_is_fetched_once_and_marked() {
    let vendor = Absentee::new(Some(SubscriptionStanding::Active));
    for number in 1..=5 {
        vendor.misses(&format!("e{number}"), ago(HOUR), &news(number));
    }
    let world = World::reconciling(CONFIGURATION, &vendor).await;
    let run = world.run_job(GAPS).await;
    assert_eq!(run.outcome(), JobOutcome::Done, "{run:?}");
    let found = world.accepted().await;
    assert_eq!(found.len(), 5);
    assert!(found.iter().all(|(_, signal)| signal.replayed && signal.key_id.is_empty()));
    let again = world.run_job(GAPS).await;
    assert_eq!((again.looked, again.found), (0, 0), "it was seen");
    assert_eq!(world.ledger("pandadoc-sales").await.received, 5);
}

#[tokio::test]
async fn what_is_fetched_again_because_the_place_was_lost_is_not_new() {
    let vendor = Absentee::new(Some(SubscriptionStanding::Active));
    // Large, so that its bytes lie in the blob store.
    let padded = String::from_utf8(news(1))
        .expect("text")
        .replace(r#""id""#, &format!(r#""pad":"{}","id""#, "x".repeat(70_000)));
    vendor.misses("e1", ago(HOUR), padded.as_bytes());
    let world = World::reconciling(CONFIGURATION, &vendor).await;
    world.run_job(GAPS).await;
    assert_eq!(world.blobs(), 1);
    for (key, _) in world.log.state().list("jobs/").await.expect("the state answers") {
        if key.ends_with(GAPS) {
            world.log.state().delete(&key, None).await.expect("the place is gone");
        }
    }
    let run = world.run_job(GAPS).await;
    assert_eq!((run.looked, run.found), (1, 0), "{run:?}");
    assert_eq!((world.ledger("pandadoc-sales").await.received, world.blobs()), (1, 1));
}

#[tokio::test]
async fn what_arrived_after_all_is_a_duplicate_of_what_was_fetched_and_the_other_way_round() {
    let vendor = Absentee::new(Some(SubscriptionStanding::Active));
    let world = World::reconciling(CONFIGURATION, &vendor).await;
    // The first run comes by itself.
    world.run_job(GAPS).await;
    assert_eq!(said(&world.accept(pandadoc(&news(1))).await), accepted(1, 0));
    vendor.misses("e1", ago(HOUR), &news(1));
    vendor.misses("e2", ago(HOUR), &news(2));
    let run = world.run_job(GAPS).await;
    assert_eq!((run.looked, run.found), (2, 1));
    assert_eq!(said(&world.accept(pandadoc(&news(2))).await), duplicate(1));
    let line = world.ledger("pandadoc-sales").await;
    assert_eq!((line.accepted, line.duplicate), (2, 2));
}

#[tokio::test]
async fn what_was_fetched_but_fits_no_key_waits_with_the_vendor_until_the_key_is_mended() {
    let vendor = Absentee::new(Some(SubscriptionStanding::Active));
    let signature = hex::encode(hmac_sha256(ATLAS_OLD_KEY.as_bytes(), &[&news(1)]));
    vendor.misses_as("e1", ago(48 * HOUR), &news(1), format!("signature={signature}"));
    vendor.misses("e2", ago(HOUR), &news(2));
    let world = World::reconciling(CONFIGURATION, &vendor).await;
    for _ in 0..2 {
        let run = world.run_job(GAPS).await;
        assert!(run.attention && run.note.contains("1 fit no key"), "{run:?}");
    }
    assert_eq!((world.accepted().await.len(), world.waiting("pandadoc-sales").await.len()), (1, 0));
    let mended =
        CONFIGURATION.replace("{id: s1, env: PANDADOC}", "{id: s1, env: PANDADOC}, {id: s0, env: ATLAS_OLD}");
    world.configuration.replace(loaded(&mended));
    let run = world.run_job(GAPS).await;
    assert_eq!((run.attention, run.found), (false, 1), "{run:?}");
    assert_eq!(world.run_job(GAPS).await.looked, 0);
}

#[tokio::test]
async fn what_could_not_be_read_holds_nothing_up_and_is_fetched_when_it_can_be() {
    let vendor = Absentee::new(Some(SubscriptionStanding::Active));
    for number in 1..=5 {
        vendor.misses(&format!("e{number}"), ago((60 - 10 * number) * HOUR), &news(number));
    }
    vendor.shows("e1", false);
    let world = World::reconciling(CONFIGURATION, &vendor).await;
    for _ in 0..2 {
        let run = world.run_job(GAPS).await;
        assert_eq!((run.outcome(), run.attention), (JobOutcome::Done, true), "{run:?}");
        assert!(run.note.contains("1 could not be read"), "{run:?}");
        assert_eq!(world.accepted().await.len(), 4);
    }
    vendor.shows("e1", true);
    let run = world.run_job(GAPS).await;
    assert_eq!((run.found, run.attention), (1, false), "{run:?}");
    assert_eq!(world.run_job(GAPS).await.looked, 0);
}

#[tokio::test]
async fn a_last_page_that_cannot_be_read_hides_nothing_that_is_new() {
    let vendor = Absentee::new(Some(SubscriptionStanding::Active));
    vendor.misses("e1", ago(HOUR), &news(1));
    vendor.misses("e2", ago(HOUR), &news(2));
    // Alone on the second page.
    vendor.misses("e3", ago(HOUR), &news(3));
    vendor.shows("e3", false);
    let world = World::reconciling(CONFIGURATION, &vendor).await;
    assert_eq!(world.run_job(GAPS).await.outcome(), JobOutcome::Failed);
    assert_eq!(world.accepted().await.len(), 2);
    vendor.misses("e4", ago(HOUR), &news(4));
    vendor.moves_to_front("e4");
    let mut tries = 0;
    while world.accepted().await.len() < 3 && tries < 3 {
        world.run_job(GAPS).await;
        tries += 1;
    }
    assert_eq!(world.accepted().await.len(), 3, "what is new was fetched");
    vendor.shows("e3", true);
    world.run_job(GAPS).await;
    assert_eq!(world.accepted().await.len(), 4);
}

#[tokio::test]
async fn a_subscription_that_was_given_up_is_turned_on_again_and_what_it_missed_is_fetched() {
    let vendor = Absentee::new(Some(SubscriptionStanding::Deactivated));
    vendor.misses("e1", ago(HOUR), &news(1));
    let world = World::reconciling(CONFIGURATION, &vendor).await;
    eventually("the subscription to be turned on", async || vendor.activated() == 1).await;
    eventually("the missed delivery", async || world.accepted().await.len() == 1).await;
    let run = world.run_job(HEALTH).await;
    assert_eq!((run.outcome(), run.found), (JobOutcome::Done, 0));
    assert_eq!((vendor.activated(), vendor.standing()), (1, Some(SubscriptionStanding::Active)));
}

#[tokio::test]
async fn a_subscription_is_not_turned_on_while_nobody_answers_at_our_address() {
    let vendor = Absentee::new(Some(SubscriptionStanding::Deactivated));
    // Nobody listens there.
    let away = CONFIGURATION.replace(
        "shared_keys: [{id: s1, env: PANDADOC}]",
        "shared_keys: [{id: s1, env: PANDADOC}]\n    webhook_url: http://127.0.0.1:9/v1/hooks/pandadoc-sales",
    );
    assert_ne!(away, CONFIGURATION);
    let world = World::reconciling(&away, &vendor).await;
    let run = world.run_job(HEALTH).await;
    assert!(run.attention && run.note.contains("our own address does not answer"), "{run:?}");
    assert_eq!(vendor.activated(), 0);
}

#[tokio::test]
async fn without_a_subscription_a_person_is_asked() {
    let vendor = Absentee::new(None);
    let world = World::reconciling(CONFIGURATION, &vendor).await;
    let run = world.run_job(HEALTH).await;
    assert!(run.attention && run.note.contains("no subscription"), "{run:?}");
}

#[tokio::test]
async fn the_clock_of_the_vendor_runs_while_deliveries_fail_and_stops_with_the_next_that_arrives() {
    let vendor = Absentee::new(Some(SubscriptionStanding::Active));
    vendor.misses("e1", ago(48 * HOUR), &news(1));
    let world = World::reconciling(CONFIGURATION, &vendor).await;
    world.run_job(GAPS).await;
    let run = world.run_job(HEALTH).await;
    assert!(run.attention && run.note.contains("fail for 2.0 of 7 days"), "{run:?}");
    world.clock.advance(Duration::from_secs(1));
    let mut arrival = pandadoc(&news(2));
    arrival.received_at_ms = world.clock.now().0;
    assert_eq!(said(&world.accept(arrival).await), accepted(1, 0));
    world.ledger("pandadoc-sales").await;
    let run = world.run_job(HEALTH).await;
    assert_eq!((run.attention, run.note.as_str()), (false, "active"));
}

#[tokio::test]
async fn a_vendor_that_does_not_answer_is_a_failed_run_that_is_tried_again() {
    let vendor = Absentee::new(Some(SubscriptionStanding::Active));
    vendor.is_down(true);
    let world = World::reconciling(CONFIGURATION, &vendor).await;
    vendor.misses("e1", ago(HOUR), &news(1));
    assert_eq!(world.run_job(GAPS).await.outcome(), JobOutcome::Failed);
    vendor.is_down(false);
    let run = world.run_job(GAPS).await;
    assert_eq!((run.outcome(), run.found), (JobOutcome::Done, 1));
}

#[tokio::test]
async fn jobs_are_listed_and_one_that_there_is_not_is_refused_with_those_there_are() {
    let world = World::reconciling(CONFIGURATION, &Absentee::new(None)).await;
    let mut client = world.replica.client.clone();
    let jobs = client.list_jobs(ListJobsRequest::default()).await.expect("a list").into_inner().jobs;
    let names: Vec<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
    assert_eq!(names, [GAPS, HEALTH]);
    let request = RunJobRequest {
        request_id: "one".to_owned(),
        connection: "pandadoc-sales".to_owned(),
        name: "gaps".to_owned(),
        wait_ms: 0,
    };
    let refused = client.run_job(request).await.expect_err("there is no such job");
    assert_eq!(refused.code(), Code::NotFound);
    assert!(refused.message().contains("pandadoc-sales/gap-recovery"), "{}", refused.message());
}
