//! What a verified body says: one signal per event.

use crate::vectors::{Vector, scheme};
use domain::intake::{Actor, Meaning, NoMeaning, RecordChange, Signal};
use domain::personal::Personal;
use domain::time::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

fn split(body: &str) -> Vec<Signal> {
    let mut delivery = Vector::named("HS3-1").delivery();
    delivery.body = body.as_bytes().to_vec();
    scheme("https://hooks.esign.test/", Some("44001122"), json!({"app_id": "9900"})).split(&delivery)
}

#[test]
fn one_event_becomes_one_change_with_its_exact_bytes() {
    let body = Vector::named("HS3-1").body;
    let signals = split(&body);
    let [signal] = signals.as_slice() else { panic!("{signals:?}") };
    assert_eq!(signal.dedupe, "44001122|deal.propertyChange|50123456789|1001|1767225599000|dealstage");
    assert_eq!(signal.subject, "deal:50123456789");
    assert_eq!(signal.event, "deal.propertyChange");
    assert_eq!(signal.raw, body.as_bytes()[1..body.len() - 1]);
    let change = RecordChange {
        account: "44001122".into(),
        object_type: "deal".into(),
        object_id: "50123456789".into(),
        property: "dealstage".into(),
        value: Personal::new("contractsent"),
        changed_at: Timestamp(1_767_225_599_000),
        actor: Actor::Human,
        actor_id: "userId:777".into(),
    };
    assert_eq!(signal.meaning, Meaning::Record(change));
}

#[test]
fn our_own_echo_is_known_by_its_actor_and_text_is_not_bent() {
    let signals = split(&Vector::named("HS3-2").body);
    let changes: Vec<_> = signals
        .iter()
        .filter_map(|signal| match &signal.meaning {
            Meaning::Record(change) => Some(change),
            Meaning::Envelope(_) | Meaning::Nothing(_) => None,
        })
        .collect();
    assert_eq!((changes[0].actor, changes[0].actor_id.as_str()), (Actor::Integration, "9900"));
    assert_eq!(changes[1].value.reveal(), Some("Großauftrag Łódź – 签约"));
}

#[test]
fn an_empty_batch_has_no_signals() {
    assert_eq!(split("[]"), []);
    assert_eq!(split(" [ ] "), []);
}

#[test]
fn the_attempt_number_is_no_part_of_what_makes_an_event_the_same() {
    let first = Vector::named("HS3-1").body;
    let again = first.replace("\"attemptNumber\":0", "\"attemptNumber\":3");
    assert_ne!(first, again);
    assert_eq!(split(&first)[0].dedupe, split(&again)[0].dedupe);
}

#[test]
fn both_names_of_the_event_type_and_the_generic_form_mean_the_same() {
    let body = Vector::named("HS3-1").body;
    let renamed = body.replace("subscriptionType", "eventType");
    let generic = body.replace(
        "\"subscriptionType\":\"deal.propertyChange\"",
        "\"subscriptionType\":\"object.propertyChange\",\"objectTypeId\":\"0-3\"",
    );
    let expected = &split(&body)[0];
    for other in [renamed, generic] {
        let signal = &split(&other)[0];
        assert_eq!((&signal.meaning, &signal.event), (&expected.meaning, &expected.event));
        assert_eq!(signal.subject, expected.subject);
    }
}

#[test]
fn a_malformed_event_costs_only_itself() {
    let good = Vector::named("HS3-1").body;
    let good = &good[1..good.len() - 1];
    for bad in ["{\"eventId\":7}", "null", "17", "\"text\"", "[]", "{\"portalId\":{},\"occurredAt\":\"x\"}"] {
        let signals = split(&format!("[{bad},{good}]"));
        assert_eq!(signals.len(), 2, "{bad}");
        assert_eq!(signals[0].meaning, Meaning::Nothing(NoMeaning::Unreadable), "{bad}");
        assert_eq!(signals[0].raw, bad.as_bytes());
        assert!(matches!(signals[1].meaning, Meaning::Record(_)));
    }
}

#[test]
fn a_body_that_is_no_batch_is_one_unreadable_signal() {
    for body in ["", "{", "{}", "[1,", "nonsense", "\u{0}"] {
        let signals = split(body);
        assert_eq!(signals.len(), 1, "{body:?}");
        assert_eq!(signals[0].meaning, Meaning::Nothing(NoMeaning::Unreadable));
        assert_eq!(signals[0].raw, body.as_bytes());
    }
}

#[test]
fn events_of_a_foreign_app_or_portal_have_no_effect() {
    let body = Vector::named("HS3-1").body;
    for (ours, foreign) in
        [("\"appId\":9900", "\"appId\":9901"), ("\"portalId\":44001122", "\"portalId\":44001123")]
    {
        let signals = split(&body.replace(ours, foreign));
        assert_eq!(signals[0].meaning, Meaning::Nothing(NoMeaning::NotOurs), "{foreign}");
    }
}

#[test]
fn unknown_events_are_named_and_have_no_effect() {
    let body = Vector::named("HS3-1").body;
    for (event, expected) in [
        ("deal.somethingNew", NoMeaning::UnknownEvent),
        ("contact.privacyDeletion", NoMeaning::NotOurs),
        ("deal.associationChange", NoMeaning::NotOurs),
    ] {
        let signals = split(&body.replace("deal.propertyChange", event));
        assert_eq!(signals[0].meaning, Meaning::Nothing(expected), "{event}");
        assert_eq!(signals[0].event, event);
    }
}

#[test]
fn a_creation_is_a_change_of_no_property() {
    let signals = split(
        r#"[{"eventId":1,"portalId":44001122,"appId":9900,"occurredAt":5,"subscriptionType":"deal.creation","objectId":"7","changeSource":"IMPORT"}]"#,
    );
    let Meaning::Record(change) = &signals[0].meaning else { panic!("{signals:?}") };
    assert_eq!(
        (change.property.as_str(), change.value.reveal(), change.actor),
        ("", Some(""), Actor::Import)
    );
}

proptest! {
    #[test]
    fn reading_never_fails_and_keeps_its_limits(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut delivery = Vector::named("HS3-1").delivery();
        delivery.body = body;
        for signal in scheme("https://hooks.esign.test/", None, Value::Null).split(&delivery) {
            prop_assert!(signal.dedupe.len() <= 512 && signal.event.len() <= 100);
        }
    }

    #[test]
    fn long_names_keep_the_limits(name in "\\PC{0,700}") {
        let event = json!([{"portalId": 1, "objectId": 2, "occurredAt": 3, "subscriptionType": format!("{name}.x"), "propertyName": name}]);
        for signal in split(&event.to_string()) {
            prop_assert!(signal.dedupe.len() <= 512 && signal.event.len() <= 100);
        }
    }
}
