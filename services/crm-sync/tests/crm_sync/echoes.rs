//! Our own writes come back as changes: they start nothing, a person who does the same later is heard.

use std::time::Duration;

use domain::ids::EnvelopeId;
use domain::intake::Actor;
use domain::sync::TriggerIgnored;

use crate::support::{Fault, TRIGGERS, World, created, fields, requested};

/// The flow `renewal` fires on any change of the field that it writes itself, so that its echo fits.
async fn asked_for(world: &World) -> EnvelopeId {
    world.deals.set("7", fields(&[("reviewer", "please")]));
    let position = world.change(1, "reviewer", "please", Actor::Human).await;
    world.until_handled(TRIGGERS, position).await;
    let envelopes = world.office.envelopes();
    assert_eq!(envelopes.len(), 1);
    envelopes[0].envelope_id.parse().expect("an id")
}

#[tokio::test]
async fn an_echo_that_overtakes_the_answer_to_our_write_starts_nothing() {
    let world = World::new().await;
    let id = asked_for(&world).await;
    world.clock.advance(Duration::from_secs(600));
    world.deals.fail([Fault::Held]);
    world.tell(&id, vec![requested("renewal"), created()]).await;
    world.deals.until("7", &[("reviewer", "prov_1")]).await;

    // The answer is still held; the change is here, and the CRM does not say who made it.
    let position = world.change(2, "reviewer", "prov_1", Actor::Unknown).await;
    world.until_handled(TRIGGERS, position).await;
    assert_eq!(world.ignored().await, [TriggerIgnored::Echo]);
    world.deals.release();
    assert_eq!(world.office.asked().len(), 1);
}

#[tokio::test]
async fn an_echo_that_comes_late_is_known_by_its_own_time() {
    let world = World::new().await;
    let id = asked_for(&world).await;
    world.clock.advance(Duration::from_secs(600));
    world.tell(&id, vec![requested("renewal"), created()]).await;
    world.deals.until("7", &[("reviewer", "prov_1")]).await;
    let written_at = world.clock.now();
    world.clock.advance(Duration::from_secs(36_000));
    let position = world.change_at(2, "reviewer", "prov_1", Actor::Human, written_at).await;
    world.until_handled(TRIGGERS, position).await;
    assert_eq!(world.ignored().await, [TriggerIgnored::Echo]);
}

#[tokio::test]
async fn a_person_who_sets_the_same_value_an_hour_later_is_heard() {
    let world = World::new().await;
    let id = asked_for(&world).await;
    world.clock.advance(Duration::from_secs(600));
    world.tell(&id, vec![requested("renewal"), created()]).await;
    world.deals.until("7", &[("reviewer", "prov_1")]).await;
    world.clock.advance(Duration::from_secs(3_600));
    world.office.all_are(contracts::wire::envelope::Stage::Voided);
    let position = world.change(2, "reviewer", "prov_1", Actor::Human).await;
    world.until_handled(TRIGGERS, position).await;
    assert_eq!(world.ignored().await, []);
    assert_eq!(world.office.asked().len(), 2);
}
