//! What the folding and the writer owe one another, with the folding held still.

use parking_lot::MutexGuard;

use super::super::store::{open_database, open_keyspace};
use super::*;

/// A full writer: nobody folds unless the test does.
fn full(dir: &tempfile::TempDir) -> HeadWriter {
    let database = open_database(dir.path(), 1024 * 1024).unwrap();
    let keyspace = open_keyspace(&database, dir.path(), "heads", 1024 * 1024).unwrap();
    let index = HeadIndex::open(database, keyspace, &[], 1).unwrap();
    let (wake, _) = sync_channel(1);
    let writer = HeadWriter { index, wake };
    let mut heads = (1..=4).map(|n: u8| ([n; 16], u64::from(n))).collect();
    writer.publish(&mut heads);
    writer
}

/// Returns once somebody sleeps in `room`.
fn until_asleep(index: &Index) {
    loop {
        let held = index.failure.lock();
        let asleep = index.progress.notify_one();
        // Whoever was woken gets the lock now, looks again, and lets go of it by falling asleep again.
        MutexGuard::unlock_fair(held);
        drop(index.failure.lock());
        if asleep {
            return;
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_writer_goes_on_when_a_run_is_taken_and_not_only_when_it_is_folded() {
    let dir = tempfile::tempdir().unwrap();
    let writer = full(&dir);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let began = Instant::now();
            (writer.room(), began.elapsed())
        });
        until_asleep(&writer.index.0);
        writer.index.take_run();
        let (room, waited) = waiting.join().unwrap();
        assert_eq!(room, Ok(()));
        assert!(waited < ROOM_WAIT_MAX, "it slept beside free room");
    });
}

#[test]
fn a_writer_that_waited_long_enough_looks_for_room_before_it_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let writer = full(&dir);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| writer.room_within(Duration::from_secs(1)));
        until_asleep(&writer.index.0);
        // Room that nobody tells of.
        writer.index.0.layers.write().young.clear();
        assert_eq!(waiting.join().unwrap(), Ok(()));
    });
}

#[test]
fn a_writer_is_refused_while_nothing_is_folded() {
    let dir = tempfile::tempdir().unwrap();
    assert!(full(&dir).room_within(Duration::from_millis(1)).is_err());
}
