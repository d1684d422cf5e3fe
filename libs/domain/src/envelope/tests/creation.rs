//! T1–T11: from the first ask to something that can be sent.

use super::super::*;
use super::given::*;
use crate::ids::OperationKey;
use crate::intake::{Claim, Standing};
use crate::personal::Personal;

fn request(key: &str) -> Command {
    let order = Order { operation_key: key.parse::<OperationKey>().unwrap(), ..order() };
    Command::Request { order: Box::new(order), at: AT }
}

fn confirm_created(sent: bool) -> Command {
    Command::ConfirmCreated { provider_id: provider_id(), review_link: None, sent, at: AT }
}

#[test]
fn t1_a_request_is_accepted_once_and_its_repetition_changes_nothing() {
    let requested = given([]).when(request("trg_1")).then([requested(SendPolicy::Review)]);
    assert_eq!((requested.stage, requested.generation, requested.parties.len()), (Stage::Requested, 1, 2));
    for stage in Stage::ALL.into_iter().filter(|stage| *stage != Stage::Absent) {
        given(at_stage(stage)).when(request("trg_1")).then_nothing();
    }
}

#[test]
fn t1_another_request_under_the_same_id_is_refused() {
    given(at_stage(Stage::Sent)).when(request("trg_2")).then_refused(Rejection::AlreadyRequested);
}

#[test]
fn an_envelope_that_was_never_requested_refuses_everything_else() {
    given([]).when(Command::StartCreate { way: None, at: AT }).then_refused(Rejection::NeverRequested);
    given([]).when(webhook(Claim::Sent)).then_refused(Rejection::NeverRequested);
}

#[test]
fn an_envelope_made_at_the_provider_is_adopted_once() {
    let adopted = Event::Adopted { adoption: adoption(), at: AT };
    let adopt = Command::Adopt { adoption: adoption(), at: AT };
    given([]).when(adopt.clone()).then([adopted.clone()]);
    given([adopted]).when(adopt.clone()).then_nothing();
    given(at_stage(Stage::Requested)).when(adopt).then_refused(Rejection::AlreadyRequested);
}

#[test]
fn t2_a_worker_may_come_twice_but_not_after_the_id_is_known() {
    let start = Command::StartCreate { way: None, at: AT };
    given(at_stage(Stage::Requested)).when(start.clone()).then([Event::CreateStarted { way: None, at: AT }]);
    given(at_stage(Stage::Creating)).when(start.clone()).then_nothing();
    let refused = Rejection::WrongStage { wish: "create", stage: Stage::Preparing };
    given(at_stage(Stage::Preparing)).when(start).then_refused(refused);
}

#[test]
fn t2_the_way_that_was_recorded_first_holds() {
    let by = |way: &str| Command::StartCreate { way: Some(way.to_owned()), at: AT };
    let started = Event::CreateStarted { way: Some("parcel".to_owned()), at: AT };
    given(at_stage(Stage::Requested)).when(by("parcel")).then([started.clone()]);
    let history = [at_stage(Stage::Requested), vec![started]].concat();
    given(history.clone()).when(by("letter")).then_nothing();
    assert_eq!(replay(&history).create_way.as_deref(), Some("parcel"));
}

#[test]
fn t3_the_providers_answer_makes_it_created_and_its_repetition_changes_nothing() {
    given(at_stage(Stage::Creating)).when(confirm_created(false)).then([created()]);
    given(at_stage(Stage::Preparing)).when(confirm_created(false)).then_nothing();
}

#[test]
fn t3_a_create_that_also_sends_is_sent() {
    given(at_stage(Stage::Creating)).when(confirm_created(true)).then([created(), Event::Sent { at: AT }]);
}

#[test]
fn a_second_provider_envelope_for_the_same_order_is_refused() {
    let other = Command::ConfirmCreated {
        provider_id: "prov-2".parse().unwrap(),
        review_link: None,
        sent: false,
        at: AT,
    };
    let wish = "link a second provider envelope to";
    given(at_stage(Stage::Sent)).when(other).then_refused(Rejection::WrongStage { wish, stage: Stage::Sent });
    let claim = Claim::Completed;
    given(at_stage(Stage::Sent))
        .when(webhook(claim.clone()).of("prov-2"))
        .then_ignored(&claim, IgnoreReason::Contradiction);
}

#[test]
fn a_webhook_that_overtakes_the_create_answer_brings_the_id_and_then_counts() {
    given(at_stage(Stage::Creating)).when(webhook(Claim::Sent)).then([created(), Event::Sent { at: AT }]);
}

#[test]
fn t4_a_definite_refusal_fails_the_envelope_once() {
    let fail = Command::FailCreate { failure: CreateFailure::InvalidRequest, reason: None, at: AT };
    let failed = Event::Failed { failure: CreateFailure::InvalidRequest, reason: None, at: AT };
    let envelope = given(at_stage(Stage::Creating)).when(fail.clone()).then([failed]);
    let why = envelope.reason.as_ref().and_then(Personal::reveal);
    assert_eq!(why, Some(CreateFailure::InvalidRequest.words()), "people are told why");
    given(at_stage(Stage::Failed)).when(fail).then_nothing();

    let reason = Some(Personal::new("Role Clinet is not in the template"));
    let failure = CreateFailure::InvalidRequest;
    let told = Command::FailCreate { failure, reason: reason.clone(), at: AT };
    let failed = Event::Failed { failure, reason: reason.clone(), at: AT };
    let envelope = given(at_stage(Stage::Creating)).when(told).then([failed]);
    assert_eq!(envelope.reason, reason, "the provider's own words say more");
}

