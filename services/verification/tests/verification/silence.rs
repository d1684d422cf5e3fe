//! Nothing personal and no secret reaches a log line, of any test here.

use testkit::ear::Ear;

use crate::support::World;
use crate::support::vendors::{ATLAS_KEY, HUBSPOT_KEY, PANDADOC_KEY, atlas, atlas_with, batch, header};
use crate::support::vendors::{hubspot, hubspot_event, pandadoc};

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
