//! Which change asks for an envelope, and how often.

use std::time::Duration;

use contracts::wire::envelope::{CreateEnvelopeRequest, Stage, create_envelope_request::Document};
use domain::intake::Actor;
use domain::sync::{SyncEvent, TriggerIgnored};
use tonic::Status;

use crate::support::{TRIGGERS, World};

/// The stage of deal 7 becomes the one that asks for a contract, and that is handled.
async fn ask(world: &World, number: u32, actor: Actor) {
    let position = world.change(number, "dealstage", "contractsent", actor).await;
    world.until_handled(TRIGGERS, position).await;
}

fn keys(asked: &[CreateEnvelopeRequest]) -> Vec<&str> {
    asked.iter().map(|request| request.request_id.as_str()).collect()
}

#[tokio::test]
async fn a_change_that_fits_asks_for_one_envelope_with_what_the_record_says() {
    let world = World::new().await;
    ask(&world, 1, Actor::Human).await;
    let asked = world.office.asked();
    let [request] = asked.as_slice() else { panic!("{} requests", asked.len()) };
    assert_eq!((request.flow.as_str(), request.provider.as_str()), ("order-form", "signer"));
    assert_eq!(request.document, Some(Document::Url("https://files.test/7.pdf".to_owned())));
    assert_eq!(
        (request.parties[0].name.as_str(), request.parties[0].email.as_str()),
        ("Dana Buyer", "dana@buyer.test")
    );
    // SHA-256 of `v1|acme|hubspot|44001122|deal|7|order-form|1` (crm.md §6.2).
    assert_eq!(request.request_id, "trg_07c6cb3d6fbc3c736d49bf71d7038324f4d5776a");
}

#[tokio::test]
async fn a_change_that_fits_no_flow_asks_for_nothing_and_leaves_nothing() {
    let world = World::new().await;
    for (number, property, value) in [(1, "dealstage", "won"), (2, "amount", "contractsent")] {
        let position = world.change(number, property, value, Actor::Human).await;
        world.until_handled(TRIGGERS, position).await;
    }
    assert!(world.office.asked().is_empty() && world.facts().await.is_empty());
}

#[tokio::test]
async fn the_same_wish_told_by_two_events_meets_one_envelope() {
    let world = World::new().await;
    let first = world.change(1, "dealstage", "contractsent", Actor::Human).await;
    let second = world.change(2, "dealstage", "contractsent", Actor::Workflow).await;
    world.until_handled(TRIGGERS, first.max(second)).await;
    assert_eq!(world.office.envelopes().len(), 1);
    let asked = world.office.asked();
    let mut keys = keys(&asked);
    keys.dedup();
    assert_eq!(keys.len(), 1, "one key, however often it was asked for");
}

#[tokio::test]
async fn a_trigger_that_is_told_again_after_a_restart_asks_for_nothing_new() {
    let world = World::new().await;
    ask(&world, 1, Actor::Human).await;
    let world = world.restart().await;
    ask(&world, 2, Actor::Human).await;
    assert_eq!(world.office.envelopes().len(), 1);
}

#[tokio::test]
async fn while_an_envelope_is_under_way_another_wish_is_already_taken() {
    let world = World::new().await;
    ask(&world, 1, Actor::Human).await;
    for (number, stage) in [(2, Stage::Sent), (3, Stage::Completed)] {
        world.office.all_are(stage);
        world.clock.advance(Duration::from_secs(600));
        ask(&world, number, Actor::Human).await;
    }
    assert_eq!(world.ignored().await, [TriggerIgnored::AlreadyTaken; 2]);
    assert_eq!(world.office.asked().len(), 1);
}

#[tokio::test]
async fn after_a_void_the_same_wish_is_a_new_generation_with_a_new_key() {
    let world = World::new().await;
    ask(&world, 1, Actor::Human).await;
    world.office.all_are(Stage::Voided);
    world.clock.advance(Duration::from_secs(600));
    ask(&world, 2, Actor::Human).await;
    let asked = world.office.asked();
    let keys = keys(&asked);
    assert_eq!(keys.len(), 2);
    assert_ne!(keys[0], keys[1]);
    let mut generations = Vec::new();
    for fact in world.facts().await {
        if let SyncEvent::TriggerTaken { taken, .. } = fact {
            generations.push(taken.generation);
        }
    }
    assert_eq!(generations, [1, 2]);
}

#[tokio::test]
async fn imports_and_integrations_ask_for_nothing() {
    let world = World::new().await;
    ask(&world, 1, Actor::Import).await;
    ask(&world, 2, Actor::Integration).await;
    assert_eq!(world.ignored().await, [TriggerIgnored::Actor, TriggerIgnored::Echo]);
    assert!(world.office.asked().is_empty() && world.deals.journal().is_empty());
}

#[tokio::test]
async fn a_record_without_an_address_is_told_so_and_makes_no_envelope() {
    let world = World::new().await;
    world.deals.clear("7", "email");
    world.office.refuse(Status::invalid_argument("parties[0].email: not an e-mail address"));
    ask(&world, 1, Actor::Human).await;
    world.deals.until("7", &[("esign_status", "Failed")]).await;
    assert!(world.deals.get("7")["esign_reason"].contains("email"), "{:?}", world.deals.get("7"));
    assert!(world.office.envelopes().is_empty());
    assert_eq!(world.ignored().await, [TriggerIgnored::InputMissing]);
}

#[tokio::test]
async fn an_expression_with_an_unknown_name_says_which_on_the_record() {
    let world = World::new().await;
    let position = world.change(1, "dealstage", "misspelt", Actor::Human).await;
    world.until_handled(TRIGGERS, position).await;
    world.deals.until("7", &[("esign_status", "Failed")]).await;
    assert!(world.deals.get("7")["esign_reason"].contains("recrod"), "{:?}", world.deals.get("7"));
    assert!(world.office.asked().is_empty());
}

#[tokio::test]
async fn a_record_that_is_gone_asks_for_nothing() {
    let world = World::new().await;
    world.deals.remove("7");
    ask(&world, 1, Actor::Human).await;
    assert_eq!(world.ignored().await, [TriggerIgnored::RecordGone]);
    assert!(world.office.asked().is_empty());
}

#[tokio::test]
async fn an_orchestrator_that_is_away_is_asked_again_with_the_same_key() {
    let world = World::new().await;
    for _ in 0..3 {
        world.office.refuse(Status::unavailable("restarting"));
    }
    ask(&world, 1, Actor::Human).await;
    let asked = world.office.asked();
    let keys = keys(&asked);
    assert_eq!(keys.len(), 4);
    assert!(keys.iter().all(|key| *key == keys[0]));
    assert_eq!(world.office.envelopes().len(), 1);
}
