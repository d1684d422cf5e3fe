//! The alarms of a test's process, of which there is one test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

/// Counts the alarms of one kind.
#[derive(Clone)]
pub struct Alarms {
    kind: &'static str,
    raised: Arc<AtomicU64>,
}

impl Alarms {
    /// Counts them in this process from now on.
    pub fn count(kind: &'static str) -> Self {
        let alarms = Self { kind, raised: Arc::default() };
        metrics::set_global_recorder(alarms.clone()).expect("the only recorder of this process");
        alarms
    }

    /// How many so far.
    pub fn raised(&self) -> u64 {
        self.raised.load(Ordering::SeqCst)
    }
}

impl Recorder for Alarms {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let counted = key.labels().any(|label| label.value() == self.kind);
        match key.name() == "orchestrator_alarms_total" && counted {
            true => Counter::from_arc(self.raised.clone()),
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