#[test]
fn t5_fields_that_are_ready_bring_it_to_review() {
    let envelope =
        given(at_stage(Stage::Preparing)).when(poll(Claim::Draft)).then([Event::ReadyForReview { at: AT }]);
    assert_eq!((envelope.stage, envelope.detection), (Stage::InReview, Detection::Ready));
}

#[test]
fn t5_the_auto_policy_sends_in_the_same_breath_and_names_the_fields_version() {
    let fields = Event::FieldsChanged { detection: Detection::Ready, fields_version: Some(3), at: AT };
    let send = Event::SendRequested { fields_version: Some(3), at: AT };
    given(at_stage_with(Stage::Preparing, SendPolicy::Auto))
        .when(poll(Claim::Draft).detection(Detection::Ready).fields_version(3))
        .then([fields, Event::ReadyForReview { at: AT }, send]);
}

#[test]
fn an_adopted_envelope_is_never_sent_by_us() {
    let adopted = [Event::Adopted { adoption: adoption(), at: AT }, Event::ReadyForReview { at: AT }];
    given(adopted[..1].to_vec()).when(poll(Claim::Draft)).then([Event::ReadyForReview { at: AT }]);
    let wish = "send (its owner does, at the provider)";
    given(adopted)
        .when(Command::RequestSend { at: AT })
        .then_refused(Rejection::WrongStage { wish, stage: Stage::InReview });
}

#[test]
fn a_draft_that_a_webhook_cannot_vouch_for_is_asked_about() {
    given(at_stage(Stage::Preparing))
        .when(webhook(Claim::Draft).inconclusive())
        .then([confirmation_requested()]);
}

#[test]
fn t6_detection_that_failed_or_found_nothing_needs_a_person() {
    for (detection, why) in
        [(Detection::Failed, Attention::DetectionFailed), (Detection::RecoveredEmpty, Attention::NoFields)]
    {
        let fields = Event::FieldsChanged { detection, fields_version: None, at: AT };
        given(at_stage(Stage::Preparing))
            .when(poll(Claim::Draft).detection(detection))
            .then([fields, attention(why)]);
    }
}

#[test]
fn t7_a_creation_that_failed_at_the_provider_is_final() {
    let reason = Personal::new("bad token");
    let failed =
        Event::Failed { failure: CreateFailure::ProviderFailed, reason: Some(reason.clone()), at: AT };
    given(at_stage(Stage::Preparing)).when(webhook(Claim::PreparationFailed { reason })).then([failed]);
}

#[test]
fn t8_a_person_who_placed_the_fields_brings_it_back_to_review() {
    let fields = Event::FieldsChanged { detection: Detection::Ready, fields_version: Some(2), at: AT };
    given(at_stage(Stage::NeedsAttention))
        .when(poll(Claim::Draft).detection(Detection::Ready).fields_version(2))
        .then([fields, Event::ReadyForReview { at: AT }]);
}

#[test]
fn t8_what_a_person_brought_up_is_not_settled_by_detection() {
    let mut history = at_stage(Stage::InReview);
    history.push(attention(Attention::ChangesSuggested));
    given(history).when(poll(Claim::Draft).detection(Detection::Ready)).then_nothing();
}

#[test]
fn t9_t10_t11_an_approval_is_awaited_then_granted_or_refused() {
    given(at_stage(Stage::InReview))
        .when(webhook(Claim::ApprovalRequested))
        .then([Event::ApprovalRequested { at: AT }]);
    given(at_stage(Stage::AwaitingApproval))
        .when(webhook(Claim::ApprovalGranted))
        .then([Event::ReadyForReview { at: AT }]);
    given(at_stage(Stage::AwaitingApproval))
        .when(webhook(Claim::ApprovalRefused))
        .then([attention(Attention::ApprovalRefused)]);
}

#[test]
fn a_late_creation_draft_never_sends_again() {
    for stage in [Stage::Sending, Stage::Sent, Stage::Viewed, Stage::PartiallySigned] {
        let claim = Claim::Draft;
        given(at_stage_with(stage, SendPolicy::Auto))
            .when(webhook(claim.clone()))
            .then_ignored(&claim, IgnoreReason::Late);
    }
}

#[test]
fn preparing_may_jump_to_signed_without_inventing_what_lay_between() {
    let envelope = given(at_stage(Stage::Preparing))
        .when(webhook(Claim::PartySigned).parties([(1, Standing::Signed)], 2))
        .then([progressed([(1, Standing::Signed)])]);
    assert_eq!((envelope.stage, envelope.viewed_at), (Stage::PartiallySigned, None));
}

#[test]
fn a_create_answer_after_the_end_is_kept_and_asked_about() {
    let failed = Event::Failed { failure: CreateFailure::Exhausted, reason: None, at: AT };
    let mut history = at_stage(Stage::Creating);
    history.push(failed);
    let envelope = given(history).when(confirm_created(true)).then([created(), confirmation_requested()]);
    assert_eq!(envelope.stage, Stage::Failed);
}

#[test]
fn an_approval_that_was_withdrawn_needs_a_person() {
    let mut history = at_stage_with(Stage::AwaitingApproval, SendPolicy::Auto);
    history.push(moved_to(3));
    given(history)
        .when(poll(Claim::Draft).revision(4))
        .then([attention(Attention::ApprovalRefused), moved_to(4)]);
}

#[test]
fn a_draft_has_no_signatures_that_count() {
    given(at_stage(Stage::Preparing))
        .when(poll(Claim::Draft).parties([(1, Standing::Signed)], 2))
        .then([Event::ReadyForReview { at: AT }]);
}
