//! What a workflow's action "send a webhook" says: the record, and each property that was picked for it.

use crate::vectors::{Vector, all, scheme};
use domain::intake::{Actor, Meaning, NoMeaning, RawDelivery, RecordChange, Signal};
use domain::personal::Personal;
use domain::time::Timestamp;
use serde_json::{Value, json};

const AT: i64 = 1_767_225_600_000;

fn vector() -> Vector {
    all().into_iter().find(|vector| vector.name.starts_with("HS2-1")).unwrap()
}

fn split(body: &str, at: i64) -> Vec<Signal> {
    let delivery = RawDelivery {
        connection: "hubspot-main".parse().unwrap(),
        method: "POST".to_owned(),
        path_and_query: "/v1/hooks/hubspot-main".to_owned(),
        headers: Vec::new(),
        body: body.as_bytes().to_vec(),
        received_at: Timestamp(at),
    };
    scheme(&vector().url, Some("44001122"), json!({"app_id": "9900", "allow_legacy_v2": true}))
        .split(&delivery)
}

fn without(name: &str) -> String {
    let mut body: Value = serde_json::from_str(&vector().body).unwrap();
    body.as_object_mut().unwrap().remove(name);
    body.to_string()
}

#[test]
fn each_property_of_the_record_is_a_change_by_the_workflow() {
    let signals = split(&vector().body, AT);
    let changes: Vec<_> = signals.iter().map(|signal| signal.meaning.clone()).collect();
    let change = |property: &str, value: &str| {
        Meaning::Record(RecordChange {
            account: "44001122".into(),
            object_type: "deal".into(),
            object_id: "50123456789".into(),
            property: property.into(),
            value: Personal::new(value),
            changed_at: Timestamp(AT),
            actor: Actor::Workflow,
            actor_id: String::new(),
        })
    };
    assert_eq!(changes, [change("amount", "1299.50"), change("dealstage", "contractsent")]);
    for signal in &signals {
        assert_eq!((signal.event.as_str(), signal.subject.as_str()), ("deal.workflow", "deal:50123456789"));
        assert_eq!(signal.occurred_at, None, "the body does not say when");
    }
    assert_eq!(signals[1].raw, b"\"contractsent\"");
}

#[test]
fn a_workflow_that_picked_no_property_still_names_its_record() {
    for body in [
        without("properties"),
        vector().body.replace("\"dealstage\":\"contractsent\",\"amount\":\"1299.50\"", ""),
    ] {
        let signals = split(&body, AT);
        let [Signal { meaning: Meaning::Record(change), raw, .. }] = signals.as_slice() else {
            panic!("{signals:?}")
        };
        assert_eq!((change.property.as_str(), change.object_id.as_str()), ("", "50123456789"));
        assert_eq!(raw, body.as_bytes());
    }
}

#[test]
fn the_same_body_is_one_enrolment_for_ten_minutes_and_another_one_later() {
    let key = |body: &str, at: i64| split(body, at)[1].dedupe.clone();
    let body = vector().body;
    assert_eq!(key(&body, AT), key(&body, AT + 599_999));
    assert_ne!(key(&body, AT), key(&body, AT + 600_000));
    assert_ne!(key(&body, AT), key(&body.replace("1299.50", "1299.51"), AT));
    let signals = split(&body, AT);
    assert_ne!(signals[0].dedupe, signals[1].dedupe);
}

#[test]
fn a_workflow_of_a_foreign_portal_has_no_effect() {
    let signals = split(&vector().body.replace("44001122", "44001123"), AT);
    assert_eq!(signals.len(), 1);
    assert_eq!(signals[0].meaning, Meaning::Nothing(NoMeaning::NotOurs));
}

#[test]
fn a_body_that_does_not_say_which_record_it_is_of_is_kept_unread() {
    let many: String = (0..501).map(|number| format!("\"p{number}\":1,")).collect();
    let many = vector().body.replace("\"dealstage\"", &format!("{many}\"dealstage\""));
    let bodies = [without("objectId"), without("objectTypeId"), without("portalId"), many];
    for body in bodies {
        let signals = split(&body, AT);
        assert_eq!(signals.len(), 1);
        assert_eq!(signals[0].meaning, Meaning::Nothing(NoMeaning::Unreadable));
        assert_eq!(signals[0].raw, body.as_bytes());
    }
}
