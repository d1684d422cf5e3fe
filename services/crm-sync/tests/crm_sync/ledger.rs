//! What became of every change of a record, and what was written: counted once, and by its reason.

use contracts::wire::crmsync as wire;
use domain::intake::Actor;
use event_log::Position;
use tonic::Status;

use crate::support::deals::unknown_property;
use crate::support::{TRIGGERS, WRITES, World, created, requested};
use crate::writes::envelope;

/// The number of this name of one connection over all hours, once everything up to `position` is handled.
async fn count(world: &World, position: Position, connection: &str, name: &str) -> u64 {
    let request = wire::GetLedgerRequest {
        connection: connection.to_owned(),
        intake_position: position.0,
        ..Default::default()
    };
    let answer = world.client().get_ledger(request).await.expect("an answer").into_inner();
    assert!(answer.complete && answer.handled_position >= position.0, "{answer:?}");
    let counts = answer.tallies.iter().filter(|tally| tally.hour_ms == 0).flat_map(|tally| &tally.counts);
    counts.filter(|count| count.name == name).map(|count| count.count).sum()
}

#[tokio::test]
async fn every_change_is_settled_once_with_what_became_of_it() {
    let world = World::new().await;
    world.change(1, "dealstage", "contractsent", Actor::Human).await;
    world.change(2, "dealstage", "won", Actor::Human).await;
    world.change(3, "dealstage", "contractsent", Actor::Import).await;
    let last = world.change(4, "dealstage", "contractsent", Actor::Integration).await;
    assert_eq!(count(&world, last, "crm", "settled.applied").await, 1);
    assert_eq!(count(&world, last, "crm", "settled.ignored.condition_false").await, 1);
    assert_eq!(count(&world, last, "crm", "settled.ignored.actor").await, 1);
    assert_eq!(count(&world, last, "crm", "settled.ignored.echo").await, 1);

    let world = world.restart().await;
    assert_eq!(count(&world, last, "crm", "settled.applied").await, 1);
}

#[tokio::test]
async fn a_wish_that_the_record_cannot_fulfil_is_refused() {
    let world = World::new().await;
    world.office.refuse(Status::invalid_argument("parties[0].email: not an e-mail address"));
    let position = world.change(1, "dealstage", "contractsent", Actor::Human).await;
    assert_eq!(count(&world, position, "crm", "settled.refused.input_missing").await, 1);
}

#[tokio::test]
async fn a_change_that_is_given_up_waits_as_a_dead_letter_until_a_person_discards_it() {
    let world = World::new().await;
    world.office.refuse(Status::invalid_argument("parties[0].email: not an e-mail address"));
    // Not even that can be said on the record.
    world.deals.fail([unknown_property()]);
    let position = world.change(1, "dealstage", "contractsent", Actor::Human).await;
    world.until_handled(TRIGGERS, position).await;
    assert_eq!(count(&world, position, "crm", "waiting.dead_letter").await, 1);
    let letters = world.dead_letters().await;
    let [letter] = letters.as_slice() else { panic!("{letters:?}") };
    let request = wire::DiscardDeadLetterRequest {
        request_id: "r-1".to_owned(),
        consumer: letter.consumer.clone(),
        position: letter.position,
        reason: "a test".to_owned(),
    };
    assert!(world.client().discard_dead_letter(request).await.expect("an answer").into_inner().found);
    assert_eq!(count(&world, position, "crm", "waiting.dead_letter").await, 0);
    assert_eq!(count(&world, position, "crm", "settled.discarded.dead_letter").await, 1);
}

#[tokio::test]
async fn a_write_is_counted_over_the_connection_that_took_it() {
    let world = World::new().await;
    let position = world.tell(&envelope(), vec![requested("order-form"), created()]).await;
    world.until_handled(WRITES, position).await;
    assert_eq!(count(&world, Position::ZERO, "crm", "synced").await, 1);
}
