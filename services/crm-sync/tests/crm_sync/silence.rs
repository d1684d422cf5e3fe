//! Nothing personal reaches a log line, of any test here.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, OnceLock};

use domain::envelope::Event as Fact;
use domain::intake::Actor;
use domain::personal::Personal;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::support::deals::{unknown_property, unwell};
use crate::support::{START, TRIGGERS, WRITES, World, created, requested, sent};
use crate::writes::envelope;

/// Writes down everything that is logged in this process, at every level.
#[derive(Clone, Default)]
pub struct Ear(Arc<Mutex<String>>);

impl Ear {
    /// The one ear. Every world opens it before anything is logged, because a place in the code that logs
    /// remembers whether anybody listened.
    pub fn open() -> Ear {
        static EAR: OnceLock<Ear> = OnceLock::new();
        let ear = EAR.get_or_init(|| {
            let ear = Ear::default();
            tracing::subscriber::set_global_default(ear.clone()).expect("nobody else listens");
            ear
        });
        ear.clone()
    }

    fn heard(&self) -> String {
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

#[tokio::test]
async fn no_log_line_at_any_level_holds_a_person_a_link_or_a_value() {
    let ear = Ear::open();
    let world = World::new().await;
    let position = world.change(1, "dealstage", "contractsent", Actor::Human).await;
    world.until_handled(TRIGGERS, position).await;
    world.office.refuse(tonic::Status::invalid_argument("parties[0].email: not an e-mail address"));
    let position = world.change(2, "dealstage", "billme", Actor::Human).await;
    world.until_handled(TRIGGERS, position).await;
    world.deals.fail([unwell(), unknown_property()]);
    let id = envelope();
    let declined = Fact::Declined { reason: Some(Personal::new("Dana Buyer is angry")), at: START };
    let position = world.tell(&id, vec![requested("order-form"), created(), sent(), declined]).await;
    world.until_handled(WRITES, position).await;
    world.dead_letters().await;

    let heard = ear.heard();
    for spoken in ["trigger taken", "the record cannot become an envelope", "record not written"] {
        assert!(heard.contains(spoken), "`{spoken}` was not heard");
    }
    for secret in ["Dana", "buyer.test", "files.test", "review.test", "angry"] {
        assert!(!heard.contains(secret), "`{secret}` was logged");
    }
}
