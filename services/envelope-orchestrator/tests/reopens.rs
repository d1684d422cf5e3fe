//! What was sent, taken back to draft at our request.

mod support;

use std::time::Duration;

use contracts::wire::envelope as wire;
use contracts::wire::envelope::Stage;
use domain::intake::Claim;
use providers::Class;
use support::provider::Fault;
use support::{World, auto};
use tonic::{Code, Status};

fn wish(request_id: &str, envelope_id: &str, generation: u32) -> wire::ReopenEnvelopeRequest {
    wire::ReopenEnvelopeRequest {
        request_id: request_id.to_owned(),
        envelope_id: envelope_id.to_owned(),
        generation,
    }
}

async fn reopen(world: &World, wish: wire::ReopenEnvelopeRequest) -> Result<wire::Envelope, Status> {
    let answer = world.client().reopen_envelope(tonic::Request::new(wish)).await?.into_inner();
    Ok(answer.envelope.expect("an envelope"))
}

/// A world whose provider reopens, and an envelope there that is out.
async fn out() -> (World, String) {
    let world = World::new().await;
    world.provider.lists();
    let id = world.create(auto("deal-1")).await.expect("it is made").envelope_id;
    world.until_stage(&id, Stage::Preparing).await;
    world.clock.advance(Duration::from_secs(2));
    world.until_stage(&id, Stage::Sent).await;
    (world, id)
}

#[tokio::test]
async fn what_is_out_becomes_a_draft_of_another_generation_once_and_can_be_sent_again() {
    let (world, id) = out().await;
    for _ in 0..2 {
        let draft = reopen(&world, wish("reopen-1", &id, 1)).await.expect("a draft again");
        assert_eq!((draft.stage(), draft.generation, draft.signed_count), (Stage::InReview, 2, 0));
    }
    assert_eq!(world.provider.calls("reopen"), 1, "the same request is answered, not made again");
    let kinds = world.kinds(&id).await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "envelope.reopened").count(), 1);

    world.send(&id).await.expect("it is asked for");
    world.until_stage(&id, Stage::Sent).await;
    // Who has not heard of all this must not take the second life back as well; the first request is still answered.
    let late = reopen(&world, wish("reopen-2", &id, 1)).await.expect_err("it was another one they had seen");
    assert_eq!(late.code(), Code::FailedPrecondition);
    reopen(&world, wish("reopen-1", &id, 1)).await.expect("it was carried out");
    assert_eq!(world.provider.calls("reopen"), 1);
    assert_eq!(world.get(&id).await.stage(), Stage::Sent);
    world.stop().await;
}

#[tokio::test]
async fn a_call_whose_answer_was_lost_is_found_by_a_get_and_not_made_again() {
    let (world, id) = out().await;
    world.provider.fail("reopen", [Fault::LoseAnswer]);
    let lost = reopen(&world, wish("reopen-1", &id, 1)).await.expect_err("nobody knows");
    assert_eq!(lost.code(), Code::Unavailable);
    let draft = reopen(&world, wish("reopen-1", &id, 1)).await.expect("a draft again");
    assert_eq!((draft.stage(), draft.generation), (Stage::InReview, 2));
    assert_eq!(world.provider.calls("reopen"), 1);
    world.stop().await;
}

#[tokio::test]
async fn what_everybody_has_signed_meanwhile_is_not_taken_back() {
    let (world, id) = out().await;
    // Its webhook has not come yet.
    world.provider.change("p-1", |draft| (draft.claim, draft.signed) = (Claim::Completed, 2));
    let refused = reopen(&world, wish("reopen-1", &id, 1)).await.expect_err("it is a contract");
    assert_eq!((refused.code(), world.provider.calls("reopen")), (Code::FailedPrecondition, 0));
    assert_eq!(world.get(&id).await.stage(), Stage::Completed);
    world.stop().await;
}

#[tokio::test]
async fn what_was_declined_can_be_changed_and_sent_again() {
    let (world, id) = out().await;
    world.provider.change("p-1", |draft| {
        (draft.claim, draft.revision) = (Claim::Declined { reason: None }, Some(5));
    });
    world.clock.advance(Duration::from_secs(3600));
    world.until_stage(&id, Stage::Declined).await;
    let draft = reopen(&world, wish("reopen-1", &id, 1)).await.expect("a draft again");
    assert_eq!((draft.stage(), draft.generation), (Stage::InReview, 2));
    world.stop().await;
}

#[tokio::test]
async fn a_refusal_says_why_and_changes_nothing() {
    let (world, id) = out().await;
    let wrong = reopen(&world, wish("", &id, 0)).await.expect_err("two mistakes");
    assert_eq!(wrong.code(), Code::InvalidArgument);
    assert!(wrong.message().contains("request_id") && wrong.message().contains("generation"), "{wrong:?}");
    world.provider.fail("reopen", [Fault::Refuse(Class::Locked)]);
    let locked = reopen(&world, wish("reopen-1", &id, 1)).await.expect_err("somebody has it open");
    assert_eq!((locked.code(), world.get(&id).await.generation), (Code::Unavailable, 1));
    world.void(&id).await.expect("it is asked for");
    world.until_stage(&id, Stage::Voided).await;
    let ended = reopen(&world, wish("reopen-2", &id, 1)).await.expect_err("we cancelled it ourselves");
    assert_eq!(ended.code(), Code::FailedPrecondition);
    world.stop().await;
}

#[tokio::test]
async fn a_provider_that_cannot_reopen_is_not_called_and_the_refusal_says_so() {
    let world = World::new().await;
    let id = world.create(auto("deal-1")).await.expect("it is made").envelope_id;
    world.until_stage(&id, Stage::Preparing).await;
    world.clock.advance(Duration::from_secs(2));
    world.until_stage(&id, Stage::Sent).await;
    let refused = reopen(&world, wish("reopen-1", &id, 1)).await.expect_err("it cannot");
    assert_eq!((refused.code(), world.provider.calls("reopen")), (Code::FailedPrecondition, 0));
    assert!(refused.message().contains("does not offer"), "{refused:?}");
    world.stop().await;
}
