//! The log is away: nothing is answered as if it were kept.

use contracts::wire::verification::{ReleaseQuarantinedRequest, Verdict};
use event_log::{EventLog, JetStreamSettings, Settings};
use std::time::Duration;
use tempfile::TempDir;
use testkit::nats::{NatsOptions, NatsServer};

use crate::support::vendors::{ATLAS_KEY, atlas, atlas_event, atlas_with};
use crate::support::{CONFIGURATION, SOON, START, World, accepted, duplicate, loaded, said};

async fn on_nats(server: &NatsServer) -> World {
    let settings = Settings::JetStream(JetStreamSettings {
        url: server.url().to_owned(),
        monitoring_url: Some(server.monitoring_url().to_owned()),
        append_deadline: Duration::from_secs(1),
        ..JetStreamSettings::default()
    });
    let log = EventLog::open(settings).await.expect("the log opens");
    World::on(log, TempDir::new().expect("a directory"), CONFIGURATION).await
}

#[tokio::test]
async fn without_a_log_the_sender_is_asked_to_come_again_and_nothing_is_lost_or_doubled() {
    let mut server = NatsServer::start(NatsOptions::default()).await.expect("a nats-server");
    let world = on_nats(&server).await;
    assert_eq!(said(&world.accept(atlas(&atlas_event(1))).await), accepted(1, 0));
    server.kill();
    for delivery in [atlas(&atlas_event(2)), atlas_with("not-the-key", &atlas_event(3), START)] {
        let answer = world.accept(delivery).await;
        assert_eq!((answer.verdict(), answer.retry_after_ms), (Verdict::Unavailable, 5_000));
    }
    server.restart().await.expect("it comes back");
    let back = tokio::time::timeout(SOON, async {
        while world.accept(atlas(&atlas_event(2))).await.verdict() == Verdict::Unavailable {}
    });
    back.await.expect("the log is back");
    assert_eq!(said(&world.accept(atlas(&atlas_event(1))).await), duplicate(1), "what was kept is known");
    assert_eq!(said(&world.accept(atlas(&atlas_event(2))).await), duplicate(1), "once, whenever it landed");
    let sent: Vec<String> = world.accepted().await.into_iter().map(|(_, kept)| kept.subject).collect();
    assert_eq!(sent, ["env_1", "env_2"]);
}

#[tokio::test]
async fn a_release_that_is_cut_off_goes_on_where_it_was_and_nothing_is_doubled_or_out_of_order() {
    const DELIVERIES: u32 = 120;
    let mut server = NatsServer::start(NatsOptions::default()).await.expect("a nats-server");
    let world = on_nats(&server).await;
    world.configuration.replace(loaded(&CONFIGURATION.replace("env: ATLAS}", "env: ATLAS_OLD}")));
    for number in 0..DELIVERIES {
        let at = START.after(Duration::from_millis(u64::from(number)));
        let answer = world.accept(atlas_with(ATLAS_KEY, &atlas_event(number), at)).await;
        assert_eq!(answer.verdict(), Verdict::Refused);
    }
    world.configuration.replace(loaded(CONFIGURATION));
    let release = async || {
        let request = ReleaseQuarantinedRequest {
            connection: "atlas-main".to_owned(),
            page_size: DELIVERIES,
            request_id: "r-1".to_owned(),
            ..Default::default()
        };
        world.replica.client.clone().release_quarantined(request).await
    };
    let begun = async {
        // Somewhere in the middle of it.
        let mut tail = world.log.tail(event_log::Category::Intake, event_log::Position::ZERO);
        let mut released = 0;
        while released < DELIVERIES / 3 {
            let Some(Ok(event_log::Tailed::Commit(commit))) = futures::StreamExt::next(&mut tail).await
            else {
                continue;
            };
            released += u32::from(commit.events[0].kind == "intake.delivery_released");
        }
        server.kill();
    };
    let (cut_off, ()) = tokio::join!(release(), begun);
    assert!(cut_off.is_err(), "the log went away in the middle");
    server.restart().await.expect("it comes back");
    let finished = tokio::time::timeout(SOON, async { while release().await.is_err() {} });
    finished.await.expect("the log is back");

    let times: Vec<i64> =
        world.accepted().await.iter().map(|(_, kept)| kept.received_at.0 - START.0).collect();
    assert_eq!(times, (0..i64::from(DELIVERIES)).collect::<Vec<_>>());
    let line = world.ledger("atlas-main").await;
    let total = u64::from(DELIVERIES);
    assert_eq!((line.received, line.accepted, line.duplicate, line.quarantined), (total, total, 0, 0));
}
