//! An ear for everything that is logged, so that a test can prove what is not.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, OnceLock};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Writes down everything that is logged in this process, at every level.
#[derive(Clone, Default)]
pub struct Ear(Arc<Mutex<String>>);

impl Ear {
    /// The one ear. Every world opens it before anything is logged, because a place in the code that logs
    /// remembers whether anybody listened.
    ///
    /// # Panics
    /// When something else listens in this process already.
    pub fn open() -> Ear {
        static EAR: OnceLock<Ear> = OnceLock::new();
        let ear = EAR.get_or_init(|| {
            let ear = Ear::default();
            tracing::subscriber::set_global_default(ear.clone()).expect("nobody else listens");
            ear
        });
        ear.clone()
    }

    /// Everything that was logged so far, by every test of the process.
    ///
    /// # Panics
    /// When a test panicked while it logged.
    pub fn heard(&self) -> String {
        self.0.lock().expect("nobody panicked").clone()
    }
}

impl Visit for Ear {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.lock().expect("nobody panicked").push_str(&format!("{field}={value:?}\n"));
    }
}

impl Subscriber for Ear {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        attributes.record(&mut self.clone());
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, record: &Record<'_>) {
        record.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
