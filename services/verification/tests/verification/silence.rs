//! Nothing personal and no secret reaches a log line, of any test here.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, OnceLock};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::support::World;
use crate::support::vendors::{ATLAS_KEY, HUBSPOT_KEY, PANDADOC_KEY, atlas, atlas_with, batch, header};
use crate::support::vendors::{hubspot, hubspot_event, pandadoc};

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
async fn no_log_line_at_any_level_holds_a_person_a_body_a_key_or_a_signature() {
    let ear = Ear::open();
    let world = World::new().await;

    let person = r#"{"event":"envelope.declined","envelope_id":"env_1","reason":"Dana Buyer is angry","parties":[{"email":"dana@buyer.test","name":"Dana Buyer","order":1,"status":"declined"}]}"#;
    let change = batch(&[hubspot_event(1, 0, "dana@buyer.test")]);
    let document = br#"[{"event":"document_state_changed","data":{"id":"doc_1","name":"Dana Buyer","status":"document.sent"}}]"#;
    let mut forged = atlas_with("not-the-key", person.as_bytes(), crate::support::START);
    forged.headers.push(header("authorization", "Bearer dana@buyer.test"));
    for delivery in [
        atlas(person.as_bytes()),
        atlas(person.as_bytes()),
        atlas(b"{\"name\": \"Dana Buyer\""),
        forged,
        hubspot(&change),
        pandadoc(document),
    ] {
        world.accept(delivery).await;
    }
    world.ledger("atlas-main").await;

    let heard = ear.heard();
    assert!(heard.contains("delivery refused") && heard.contains("signal accepted"), "the ear hears");
    for secret in ["dana", "Dana", "buyer.test", "angry", "Bearer", ATLAS_KEY, PANDADOC_KEY, HUBSPOT_KEY] {
        assert!(!heard.contains(secret), "`{secret}` was logged");
    }
    for signed in [atlas(person.as_bytes()), hubspot(&change)] {
        let signature = String::from_utf8(signed.headers.last().expect("one").value.clone()).expect("text");
        assert!(!heard.contains(signature.trim_start_matches("sha256=")), "a signature was logged");
    }
}
