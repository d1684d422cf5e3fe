//! What the public contract cannot show: nobody is answered before the sync, and what a failed one means.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use bytes::Bytes;
use domain::ids::CommandId;
use domain::time::Timestamp;
use futures::{FutureExt as _, StreamExt as _};

use super::writer::{CommitGroup, commit_synced};
use super::*;
use crate::{Entity, Expected, NewEvent, TraceContext, event_id};

fn settings(dir: &tempfile::TempDir) -> EmbeddedSettings {
    EmbeddedSettings { free_bytes_min: 1, ..EmbeddedSettings::in_dir(dir.path()) }
}

fn entity(id: &str) -> Entity {
    Entity::new(Category::Intake, &"acme".parse().unwrap(), id).unwrap()
}

fn commit(number: u8) -> Commit {
    let command_id = CommandId::from_bytes([number; 16]);
    let event = NewEvent {
        id: event_id(&command_id, 0),
        kind: "test.happened".to_owned(),
        schema: 1,
        occurred_at: Timestamp(1),
        payload: Bytes::from_static(b"x"),
    };
    Commit {
        command_id,
        correlation_id: String::new(),
        causation_id: None,
        trace: TraceContext::default(),
        events: vec![event],
    }
}

/// Syncs for real, but only when the test lets it; counts the syncs that have returned.
fn gated() -> (CommitGroup, mpsc::Sender<()>, Arc<AtomicUsize>) {
    let (open, gate) = mpsc::channel::<()>();
    let synced = Arc::new(AtomicUsize::new(0));
    let (count, mut really) = (synced.clone(), commit_synced());
    let commit_group: CommitGroup = Box::new(move |batch| {
        gate.recv().expect("the test opens the gate");
        really(batch)?;
        count.fetch_add(1, Ordering::SeqCst);
        Ok(())
    });
    (commit_group, open, synced)
}

#[tokio::test]
async fn nobody_is_answered_and_nothing_is_seen_before_the_sync_has_returned() {
    let dir = tempfile::tempdir().unwrap();
    let (commit_group, open, synced) = gated();
    let log = Embedded::open_with(settings(&dir), commit_group).await.unwrap();
    let one = entity("one");
    let mut append = Box::pin(log.append(&one, Expected::Absent, commit(1)));
    // The request is queued by the first poll; the writer now stands before the closed gate.
    assert!(append.as_mut().now_or_never().is_none());
    for _ in 0..100 {
        assert_eq!(log.read(&one, Version::NONE).await.unwrap(), []);
        assert_eq!(log.head(Category::Intake).await.unwrap(), Position::ZERO);
        assert!(append.as_mut().now_or_never().is_none());
    }
    assert_eq!(synced.load(Ordering::SeqCst), 0);
    open.send(()).unwrap();
    append.await.unwrap();
    assert_eq!(synced.load(Ordering::SeqCst), 1);
    assert_eq!(log.read(&one, Version::NONE).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_waits_during_a_sync_shares_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let (commit_group, open, synced) = gated();
    let log = Embedded::open_with(settings(&dir), commit_group).await.unwrap();
    let entities: Vec<Entity> = (0..100).map(|n| entity(&format!("e{n}"))).collect();
    let first = entity("first");
    let mut leading = Box::pin(log.append(&first, Expected::Absent, commit(200)));
    assert!(leading.as_mut().now_or_never().is_none());
    // The writer has taken the first request once the queue is empty again.
    while !log.requests.is_empty() {
        tokio::task::yield_now().await;
    }
    let mut others = Box::pin(futures::future::join_all(
        entities.iter().zip(1..).map(|(one, number)| log.append(one, Expected::Absent, commit(number))),
    ));
    assert!(others.as_mut().now_or_never().is_none());
    open.send(()).unwrap();
    open.send(()).unwrap();
    leading.await.unwrap();
    assert!(others.await.iter().all(Result::is_ok));
    assert_eq!(synced.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_written_until_the_log_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let (mut really, mut left) = (commit_synced(), 1);
    let failing: CommitGroup = Box::new(move |batch| {
        if left == 0 {
            return Err(fjall::Error::Io(std::io::Error::other("the disk is gone")));
        }
        left -= 1;
        really(batch)
    });
    let log = Embedded::open_with(settings(&dir), failing).await.unwrap();
    let one = entity("one");
    let first = log.append(&one, Expected::Absent, commit(1)).await.unwrap();
    let second = log.append(&one, Expected::Exactly(first.version), commit(2)).await;
    assert_eq!(second, Err(AppendError::Unknown));
    for number in 3..6 {
        let refused = log.append(&one, Expected::Any, commit(number)).await;
        assert!(matches!(refused, Err(AppendError::Unavailable(reason)) if reason.contains("CS-LOG-003")));
    }
    assert!(log.ping().await.is_err());
    assert_eq!(log.read(&one, Version::NONE).await.unwrap().len(), 1, "reads go on");
    drop(log);
    let log = Embedded::open(settings(&dir)).await.unwrap();
    let second = log.append(&one, Expected::Exactly(first.version), commit(2)).await.unwrap();
    assert!(!second.duplicate);
}

/// As many entities as `numbers`, one commit each.
async fn append_each(log: &Embedded, numbers: std::ops::Range<u8>) {
    let entities: Vec<Entity> = numbers.clone().map(|n| entity(&format!("e{n}"))).collect();
    let appends = entities.iter().zip(numbers).map(|(one, n)| log.append(one, Expected::Absent, commit(n)));
    assert!(futures::future::join_all(appends).await.iter().all(Result::is_ok));
}

/// Every entity is there, and none counts as new.
async fn assert_each(log: &Embedded, numbers: std::ops::Range<u8>) {
    for n in numbers {
        let one = entity(&format!("e{n}"));
        assert_eq!(log.read(&one, Version::NONE).await.unwrap().len(), 1, "{one}");
        let again = log.append(&one, Expected::Absent, commit(250)).await;
        assert!(matches!(again, Err(AppendError::Conflict { .. })), "{one}");
    }
}

async fn until_folded(log: &Embedded) {
    while !log.store.heads.is_folded() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn heads_that_were_not_written_yet_are_read_from_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let few = || EmbeddedSettings { heads_unwritten_max: 20, ..settings(&dir) };
    let log = Embedded::open(few()).await.unwrap();
    append_each(&log, 0..20).await;
    append_each(&log, 20..25).await;
    drop(log);
    // Some are in the index by now or all are in the log alone: nobody can tell from outside.
    for heads_unwritten_max in [1_000, 20, 1] {
        let log = Embedded::open(EmbeddedSettings { heads_unwritten_max, ..few() }).await.unwrap();
        assert_each(&log, 0..25).await;
    }
}

#[tokio::test]
async fn heads_in_the_index_need_no_log_to_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let every = || EmbeddedSettings { heads_unwritten_max: 1, ..settings(&dir) };
    let log = Embedded::open(every()).await.unwrap();
    append_each(&log, 0..50).await;
    until_folded(&log).await;
    assert_each(&log, 0..50).await;
    drop(log);
    let log = Embedded::open(every()).await.unwrap();
    assert!(log.store.heads.is_folded(), "nothing was read from the log again");
    assert_each(&log, 0..50).await;
}

#[tokio::test]
async fn a_log_from_before_the_index_is_taken_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let every = || EmbeddedSettings { heads_unwritten_max: 1, ..settings(&dir) };
    let log = Embedded::open(every()).await.unwrap();
    append_each(&log, 0..10).await;
    until_folded(&log).await;
    log.store.heads.forget_mark();
    drop(log);
    let log = Embedded::open(settings(&dir)).await.unwrap();
    append_each(&log, 10..20).await;
    drop(log);
    assert_each(&Embedded::open(settings(&dir)).await.unwrap(), 0..20).await;
}

