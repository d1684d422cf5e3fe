//! The log is away: nothing is answered as if it were kept.

use contracts::wire::verification::Verdict;
use event_log::{EventLog, JetStreamSettings, Settings};
use std::time::Duration;
use tempfile::TempDir;
use testkit::nats::{NatsOptions, NatsServer};

use crate::support::vendors::{atlas, atlas_event, atlas_with};
use crate::support::{CONFIGURATION, SOON, START, World, accepted, duplicate, said};

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
