//! The streams to verification break, end and come back; no delivery is lost by it.

use std::time::Duration;

use contracts::wire::verification::Verdict;
use ingress::Settings;
use runtime::grpc::ServerSettings;

use crate::support::verifier::patient;
use crate::support::{Mode, PARKED, Verifier, World, impatient, quick};

fn one_lane() -> Settings {
    Settings { lanes: 1, ..quick() }
}

#[tokio::test]
async fn a_stream_that_breaks_under_a_delivery_parks_it() {
    let world = World::with(one_lane()).await;
    world.verifier.mode(Mode::Break);
    let answer = world.post(b"unlucky").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert_eq!(world.parked(PARKED).await, 1);
    world.verifier.mode(Mode::Answer(Verdict::Accepted));
    world.until_handed_over(1).await;
    let last = world.verifier.taken().pop().expect("it was taken");
    assert_eq!(last.body, b"unlucky");
}

#[tokio::test]
async fn a_server_that_dies_with_deliveries_in_flight_loses_none_of_them() {
    let world = World::new().await;
    world.verifier.mode(Mode::Hold);
    let asking = futures::future::join_all((0..30).map(|number: u32| {
        let body = number.to_string();
        let world = &world;
        async move { world.post(body.as_bytes()).await.status }
    }));
    let dying = async {
        world.verifier.until_taken(30).await;
        world.verifier.stop().await;
    };
    let (statuses, ()) = tokio::join!(asking, dying);
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    world.verifier.mode(Mode::Answer(Verdict::Accepted));
    world.verifier.start(patient()).await;
    world.until_handed_over(30).await;
    let mut arrived: Vec<Vec<u8>> =
        world.verifier.taken().into_iter().map(|delivery| delivery.body).collect();
    arrived.sort();
    arrived.dedup();
    assert_eq!(arrived.len(), 30);
}

#[tokio::test]
async fn a_connection_closed_for_its_age_is_opened_again_and_nothing_is_lost() {
    let verifier = Verifier::new();
    let settings = ServerSettings { connection_age_max: Duration::from_millis(50), ..patient() };
    verifier.start(settings).await;
    let world = World::beside(verifier, one_lane()).await;
    // One post a connection, until four connections have lived and died.
    let posting = async {
        loop {
            assert_eq!(world.post(b"x").await.status, 200);
        }
    };
    tokio::select! {
        () = world.verifier.until_streams(4) => {}
        () = posting => {}
    }
}

#[tokio::test]
async fn verdicts_that_nobody_waits_for_any_more_keep_no_one_out() {
    let world = World::with(Settings { in_flight_max: 2, lanes: 1, ..impatient() }).await;
    world.verifier.mode(Mode::Hold);
    for _ in 0..4 {
        assert_eq!(world.post(b"x").await.status, 200);
    }
    world.verifier.mode(Mode::Answer(Verdict::Refused));
    let waited =
        tokio::time::timeout(crate::support::SOON, async { while world.post(b"y").await.status != 401 {} });
    waited.await.expect("the lane takes deliveries again");
}