#[tokio::test]
async fn a_nearly_full_disk_refuses_appends_and_goes_on_reading() {
    let dir = tempfile::tempdir().unwrap();
    let log = Embedded::open(settings(&dir)).await.unwrap();
    let one = entity("one");
    log.append(&one, Expected::Absent, commit(1)).await.unwrap();
    drop(log);
    let log = Embedded::open(EmbeddedSettings { free_bytes_min: u64::MAX, ..settings(&dir) }).await.unwrap();
    let refused = log.append(&one, Expected::Any, commit(2)).await;
    assert!(matches!(refused, Err(AppendError::Unavailable(reason)) if reason.contains("CS-LOG-004")));
    assert_eq!(log.read(&one, Version::NONE).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_directory_in_use_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let _log = Embedded::open(settings(&dir)).await.unwrap();
    let refused = Embedded::open(settings(&dir)).await.err().expect("the directory is in use");
    assert!(matches!(&refused, OpenError::InUse { dir } if !dir.is_empty()), "{refused}");
    assert!(refused.to_string().starts_with("CS-LOG-001"));
}

#[tokio::test]
async fn keys_are_not_kept_with_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = Embedded::open(settings(&dir)).await.unwrap();
    let key = log.key_get_or_create("env_1").await.unwrap();
    let holds_key = |folder: &str| {
        files(&dir.path().join(folder)).any(|bytes| bytes.windows(32).any(|window| window == key.as_bytes()))
    };
    assert!(holds_key("keys"));
    assert!(!holds_key("log"));
}

fn files(dir: &std::path::Path) -> impl Iterator<Item = Vec<u8>> + use<> {
    let mut folders = vec![dir.to_owned()];
    let mut contents = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { contents.push(std::fs::read(path).unwrap()) }
        }
    }
    contents.into_iter()
}

#[tokio::test]
async fn a_reader_lives_on_over_a_store_that_does_not_answer_for_a_while() {
    let dir = tempfile::tempdir().unwrap();
    let log = Embedded::open(settings(&dir)).await.unwrap();
    log.append(&entity("one"), Expected::Absent, commit(1)).await.unwrap();
    let (store, asked) = (log.store.clone(), AtomicUsize::new(0));
    let read = Arc::new(move |after| match asked.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => (Vec::new(), Some(ReadError::Unavailable("the disk is busy".to_owned()))),
        _ => reader::batch(store.category(Category::Intake), after),
    });
    let head = log.heads[Category::Intake.index()].clone();
    let mut tail = reader::tail_by(read, Position::ZERO, Shares::ALL, head);
    let first = tail.next().await.unwrap().unwrap();
    assert!(matches!(first, crate::Tailed::Commit(recorded) if recorded.position == Position(1)));
}

#[tokio::test]
async fn a_reader_does_not_wait_for_a_record_that_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let log = Embedded::open(settings(&dir)).await.unwrap();
    log.append(&entity("one"), Expected::Absent, commit(1)).await.unwrap();
    let read = Arc::new(|_| (Vec::new(), Some(ReadError::Corrupt("nonsense".to_owned()))));
    let head = log.heads[Category::Intake.index()].clone();
    let mut tail = reader::tail_by(read, Position::ZERO, Shares::ALL, head);
    assert_eq!(tail.next().await, Some(Err(ReadError::Corrupt("nonsense".to_owned()))));
    assert_eq!(tail.next().await, None);
}
