//! What a record says about an envelope, and in which order.

use std::time::Duration;

use contracts::wire::crmsync::LinkState;
use domain::envelope::Event;
use domain::ids::EnvelopeId;
use runtime::random::new_id;

use crate::support::deals::unwell;
use crate::support::{START, WRITES, World, adopted, completed, created, fields, requested, sent};

pub fn envelope() -> EnvelopeId {
    EnvelopeId::from_bytes(new_id())
}

/// An envelope of the flow that is at the provider and linked.
async fn linked(world: &World, flow: &str) -> EnvelopeId {
    let id = envelope();
    world.tell(&id, vec![requested(flow), created()]).await;
    world.deals.until("7", &[("esign_envelope_id", "prov_1")]).await;
    id
}

#[tokio::test]
async fn a_record_names_its_envelope_before_its_stage_moves_even_when_the_link_fails_three_times() {
    let world = World::new().await;
    world.deals.fail([unwell(), unwell(), unwell()]);
    let id = envelope();
    world.tell(&id, vec![requested("order-form"), created()]).await;
    world.tell(&id, vec![sent()]).await;
    world.deals.until("7", &[("dealstage", "contract_out"), ("esign_status", "Pending")]).await;
    for state in world.deals.history("7") {
        let out = state.get("dealstage").is_some_and(|stage| stage == "contract_out");
        assert!(!out || state.contains_key("esign_envelope_id"), "out without saying which: {state:?}");
    }
}

#[tokio::test]
async fn nothing_is_said_of_an_envelope_that_has_no_name_at_the_provider_yet() {
    let world = World::new().await;
    let id = envelope();
    let position = world.tell(&id, vec![requested("order-form"), sent()]).await;
    world.until_handled(WRITES, position).await;
    assert!(world.deals.applied().is_empty());
    world.tell(&id, vec![created()]).await;
    world.deals.until("7", &[("dealstage", "contract_out"), ("esign_envelope_id", "prov_1")]).await;
    assert_eq!(world.deals.applied().len(), 1, "both in one write");
}

#[tokio::test]
async fn a_completion_that_overtakes_the_sent_notice_has_the_last_word() {
    let world = World::new().await;
    let id = linked(&world, "order-form").await;
    world.tell(&id, vec![completed()]).await;
    world.deals.until("7", &[("dealstage", "closedwon"), ("esign_status", "Signed")]).await;
    let position = world.tell(&id, vec![sent()]).await;
    world.until_handled(WRITES, position).await;
    let stages: Vec<String> =
        world.deals.history("7").iter().filter_map(|state| state.get("dealstage").cloned()).collect();
    assert!(!stages.contains(&"contract_out".to_owned()), "it never goes back: {stages:?}");
    assert_eq!(world.deals.get("7")["dealstage"], "closedwon");
}

#[tokio::test]
async fn what_changes_nothing_on_the_record_is_no_call() {
    let world = World::new().await;
    let id = linked(&world, "order-form").await;
    let position = world.tell(&id, vec![sent()]).await;
    world.until_handled(WRITES, position).await;
    let calls = world.deals.journal();
    let position = world.tell(&id, vec![Event::Viewed { at: START }]).await;
    world.until_handled(WRITES, position).await;
    assert_eq!(world.deals.journal(), calls);
}

#[tokio::test]
async fn only_what_changed_is_written() {
    let world = World::new().await;
    let id = linked(&world, "order-form").await;
    world.tell(&id, vec![sent()]).await;
    world.deals.until("7", &[("esign_status", "Pending")]).await;
    world.tell(&id, vec![completed()]).await;
    world.deals.until("7", &[("esign_status", "Signed")]).await;
    let writes = [
        fields(&[("esign_envelope_id", "prov_1")]),
        fields(&[("dealstage", "contract_out"), ("esign_status", "Pending")]),
        fields(&[("dealstage", "closedwon"), ("esign_status", "Signed")]),
    ];
    assert_eq!(world.deals.applied(), writes);
}

#[tokio::test]
async fn an_unconfirmed_completion_waits_for_its_confirmation_but_not_for_ever() {
    let world = World::new().await;
    let unconfirmed = linked(&world, "order-form").await;
    world.tell(&unconfirmed, vec![sent(), Event::Completed { confirmed: false, at: START }]).await;
    // Another envelope's confirmed completion passes meanwhile.
    let confirmed = envelope();
    world.tell(&confirmed, vec![requested("billed"), created(), completed()]).await;
    world.books.until("70", &[("contract", "signed")]).await;
    assert_ne!(world.deals.get("7")["dealstage"], "closedwon");
    world.clock.advance(Duration::from_secs(61));
    world.deals.until("7", &[("dealstage", "closedwon")]).await;
}

#[tokio::test]
async fn a_confirmation_ends_the_wait_at_once() {
    let world = World::new().await;
    let id = linked(&world, "order-form").await;
    world.tell(&id, vec![sent(), Event::Completed { confirmed: false, at: START }]).await;
    world.tell(&id, vec![Event::Confirmed { at: START }]).await;
    world.deals.until("7", &[("dealstage", "closedwon"), ("esign_status", "Signed")]).await;
}

#[tokio::test]
async fn a_document_that_sales_sent_at_the_provider_updates_its_deal() {
    let world = World::new().await;
    let id = envelope();
    world.tell(&id, vec![adopted(), sent()]).await;
    world.deals.until("7", &[("esign_envelope_id", "doc_9")]).await;
    world.tell(&id, vec![completed()]).await;
    world.deals.until("7", &[("esign_status", "Signed")]).await;
}

#[tokio::test]
async fn a_flow_with_two_targets_writes_to_both() {
    let world = World::new().await;
    let id = linked(&world, "billed").await;
    let position = world.tell(&id, vec![completed()]).await;
    world.books.until("70", &[("contract", "signed")]).await;
    world.deals.until("7", &[("esign_status", "Signed")]).await;
    world.until_handled(WRITES, position).await;
    let states = world.sync(&id).await;
    assert_eq!(states.len(), 2);
    assert!(states.iter().all(|state| state.applied_version == state.desired_version), "{states:?}");
    let deal =
        states.iter().find(|state| state.record.as_ref().is_some_and(|record| record.object_id == "7"));
    assert_eq!(deal.expect("the deal").link(), LinkState::Final);
}
