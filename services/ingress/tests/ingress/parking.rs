//! Verification is away: what was answered 200 is kept, and handed over when it is back.

use std::time::Duration;

use contracts::wire::verification::Verdict;
use domain::time::Timestamp;
use ingress::Settings;

use crate::support::verifier::patient;
use crate::support::{HANDED_OVER, Mode, PARKED, START, Verifier, World, impatient, post, quick};

/// Verification has never been up.
async fn alone(settings: Settings) -> World {
    World::beside(Verifier::new(), settings).await
}

#[tokio::test]
async fn deliveries_wait_for_verification_and_arrive_in_order_once_each_with_their_original_time() {
    let world = alone(quick()).await;
    for number in 0..20 {
        let answer = world.post(format!("{number}").as_bytes()).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""));
        world.clock.advance(Duration::from_secs(60));
    }
    assert_eq!(world.parked(PARKED).await, 20);
    world.verifier.start(patient()).await;
    world.until_handed_over(20).await;
    let taken = world.verifier.taken();
    let bodies: Vec<String> = taken.iter().map(|delivery| text(&delivery.body)).collect();
    let sent: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    assert_eq!(bodies, sent);
    let minutes = taken.iter().map(|delivery| (delivery.received_at_ms - START.0) / 60_000);
    assert!(minutes.eq(0..20), "the time is that of arrival, so that signatures with a timestamp verify");
}

#[tokio::test]
async fn a_parked_delivery_arrives_byte_for_byte() {
    let world = alone(quick()).await;
    let sent = b"\x00\xff{\"a\": 1}\r\n";
    assert_eq!(post(world.address, "/v1/hooks/main?s=%2F", sent).await.status, 200);
    world.verifier.start(patient()).await;
    let taken = world.verifier.until_taken(1).await;
    assert_eq!(taken[0].body, sent);
    assert_eq!(taken[0].path_and_query, "/v1/hooks/main?s=%2F");
    assert!(taken[0].headers.iter().any(|header| header.name == "host" && header.value == b"x"));
}

#[tokio::test]
async fn what_is_handed_over_says_that_its_sender_was_answered_and_what_comes_straight_through_does_not() {
    let world = alone(quick()).await;
    assert_eq!(world.post(b"parked").await.status, 200);
    world.verifier.start(patient()).await;
    world.until_handed_over(1).await;
    assert!(world.verifier.until_taken(1).await[0].acknowledged);

    let world = World::new().await;
    assert_eq!(world.post(b"straight").await.status, 200);
    assert!(!world.verifier.until_taken(1).await[0].acknowledged);
}

#[tokio::test]
async fn a_big_body_is_parked_whole() {
    let world = alone(quick()).await;
    let body: Vec<u8> = (0..900 * 1024_u32).map(|index| (index % 251) as u8).collect();
    assert_eq!(world.post(&body).await.status, 200);
    world.verifier.start(patient()).await;
    assert!(world.verifier.until_taken(1).await[0].body == body, "every byte is there");
}

#[tokio::test]
async fn beyond_the_bound_the_sender_is_asked_to_come_again_and_room_comes_back() {
    let world = alone(Settings { parked_max: 3, ..quick() }).await;
    for _ in 0..3 {
        assert_eq!(world.post(b"x").await.status, 200);
    }
    let answer = world.post(b"x").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
    assert_eq!(world.parked(PARKED).await, 3);

    world.verifier.start(patient()).await;
    world.until_handed_over(3).await;
    world.verifier.stop().await;
    until_parked(&world, 4).await;
}

#[tokio::test]
async fn any_number_at_once_cannot_pass_the_bound() {
    let world = alone(Settings { parked_max: 5, ..quick() }).await;
    let answers = futures::future::join_all((0..40).map(|_| world.post(b"x"))).await;
    let stored = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!((stored, world.parked(PARKED).await), (5, 5));
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 503)));
}

#[tokio::test]
async fn a_restart_hands_over_what_was_parked_before_it_and_counts_it_against_the_bound() {
    let world = alone(Settings { parked_max: 3, ..quick() }).await;
    for number in 0..3 {
        assert_eq!(world.post(format!("{number}").as_bytes()).await.status, 200);
    }
    let world = world.restart().await;
    world.clock.advance(Duration::from_secs(3_600));
    // The backlog is read a moment after the start; what comes before that is parked too.
    let refused = tokio::time::timeout(crate::support::SOON, async {
        while world.post(b"late").await.status != 503 {}
    });
    refused.await.expect("the old ones count");
    let parked = world.parked(PARKED).await;
    world.verifier.start(patient()).await;
    world.until_handed_over(parked).await;
    let taken = world.verifier.taken();
    let old: Vec<String> = taken.iter().take(3).map(|delivery| text(&delivery.body)).collect();
    assert_eq!(old, ["0", "1", "2"]);
    assert!(taken.iter().take(3).all(|delivery| Timestamp(delivery.received_at_ms) == START));
    assert_eq!(taken.len(), parked);
}

#[tokio::test]
async fn what_was_handed_over_is_not_handed_over_again_after_a_restart() {
    let world = alone(quick()).await;
    assert_eq!(world.post(b"once").await.status, 200);
    world.verifier.start(patient()).await;
    world.until_handed_over(1).await;
    let world = world.restart().await;
    world.verifier.stop().await;
    assert_eq!(world.post(b"twice").await.status, 200);
    world.verifier.start(patient()).await;
    world.until_handed_over(2).await;
    let bodies: Vec<String> = world.verifier.taken().iter().map(|delivery| text(&delivery.body)).collect();
    assert_eq!(bodies, ["once", "twice"]);
}

