//! The simulator's webhooks, as our own scheme reads them.

use domain::intake::{Actor, Refusal};
use serde_json::json;

use crate::support::{Receiver, SECRET, changes, signed_at, split, values, verify};

#[tokio::test]
async fn a_person_who_moves_a_deal_is_heard_of_with_a_signature_that_fits() {
    let mut receiver = Receiver::start(&[]).await;
    let portal = receiver.portal(|settings| settings.time_factor = 1.0).await;
    let deal = portal.deal(json!({"dealstage": "readytosend"})).await;
    assert_eq!(receiver.changes().await[0].value.reveal(), Some("readytosend"));

    portal.edit(&deal, json!({"dealstage": "contractsent", "dealname": "not subscribed"})).await;
    let changes = receiver.changes().await;
    let [change] = changes.as_slice() else { panic!("{changes:?}") };
    assert_eq!((change.object_type.as_str(), &change.object_id), ("deal", &deal.object_id));
    assert_eq!((change.property.as_str(), change.value.reveal()), ("dealstage", Some("contractsent")));
    assert_eq!((change.actor, change.actor_id.as_str()), (Actor::Human, "userId:777"));
}

#[tokio::test]
async fn our_own_write_comes_back_as_an_event_of_our_app_before_its_answer_if_wanted() {
    let mut receiver = Receiver::start(&[]).await;
    let portal = receiver.portal(|settings| settings.switches.echo_before_answer_percent = 100).await;
    let deal = portal.deal(json!({})).await;
    receiver.next().await;
    portal.crm().write(&deal, &values([("dealstage", "closedwon")])).await.unwrap();
    let echo = receiver.arrived.try_recv().unwrap();
    let changes = changes(split(&echo));
    assert_eq!((changes[0].actor, changes[0].actor_id.as_str()), (Actor::Integration, "9900"));
}

#[tokio::test]
async fn a_value_that_stays_the_same_makes_no_event() {
    let mut receiver = Receiver::start(&[]).await;
    let portal = receiver.portal(|_settings| {}).await;
    let deal = portal.deal(json!({"dealstage": "readytosend"})).await;
    receiver.next().await;
    portal.edit(&deal, json!({"dealstage": "readytosend"})).await;
    portal.edit(&deal, json!({"dealstage": "closedlost"})).await;
    assert_eq!(receiver.changes().await[0].value.reveal(), Some("closedlost"));
}

#[tokio::test]
async fn many_events_travel_in_batches_of_a_hundred_at_most() {
    let mut receiver = Receiver::start(&[]).await;
    let portal = receiver.portal(|settings| settings.switches.subscribed = vec!["*".into()]).await;
    let properties: serde_json::Map<_, _> = (0..248).map(|n| (format!("p{n:03}"), json!("x"))).collect();
    portal.deal(properties.into()).await;
    let mut seen = std::collections::BTreeSet::new();
    let mut sizes = vec![];
    while seen.len() < 250 {
        let delivery = receiver.next().await;
        let signals = split(&delivery);
        sizes.push(signals.len());
        seen.extend(signals.into_iter().map(|signal| signal.dedupe));
    }
    assert_eq!(sizes, [100, 100, 50]);
}

#[tokio::test]
async fn a_refused_delivery_is_repeated_byte_for_byte_and_signed_anew() {
    let mut receiver = Receiver::start(&[503, 400]).await;
    let portal = receiver.portal(|settings| settings.time_factor = 1_200.0).await;
    portal.deal(json!({})).await;
    let attempts = [receiver.next().await, receiver.next().await, receiver.next().await];
    for pair in attempts.windows(2) {
        assert_eq!(pair[0].body, pair[1].body);
        assert!(signed_at(&pair[0]) < signed_at(&pair[1]));
    }
    assert!(attempts.iter().all(|attempt| verify(attempt, SECRET) == Ok(0)));
}

#[tokio::test]
async fn a_new_client_secret_signs_the_next_delivery() {
    let mut receiver = Receiver::start(&[]).await;
    let portal = receiver.portal(|_settings| {}).await;
    portal.control("client-secret", json!({"secret": "the-next-secret"})).await;
    portal.deal(json!({})).await;
    let delivery = receiver.next().await;
    assert_eq!(verify(&delivery, SECRET), Err(Refusal::SignatureWrong));
    assert_eq!(verify(&delivery, "the-next-secret"), Ok(0));
}

#[tokio::test]
async fn a_corrupted_signature_is_refused() {
    let mut receiver = Receiver::start(&[]).await;
    let portal = receiver.portal(|_settings| {}).await;
    for tamper in ["corrupt", "wrong_key"] {
        portal.control("webhooks", json!({"signature": tamper})).await;
        portal.deal(json!({})).await;
        assert_eq!(verify(&receiver.next().await, SECRET), Err(Refusal::SignatureWrong), "{tamper}");
    }
}

#[tokio::test]
async fn the_generic_form_and_creations_are_understood() {
    let mut receiver = Receiver::start(&[]).await;
    let portal = receiver
        .portal(|settings| {
            settings.switches.generic_events = true;
            settings.switches.subscribed_to_creation = true;
        })
        .await;
    portal.deal(json!({"dealstage": "readytosend"})).await;
    let signals = split(&receiver.next().await);
    let events: Vec<_> = signals.iter().map(|signal| signal.event.as_str()).collect();
    assert_eq!(events, ["deal.creation", "deal.propertyChange"]);
}

#[tokio::test]
async fn an_import_is_told_apart_from_a_person() {
    let mut receiver = Receiver::start(&[]).await;
    let portal = receiver.portal(|_settings| {}).await;
    portal.control("deals", json!({"properties": {}, "source": "IMPORT", "actor": "import-1"})).await;
    assert_eq!(receiver.changes().await[0].actor, Actor::Import);
}

#[tokio::test]
async fn every_attempt_stands_in_the_history_without_its_signature() {
    let mut receiver = Receiver::start(&[500]).await;
    let portal = receiver.portal(|settings| settings.time_factor = 60_000.0).await;
    portal.deal(json!({})).await;
    let (first, _second) = (receiver.next().await, receiver.next().await);
    let signature = first.header("x-hubspot-signature-v3").next().unwrap();
    let shown = portal.get("/__sim/deliveries").await;
    let text = String::from_utf8(shown.body.to_vec()).unwrap();
    assert!(text.contains("deal.propertyChange") && !text.contains(std::str::from_utf8(signature).unwrap()));
}
