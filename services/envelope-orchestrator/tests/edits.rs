//! Other texts in the fields of a draft.

mod support;

use std::time::Duration;

use contracts::wire::envelope as wire;
use contracts::wire::envelope::Stage;
use support::provider::Fault;
use support::{World, request};
use tonic::{Code, Status};

fn wish(request_id: &str, envelope_id: &str, fields_version: u64) -> wire::EditFieldsRequest {
    let edit = wire::FieldEdit { field_id: "fld_7".to_owned(), value: "PO-8812".to_owned() };
    wire::EditFieldsRequest {
        request_id: request_id.to_owned(),
        envelope_id: envelope_id.to_owned(),
        fields_version,
        edits: vec![edit],
    }
}

async fn edit(world: &World, wish: wire::EditFieldsRequest) -> Result<wire::Envelope, Status> {
    let answer = world.client().edit_fields(tonic::Request::new(wish)).await?.into_inner();
    Ok(answer.envelope.expect("an envelope"))
}

async fn in_review(world: &World) -> String {
    let made = world.create(request("deal-1")).await.expect("it is taken");
    world.until_stage(&made.envelope_id, Stage::Preparing).await;
    world.clock.advance(Duration::from_secs(2));
    world.until_stage(&made.envelope_id, Stage::InReview).await.envelope_id
}

#[tokio::test]
async fn an_edit_is_made_once_and_what_is_sent_then_names_the_version_that_follows() {
    let world = World::new().await;
    let id = in_review(&world).await;
    assert_eq!(world.get(&id).await.fields_version, Some(1));
    for _ in 0..2 {
        let edited = edit(&world, wish("edit-1", &id, 1)).await.expect("it is written");
        assert_eq!(edited.fields_version, Some(2));
    }
    assert_eq!(world.provider.calls("edit"), 1, "the same request is answered, not made again");
    let kinds = world.kinds(&id).await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "envelope.fields_edited").count(), 1);
    // The scripted provider sends only under the version there is.
    world.send(&id).await.expect("it is asked for");
    world.until_stage(&id, Stage::Sent).await;
    world.stop().await;
}

#[tokio::test]
async fn fields_that_moved_since_they_were_seen_are_not_written() {
    let world = World::new().await;
    let id = in_review(&world).await;
    edit(&world, wish("edit-1", &id, 1)).await.expect("it is written");
    let stale = edit(&world, wish("edit-2", &id, 1)).await.expect_err("they have moved");
    assert_eq!((stale.code(), world.provider.calls("edit")), (Code::Aborted, 1));
    // Somebody edited them at the provider, and we have not heard of it yet.
    world.provider.change("p-1", |draft| draft.fields_version += 1);
    let stale = edit(&world, wish("edit-3", &id, 2)).await.expect_err("they have moved");
    assert_eq!(stale.code(), Code::Aborted);
    assert_eq!(world.provider.drafts()["p-1"].fields_version, 3);
    // Who reads the envelope now sees the version there is, and may decide.
    assert_eq!(world.get(&id).await.fields_version, Some(3));
    let edited = edit(&world, wish("edit-4", &id, 3)).await.expect("it is written");
    assert_eq!(edited.fields_version, Some(4));
    world.stop().await;
}

#[tokio::test]
async fn an_edit_whose_answer_was_lost_is_not_made_twice() {
    let world = World::new().await;
    let id = in_review(&world).await;
    world.provider.fail("edit", [Fault::LoseAnswer]);
    let lost = edit(&world, wish("edit-1", &id, 1)).await.expect_err("nobody knows");
    assert_eq!(lost.code(), Code::Unavailable);
    let again = edit(&world, wish("edit-1", &id, 1)).await.expect_err("the version has moved");
    assert_eq!((again.code(), world.provider.drafts()["p-1"].fields_version), (Code::Aborted, 2));
    world.stop().await;
}

#[tokio::test]
async fn a_provider_that_cannot_edit_fields_is_not_called_and_the_refusal_says_so() {
    let world = World::new().await;
    let id = in_review(&world).await;
    world.provider.refuses_edits();
    let refused = edit(&world, wish("edit-1", &id, 1)).await.expect_err("it cannot");
    assert_eq!((refused.code(), world.provider.calls("edit")), (Code::FailedPrecondition, 0));
    assert!(refused.message().contains("does not offer"), "{refused:?}");
    world.stop().await;
}

#[tokio::test]
async fn only_a_draft_that_people_look_at_can_be_edited_and_every_mistake_is_named() {
    let world = World::new().await;
    let id = in_review(&world).await;
    world.send(&id).await.expect("it is asked for");
    world.until_stage(&id, Stage::Sent).await;
    let late = edit(&world, wish("edit-1", &id, 1)).await.expect_err("it is out");
    assert_eq!((late.code(), world.provider.calls("edit")), (Code::FailedPrecondition, 0));
    let empty = wire::EditFieldsRequest { edits: Vec::new(), ..wish("", &id, 1) };
    let wrong = edit(&world, empty).await.expect_err("it is none");
    assert_eq!(wrong.code(), Code::InvalidArgument);
    assert!(wrong.message().contains("request_id") && wrong.message().contains("edits"), "{wrong:?}");
    world.stop().await;
}