#[tokio::test]
async fn a_parked_delivery_that_is_not_believed_does_not_hold_up_those_behind_it() {
    let world = alone(quick()).await;
    for _ in 0..3 {
        assert_eq!(world.post(b"forged").await.status, 200);
    }
    world.verifier.mode(Mode::Answer(Verdict::Refused));
    world.verifier.start(patient()).await;
    world.until_handed_over(3).await;
    assert_eq!(world.verifier.taken().len(), 3);
}

#[tokio::test]
async fn a_parked_delivery_that_was_erased_is_settled_as_erased_and_holds_no_place() {
    let world = alone(Settings { parked_max: 2, ..quick() }).await;
    for _ in 0..2 {
        assert_eq!(world.post(b"to be forgotten").await.status, 200);
    }
    world.log.keys().destroy("parked-main").await.expect("the keys answer");
    world.verifier.start(patient()).await;
    world.until_handed_over(2).await;
    assert_eq!(world.verdicts().await, ["erased", "erased"]);
    assert!(world.verifier.taken().is_empty(), "nothing was left to hand over");
    world.verifier.stop().await;
    until_parked(&world, 3).await;
}

#[tokio::test]
async fn what_is_handed_over_names_itself_and_its_tenant_the_same_however_often() {
    let world = alone(impatient()).await;
    assert_eq!(world.post(b"again").await.status, 200);
    world.verifier.mode(Mode::Hold);
    world.verifier.start(patient()).await;
    world.verifier.until_taken(3).await;
    world.verifier.mode(Mode::Answer(Verdict::Refused));
    world.until_handed_over(1).await;
    let taken = world.verifier.taken();
    let first = taken[0].parked.clone().expect("it was parked");
    assert_eq!((first.id.is_empty(), first.tenant.as_str()), (false, "acme"));
    assert!(taken.iter().all(|delivery| delivery.parked.as_ref() == Some(&first)));
}

#[tokio::test]
async fn a_verification_that_keeps_nothing_of_an_unknown_connection_is_asked_again() {
    let world = alone(quick()).await;
    assert_eq!(world.post(b"kept").await.status, 200);
    world.verifier.mode(Mode::Answer(Verdict::UnknownConnection));
    world.verifier.start(patient()).await;
    world.verifier.until_taken(2).await;
    assert_eq!(world.parked(HANDED_OVER).await, 0);
    world.verifier.mode(Mode::Answer(Verdict::Accepted));
    world.until_handed_over(1).await;
}

#[tokio::test]
async fn a_connection_that_cannot_be_taken_now_holds_up_no_other_one() {
    let world = alone(quick()).await;
    for path in ["/v1/hooks/main", "/v1/hooks/other"] {
        assert_eq!(post(world.address, path, b"x").await.status, 200);
    }
    world.verifier.mode(Mode::NotNow("main"));
    world.verifier.start(patient()).await;
    world.until_handed_over(1).await;
    assert_eq!(world.parked(HANDED_OVER).await, 1);
    world.verifier.mode(Mode::Answer(Verdict::Accepted));
    world.until_handed_over(2).await;
}

#[tokio::test]
async fn a_verdict_that_does_not_come_in_time_parks_the_delivery() {
    let world = World::with(impatient()).await;
    world.verifier.mode(Mode::Hold);
    assert_eq!(world.post(b"slow").await.status, 200);
    assert_eq!(world.parked(PARKED).await, 1);
    world.verifier.mode(Mode::Answer(Verdict::Duplicate));
    world.until_handed_over(1).await;
    // What came straight and its parked copy are one arrival; another delivery of the same bytes is another one.
    world.post(b"slow").await;
    let taken = world.verifier.taken();
    let arrivals: Vec<&str> = taken.iter().map(|delivery| delivery.arrival.as_str()).collect();
    let [first, .., last] = arrivals.as_slice() else { panic!("{arrivals:?}") };
    assert!(!first.is_empty() && arrivals[..arrivals.len() - 1].iter().all(|arrival| arrival == first));
    assert_ne!(first, last);
}

#[tokio::test]
async fn what_is_parked_cannot_be_read_in_the_log() {
    let world = alone(quick()).await;
    assert_eq!(world.post(b"dana@buyer.test").await.status, 200);
    let mut tail = world.log.tail(event_log::Category::Parked, event_log::Position::ZERO);
    let first = futures::StreamExt::next(&mut tail).await.expect("a commit").expect("readable");
    let shown = format!("{first:?}");
    let event_log::Tailed::Commit(recorded) = first else { panic!("nothing is parked") };
    let payload = &recorded.events[0].payload;
    assert!(!payload.windows(15).any(|window| window == b"dana@buyer.test"));
    assert!(!shown.contains("dana@buyer.test"));
}

/// Posts until a delivery is parked again: the backlog learns of a handover a moment later.
async fn until_parked(world: &World, wanted: usize) {
    let waited = tokio::time::timeout(crate::support::SOON, async {
        while world.parked(PARKED).await < wanted {
            world.post(b"again").await;
        }
    });
    waited.await.expect("there is room again");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
