//! An envelope's life, from the request to the signed document.

mod support;

use contracts::wire::envelope as wire;
use contracts::wire::envelope::Stage;
use domain::envelope::Detection;
use domain::intake::Claim;
use futures::StreamExt as _;
use providers::Class;
use std::time::Duration;
use support::provider::Fault;
use support::{World, auto, news, request, signed};
use tonic::{Code, Request};
use tonic_types::StatusExt as _;

#[tokio::test]
async fn a_reviewed_envelope_is_sent_by_a_person_signed_by_two_and_stored() {
    let world = World::new().await;
    let made = world.create(request("deal-1")).await.unwrap();
    let id = made.envelope_id.as_str();
    world.until_stage(id, Stage::Preparing).await;
    world.clock.advance(Duration::from_secs(2));
    let ready = world.until_stage(id, Stage::InReview).await;
    assert!(ready.review_url.contains("/review/p-1"));
    assert_eq!(world.provider.calls("send"), 0, "a person sends");

    world.provider.change("p-1", |draft| draft.claim = Claim::Sent);
    world.signal(1, "envelope.sent", news("p-1", Claim::Sent, None)).await;
    world.until_stage(id, Stage::Sent).await;
    world.provider.change("p-1", |draft| draft.signed = 1);
    let mut first = news("p-1", Claim::PartySigned, None);
    first.parties = vec![signed(1)];
    world.signal(2, "envelope.signed", first).await;
    world.until_stage(id, Stage::PartiallySigned).await;

    world.provider.change("p-1", |draft| (draft.signed, draft.claim) = (2, Claim::Completed));
    world.signal(3, "envelope.signed", news("p-1", Claim::Completed, None)).await;
    let done = world.until(id, |envelope| artifact(envelope) == wire::ArtifactState::Stored).await;
    assert_eq!((done.stage(), done.confirmed, done.signed_count), (Stage::Completed, true, 2));

    let request = wire::DownloadArtifactRequest { envelope_id: id.to_owned() };
    let pieces = world.client().download_artifact(Request::new(request)).await.unwrap().into_inner();
    let pieces: Vec<_> = pieces.map(|piece| piece.unwrap().data).collect().await;
    assert_eq!(pieces.concat(), b"%PDF-1.7 signed p-1");
    world.stop().await;
}

#[tokio::test]
async fn what_is_completed_without_a_signed_document_says_so_and_is_not_asked_again() {
    let world = World::new().await;
    world.provider.fail("download", [Fault::Refuse(Class::InvalidRequest)]);
    let id = world.create(auto("deal-1")).await.unwrap().envelope_id;
    world.until_stage(&id, Stage::Preparing).await;
    world.clock.advance(Duration::from_secs(2));
    world.until_stage(&id, Stage::Sent).await;
    world.provider.change("p-1", |draft| draft.claim = Claim::Completed);
    world.signal(1, "envelope.signed", news("p-1", Claim::Completed, None)).await;
    let done = world.until(&id, |envelope| artifact(envelope) == wire::ArtifactState::Unavailable).await;
    assert_eq!((done.stage(), world.provider.calls("download")), (Stage::Completed, 1));
    world.stop().await;
}

fn artifact(envelope: &wire::Envelope) -> wire::ArtifactState {
    envelope.artifact.as_ref().map(wire::Artifact::state).unwrap_or_default()
}

#[tokio::test]
async fn the_same_request_is_the_same_envelope_and_another_one_is_refused() {
    let world = World::new().await;
    let first = world.create(request("deal-1")).await.unwrap();
    world.until_stage(&first.envelope_id, Stage::Preparing).await;
    let again = world.create(request("deal-1")).await.unwrap();
    assert_eq!(again.envelope_id, first.envelope_id);
    assert_eq!(world.provider.calls("create"), 1);

    let other = wire::CreateEnvelopeRequest { title: "Another".to_owned(), ..request("deal-1") };
    let refusal = world.create(other).await.unwrap_err();
    assert_eq!(refusal.code(), Code::AlreadyExists);
    let info = refusal.get_details_error_info().unwrap();
    assert_eq!(info.metadata["envelope_id"], first.envelope_id);
    world.stop().await;
}

