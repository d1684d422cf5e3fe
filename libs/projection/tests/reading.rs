//! Rows while the log grows, and waiting for them and for a log that does not answer.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::time::Duration;

use event_log::{Category, EventLog, JetStreamSettings, Position, ReadError, Recorded, Settings};
use projection::{Projection, ProjectionError, Rows, VALUE_BYTES_MAX, View, ViewError};
use support::{SOON, append, log, start};
use testkit::nats::{NatsOptions, NatsServer};
use tokio_util::sync::CancellationToken;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_commit_is_applied_once_while_the_log_grows() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(&dir.path().join("log")).await;
    let running = start(&dir.path().join("views"), &log, 1).await;
    let head = append(&log, 0..1_200).await;
    running.projection.wait_for(head, SOON).await.unwrap();

    let counts = running.projection.scan("count", b"", 100, None).unwrap();
    let total: u64 = counts.iter().map(|row| u64::from_be_bytes(row.value.clone().try_into().unwrap())).sum();
    assert_eq!((counts.len(), total, running.applied()), (7, 1_200, 1_200));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_finds_its_own_write_after_waiting_for_its_position() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(&dir.path().join("log")).await;
    let running = start(&dir.path().join("views"), &log, 1).await;
    for number in 0..50 {
        let position = append(&log, number..number + 1).await;
        running.projection.wait_for(position, SOON).await.unwrap();
        assert!(running.projection.get("position", &position.0.to_be_bytes()).unwrap().is_some());
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_that_does_not_come_in_time_says_where_it_stands() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(&dir.path().join("log")).await;
    let running = start(&dir.path().join("views"), &log, 1).await;
    let head = append(&log, 0..1).await;
    running.projection.wait_for(head, SOON).await.unwrap();

    let wanted = Position(head.0 + 1_000);
    let error = running.projection.wait_for(wanted, Duration::from_millis(20)).await.unwrap_err();
    assert!(
        matches!(error, ProjectionError::Behind { wanted: w, reached } if w == wanted && reached >= head)
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_a_scan_follow_one_another_without_gap() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(&dir.path().join("log")).await;
    let running = start(&dir.path().join("views"), &log, 1).await;
    let head = append(&log, 0..25).await;
    running.projection.wait_for(head, SOON).await.unwrap();

    let mut keys = Vec::new();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = running.projection.scan("position", b"", 10, after.as_deref()).unwrap();
        keys.extend(page.iter().map(|row| row.key.clone()));
        match page.last() {
            Some(last) if page.len() == 10 => after = Some(last.key.clone()),
            Some(_) | None => break,
        }
    }
    let whole: Vec<_> =
        running.projection.scan("position", b"", 100, None).unwrap().into_iter().map(|row| row.key).collect();
    assert_eq!((keys.len(), &keys), (25, &whole));
    assert_eq!(running.projection.scan("count", b"e3", 10, None).unwrap().len(), 1);
    running.stop().await;
}

/// Writes a row that is too large, or cannot read the commit.
struct Broken {
    too_large: bool,
}

impl View for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn version(&self) -> u32 {
        1
    }

    fn apply(&self, _recorded: &Recorded, rows: &mut Rows<'_>) -> Result<(), ViewError> {
        if self.too_large {
            return rows.put("large", b"key", vec![0; VALUE_BYTES_MAX + 1]);
        }
        Err(ViewError::undecodable("no such kind"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_cannot_be_applied_stops_the_projection_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(&dir.path().join("log")).await;
    let head = append(&log, 0..1).await;
    for too_large in [true, false] {
        let views = dir.path().join(too_large.to_string());
        let projection =
            Projection::open(views, log.clone(), Category::Envelopes, Broken { too_large }).await.unwrap();
        let error = projection.run(CancellationToken::new()).await.unwrap_err();
        assert!(
            matches!(&error, ProjectionError::View { view: "broken", position, .. } if *position == head),
            "{error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_in_use_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(&dir.path().join("log")).await;
    let running = start(&dir.path().join("views"), &log, 1).await;
    let second = Projection::open(
        dir.path().join("views"),
        log.clone(),
        Category::Envelopes,
        support::Counting { version: 1, applied: running.applied.clone() },
    );
    assert!(matches!(second.await, Err(ProjectionError::InUse { .. })));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projection_opens_on_a_log_that_does_not_answer_at_first() {
    let server = NatsServer::start(NatsOptions::default()).await.unwrap();
    let settings = JetStreamSettings {
        url: server.url().to_owned(),
        monitoring_url: Some(server.monitoring_url().to_owned()),
        ..JetStreamSettings::default()
    };
    let log = EventLog::open(Settings::JetStream(settings)).await.unwrap();
    let head = append(&log, 0..20).await;
    let dir = tempfile::tempdir().unwrap();

    server.pause().unwrap();
    let answers_again = async {
        // Two reads in a row find nobody: one of the projection's own, made before, found nobody either.
        for _ in 0..2 {
            let nobody = log.head(Category::Envelopes).await;
            assert!(matches!(nobody, Err(ReadError::Unavailable(_))), "{nobody:?}");
        }
        server.resume().unwrap();
    };
    let (running, ()) = tokio::join!(start(dir.path(), &log, 1), answers_again);
    running.projection.wait_for(head, SOON).await.unwrap();
    assert_eq!(running.applied(), 20);
    running.stop().await;
}
