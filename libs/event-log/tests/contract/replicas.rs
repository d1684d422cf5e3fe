//! Several replicas of one consumer: shares are divided, taken over, and an entity's order holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use event_log::{EventLog, Expected, Outcome, Position};
use parking_lot::Mutex;

use crate::fixture::{Store, commit, entity, eventually, in_time, text};
use crate::follow::{Following, Recorder, consumer, reached};

/// What all replicas handled, in the order in which they did.
#[derive(Default)]
struct Book(Mutex<Vec<(&'static str, String, u32)>>);

impl Book {
    fn replica(self: &Arc<Self>, name: &'static str) -> Arc<Recorder> {
        let book = self.clone();
        Recorder::new(move |delivery| {
            let number = text(&delivery.recorded).parse().unwrap();
            book.0.lock().push((name, delivery.recorded.entity.id().to_owned(), number));
            Outcome::Done
        })
    }

    fn handled_by(&self, name: &str) -> usize {
        self.0.lock().iter().filter(|(replica, _, _)| *replica == name).count()
    }

    /// Every commit was handled, and no commit for the first time before the one ahead of it.
    fn assert_complete_and_in_order(&self, entities: usize, commits: u32) {
        let mut next: BTreeMap<String, u32> = BTreeMap::new();
        for (_, one, number) in self.0.lock().iter() {
            let expected = next.entry(one.clone()).or_default();
            assert!(number <= expected, "{one}: {number} before {expected}");
            *expected = (*expected).max(number + 1);
        }
        assert_eq!(next.len(), entities);
        assert!(next.values().all(|count| *count == commits), "{next:?}");
    }
}

async fn fill(log: &EventLog, entities: usize, numbers: std::ops::Range<u32>) -> Position {
    for number in numbers {
        let appends = (0..entities).map(|one| {
            let one = entity(&format!("e{one}"));
            async move { log.append(&one, Expected::Any, commit(&number.to_string())).await.unwrap() }
        });
        futures::future::join_all(appends).await;
    }
    log.head(event_log::Category::Envelopes).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_replica_gets_half_of_the_work_and_order_holds() {
    in_time(async {
        let store = Store::jetstream().await;
        let (one, two) = (store.open().await, store.open().await);
        let book = Arc::new(Book::default());
        let first = Following::start(&one, consumer("pair"), book.replica("first"));
        let mut number = 0;
        fill(&one, 40, number..number + 1).await;
        number += 1;
        eventually("the only replica does everything", || async { book.handled_by("first") >= 40 }).await;

        let second = Following::start(&two, consumer("pair"), book.replica("second"));
        while book.handled_by("second") < 40 {
            assert!(number < 600, "the second replica never got its half");
            fill(&one, 40, number..number + 1).await;
            number += 1;
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let (before_first, before_second) = (book.handled_by("first"), book.handled_by("second"));
        let head = fill(&one, 40, number..number + 5).await;
        reached(&one, "pair", head).await;
        assert!(book.handled_by("first") > before_first, "the first keeps its half");
        assert!(book.handled_by("second") > before_second);
        first.stop().await.unwrap();
        second.stop().await.unwrap();
        book.assert_complete_and_in_order(40, number + 5);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_replica_dies_the_other_takes_over_its_shares() {
    in_time(async {
        let store = Store::jetstream().await;
        let (one, two) = (store.open().await, store.open().await);
        let book = Arc::new(Book::default());
        let first = Following::start(&one, consumer("heir"), book.replica("first"));
        fill(&one, 40, 0..2).await;
        eventually("the first replica works", || async { book.handled_by("first") > 0 }).await;
        let second = Following::start(&two, consumer("heir"), book.replica("second"));
        first.kill();
        let head = fill(&one, 40, 2..6).await;
        reached(&two, "heir", head).await;
        assert!(book.handled_by("second") > 0);
        second.stop().await.unwrap();
        book.assert_complete_and_in_order(40, 6);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_leaves_gives_its_shares_back_at_once() {
    in_time(async {
        let store = Store::jetstream().await;
        let (one, two) = (store.open().await, store.open().await);
        let book = Arc::new(Book::default());
        let first = Following::start(&one, consumer("polite"), book.replica("first"));
        let head = fill(&one, 10, 0..2).await;
        reached(&one, "polite", head).await;
        first.stop().await.unwrap();
        let second = Following::start(&two, consumer("polite"), book.replica("second"));
        let head = fill(&one, 10, 2..3).await;
        reached(&two, "polite", head).await;
        second.stop().await.unwrap();
        book.assert_complete_and_in_order(10, 3);
        assert_eq!(book.handled_by("first"), 20, "what was finished is not repeated");
        assert_eq!(book.handled_by("second"), 10);
    })
    .await;
}
