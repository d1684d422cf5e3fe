//! What cannot succeed waits for a person, is listed, and is tried again when they say so.

use contracts::wire::common::DeadLetter;
use contracts::wire::crmsync as wire;
use domain::intake::Actor;
use domain::sync::TriggerIgnored;

use crate::support::deals::unknown_property;
use crate::support::{TRIGGERS, WRITES, World, completed, created, requested, sent};
use crate::writes::envelope;

async fn retry(world: &World, letter: &DeadLetter) -> bool {
    let request = wire::RetryDeadLetterRequest {
        request_id: "r1".to_owned(),
        consumer: letter.consumer.clone(),
        position: letter.position,
    };
    world.client().retry_dead_letter(request).await.expect("an answer").into_inner().found
}

async fn until_no_letters(world: &World) {
    let waited = tokio::time::timeout(crate::support::SOON, async {
        while !world.dead_letters().await.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
    waited.await.expect("the letter is dealt with");
}

#[tokio::test]
async fn an_unknown_property_becomes_a_dead_letter_and_is_written_once_the_crm_is_mended() {
    let world = World::new().await;
    world.deals.fail([unknown_property()]);
    let id = envelope();
    let position = world.tell(&id, vec![requested("order-form"), created()]).await;
    world.until_handled(WRITES, position).await;
    let letters = world.dead_letters().await;
    let [letter] = letters.as_slice() else { panic!("{letters:?}") };
    assert_eq!((letter.consumer.as_str(), letter.position), (WRITES, position.0));
    assert!(letter.reason.contains("PROPERTY_DOESNT_EXIST"), "{}", letter.reason);
    let states = world.sync(&id).await;
    assert_eq!(states[0].failure_class, "stop_config");

    assert!(retry(&world, letter).await);
    world.deals.until("7", &[("esign_envelope_id", "prov_1")]).await;
    until_no_letters(&world).await;
}

#[tokio::test]
async fn a_dead_letter_does_not_hold_up_what_happens_next() {
    let world = World::new().await;
    world.deals.fail([unknown_property()]);
    let id = envelope();
    world.tell(&id, vec![requested("order-form"), created()]).await;
    world.tell(&id, vec![sent()]).await;
    world.tell(&id, vec![completed()]).await;
    world.deals.until("7", &[("esign_envelope_id", "prov_1"), ("dealstage", "closedwon")]).await;
}

#[tokio::test]
async fn a_discarded_dead_letter_is_gone_and_an_unknown_follower_is_the_callers_mistake() {
    let world = World::new().await;
    world.deals.fail([unknown_property()]);
    let position = world.tell(&envelope(), vec![requested("order-form"), created()]).await;
    world.until_handled(WRITES, position).await;
    let letters = world.dead_letters().await;
    let discard = |consumer: &str| wire::DiscardDeadLetterRequest {
        request_id: "d1".to_owned(),
        consumer: consumer.to_owned(),
        position: letters[0].position,
        reason: "the deal is a test".to_owned(),
    };
    let refused = world.client().discard_dead_letter(discard("nobody")).await.expect_err("it is refused");
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    let nameless = wire::DiscardDeadLetterRequest { request_id: String::new(), ..discard(WRITES) };
    let silent = wire::DiscardDeadLetterRequest { reason: "  ".to_owned(), ..discard(WRITES) };
    let wordy = wire::DiscardDeadLetterRequest { reason: "x".repeat(201), ..discard(WRITES) };
    for (request, field) in [(nameless, "request_id"), (silent, "reason"), (wordy, "reason")] {
        let refused = world.client().discard_dead_letter(request).await.expect_err("it is refused");
        assert_eq!(refused.code(), tonic::Code::InvalidArgument);
        assert!(refused.message().starts_with(field), "{refused:?}");
    }
    let answer = world.client().discard_dead_letter(discard(WRITES)).await.expect("an answer");
    assert!(answer.into_inner().found && world.dead_letters().await.is_empty());
    assert!(!retry(&world, &letters[0]).await);
}

#[tokio::test]
async fn of_two_targets_the_one_that_can_be_written_is() {
    let world = World::new().await;
    let id = envelope();
    world.books.fail([unknown_property(), unknown_property()]);
    let position = world.tell(&id, vec![requested("billed"), created(), completed()]).await;
    world.until_handled(WRITES, position).await;
    world.deals.until("7", &[("esign_envelope_id", "prov_1"), ("esign_status", "Signed")]).await;
    assert_eq!(world.dead_letters().await.len(), 1);
}

#[tokio::test]
async fn of_two_flows_that_one_change_fits_the_one_that_can_act_does_and_letting_the_change_go_leaves_it_alone()
 {
    let world = World::new().await;
    // The first flow cannot even say on the record why it refuses.
    world.deals.fail([unknown_property()]);
    let position = world.change(1, "dealstage", "both", Actor::Human).await;
    world.until_handled(TRIGGERS, position).await;
    let made: Vec<String> = world.office.envelopes().into_iter().map(|envelope| envelope.flow).collect();
    assert_eq!(made, ["second-of-two"]);
    let letters = world.dead_letters().await;
    let [letter] = letters.as_slice() else { panic!("{letters:?}") };
    assert_eq!((letter.consumer.as_str(), letter.position), (TRIGGERS, position.0));

    let discard = wire::DiscardDeadLetterRequest {
        request_id: "d1".to_owned(),
        consumer: TRIGGERS.to_owned(),
        position: position.0,
        reason: "one contract is enough".to_owned(),
    };
    assert!(world.client().discard_dead_letter(discard).await.expect("an answer").into_inner().found);
    assert_eq!(world.ignored().await, [TriggerIgnored::Discarded], "of the first flow alone");
}
