//! What the metrics say is what the ledger says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use contracts::wire::verification::Delivery;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

use crate::support::World;
use crate::support::vendors::{atlas, atlas_event};

/// Counts the duplicates that `verification_signals_total` is told of, on this thread.
#[derive(Default)]
struct Duplicates(Arc<AtomicU64>);

impl Recorder for Duplicates {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let duplicate = key.labels().any(|label| label.value() == "duplicate");
        match key.name() == "verification_signals_total" && duplicate {
            true => Counter::from_arc(self.0.clone()),
            false => Counter::noop(),
        }
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test]
async fn a_duplicate_that_is_handed_over_again_is_counted_once_as_in_the_ledger() {
    let duplicates = Duplicates::default();
    let _recording = metrics::set_default_local_recorder(&duplicates);
    let world = World::new().await;
    let told = |arrival: &str| Delivery { arrival: arrival.to_owned(), ..atlas(&atlas_event(1)) };
    world.accept(told("a-1")).await;
    for _ in 0..3 {
        world.accept(told("a-2")).await;
    }
    let line = world.ledger("atlas-main").await;
    assert_eq!((line.accepted, line.duplicate), (1, 1));
    assert_eq!(duplicates.0.load(Ordering::SeqCst), 1);
    world.accept(told("a-3")).await;
    assert_eq!(duplicates.0.load(Ordering::SeqCst), 2);
}