#[tokio::test]
async fn every_mistake_of_a_request_is_named() {
    let world = World::new().await;
    let mut wrong = request("");
    wrong.parties[1].email = "nobody".to_owned();
    let refusal = world.create(wrong).await.unwrap_err();
    let fields: Vec<String> = refusal
        .get_details_bad_request()
        .unwrap()
        .field_violations
        .into_iter()
        .map(|one| one.field)
        .collect();
    assert_eq!(fields, ["request_id", "parties[1].email"]);

    let elsewhere = wire::CreateEnvelopeRequest { provider: "crm".to_owned(), ..request("deal-1") };
    let refusal = world.create(elsewhere).await.unwrap_err();
    assert!(refusal.message().contains("known ones: main"), "{refusal}");

    let mut upload = request("deal-2");
    upload.document = Some(wire::create_envelope_request::Document::Upload(wire::Upload {
        file_name: "a.pdf".to_owned(),
        content_type: "application/pdf".to_owned(),
        content: b"GIF89a".to_vec(),
    }));
    assert_eq!(world.create(upload).await.unwrap_err().code(), Code::InvalidArgument);
    world.stop().await;
}

#[tokio::test]
async fn a_create_call_whose_answer_is_lost_is_repeated_with_its_key_and_makes_one_envelope() {
    let world = World::new().await;
    world.provider.fail("create", [Fault::LoseAnswer, Fault::LoseAnswer]);
    let made = world.create(request("deal-1")).await.unwrap();
    world.until_stage(&made.envelope_id, Stage::Preparing).await;
    assert_eq!(world.provider.journal()[..3], ["create deal-1:create"; 3].map(str::to_owned));
    assert_eq!(world.provider.drafts().len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_repeated_create_goes_the_way_of_the_first_whatever_the_connection_says_by_then() {
    for told in [false, true] {
        let world = World::new().await;
        world.provider.uploads_by("parcel");
        world.provider.fail("create", [Fault::Gate]);
        world.provider.lose_gated();
        let made = world.create(upload("deal-1")).await.unwrap();
        world.provider.until(|provider| provider.calls("create") == 1).await;
        if told {
            // then the call is repeated for the review link alone
            world.signal(1, "envelope.created", news("p-1", Claim::Draft, Some(&made.envelope_id))).await;
            world.until(&made.envelope_id, |envelope| envelope.provider_id == "p-1").await;
        }
        world.provider.uploads_by("letter");
        world.provider.open_gate();
        world.until(&made.envelope_id, |envelope| !envelope.review_url.is_empty()).await;
        assert_eq!((world.provider.calls("create"), world.provider.drafts().len()), (2, 1), "told: {told}");
        world.stop().await;
    }
}

fn upload(request_id: &str) -> wire::CreateEnvelopeRequest {
    let document = wire::create_envelope_request::Document::Upload(wire::Upload {
        file_name: "a.pdf".to_owned(),
        content_type: "application/pdf".to_owned(),
        content: b"%PDF-1.7 a".to_vec(),
    });
    wire::CreateEnvelopeRequest { document: Some(document), ..request(request_id) }
}

#[tokio::test]
async fn without_keys_an_earlier_try_is_searched_for_before_another() {
    let world = World::with(support::provider::Scripted::new(false)).await;
    world.provider.fail("create", [Fault::LoseAnswer]);
    let made = world.create(request("deal-1")).await.unwrap();
    world.until(&made.envelope_id, |envelope| envelope.provider_id == "p-1").await;
    assert_eq!((world.provider.calls("create"), world.provider.calls("find")), (1, 1));
    world.stop().await;
}

#[tokio::test]
async fn a_refused_creation_fails_for_good() {
    let world = World::new().await;
    world.provider.fail("create", [Fault::Refuse(Class::InvalidRequest)]);
    let made = world.create(request("deal-1")).await.unwrap();
    let failed = world.until_stage(&made.envelope_id, Stage::Failed).await;
    assert_eq!(failed.reason, "Role Client is missing", "people read what the provider says is wrong");
    assert_eq!(world.provider.calls("create"), 1);
    world.stop().await;
}

#[tokio::test]
async fn failed_detection_needs_a_person_and_goes_on_once_it_is_mended() {
    let world = World::new().await;
    world.provider.detects(Detection::Failed);
    let made = world.create(auto("deal-1")).await.unwrap();
    world.until_stage(&made.envelope_id, Stage::Preparing).await;
    world.clock.advance(Duration::from_secs(2));
    let stuck = world.until_stage(&made.envelope_id, Stage::NeedsAttention).await;
    assert_eq!(stuck.attention(), wire::Attention::DetectionFailed);
    world.provider.change("p-1", |draft| draft.detection = Detection::Ready);
    world.clock.advance(Duration::from_secs(600));
    world.until_stage(&made.envelope_id, Stage::Sent).await;
    world.stop().await;
}

#[tokio::test]
async fn a_void_that_comes_too_late_adopts_what_the_signers_did() {
    let world = World::new().await;
    let made = world.create(auto("deal-1")).await.unwrap();
    let id = made.envelope_id.as_str();
    world.until_stage(id, Stage::Preparing).await;
    world.clock.advance(Duration::from_secs(2));
    world.until_stage(id, Stage::Sent).await;
    world.provider.change("p-1", |draft| (draft.signed, draft.claim) = (2, Claim::Completed));
    world.void(id).await.unwrap();
    let done = world.until_stage(id, Stage::Completed).await;
    assert!(done.confirmed);
    assert!(world.kinds(id).await.contains(&"envelope.void_refused".to_owned()));
    world.stop().await;
}

#[tokio::test]
async fn our_own_deadline_voids_at_the_provider_and_ends_as_expired() {
    let world = World::new().await;
    let order = wire::CreateEnvelopeRequest {
        expires_after_ms: 60_000,
        remind_after_ms: vec![30_000],
        ..auto("deal-1")
    };
    let made = world.create(order).await.unwrap();
    let id = made.envelope_id.as_str();
    world.until_stage(id, Stage::Preparing).await;
    world.clock.advance(Duration::from_secs(2));
    world.until_stage(id, Stage::Sent).await;
    world.clock.advance(Duration::from_secs(31));
    world.provider.until(|provider| provider.calls("remind") == 1).await;
    world.clock.advance(Duration::from_secs(31));
    world.until_stage(id, Stage::Expired).await;
    assert_eq!(world.provider.calls("void"), 1);
    world.stop().await;
}

#[tokio::test]
async fn sending_what_is_not_ready_is_refused_with_the_reason() {
    let world = World::new().await;
    world.provider.detects(Detection::Pending);
    let made = world.create(request("deal-1")).await.unwrap();
    world.until_stage(&made.envelope_id, Stage::Preparing).await;
    let refusal = world.send(&made.envelope_id).await.unwrap_err();
    assert_eq!(refusal.code(), Code::FailedPrecondition);
    assert_eq!(refusal.get_details_error_info().unwrap().reason, "NOT_READY");
    world.stop().await;
}

#[tokio::test]
async fn what_is_gone_at_the_provider_ends_as_deleted_but_not_at_the_first_404() {
    let world = World::new().await;
    let made = world.create(auto("deal-1")).await.unwrap();
    world.until_stage(&made.envelope_id, Stage::Preparing).await;
    world.clock.advance(Duration::from_secs(2));
    world.until_stage(&made.envelope_id, Stage::Sent).await;
    let before = world.provider.calls("snapshot");
    world.provider.fail("snapshot", vec![Fault::Refuse(Class::NotFound); 1_000]);
    world.advance_until_stage(&made.envelope_id, Stage::Deleted).await;
    assert!(world.provider.calls("snapshot") >= before + 8);
    world.stop().await;
}
