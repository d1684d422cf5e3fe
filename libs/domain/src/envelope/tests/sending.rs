//! T12–T14 and the void: calls of ours whose outcome may be unknown.

use super::super::*;
use super::given::*;
use crate::intake::Claim;

fn hold(reason: HoldReason) -> Command {
    Command::HoldSend { reason, at: AT }
}

fn held(reason: HoldReason) -> Vec<Event> {
    let mut history = at_stage(Stage::Sending);
    history.push(Event::SendHeld { reason, at: AT });
    history
}

fn request_void() -> Command {
    Command::RequestVoid { reason: VoidReason::Requested, at: AT }
}

#[test]
fn t12_a_send_is_asked_for_once() {
    let send = Command::RequestSend { at: AT };
    given(at_stage(Stage::InReview)).when(send.clone()).then([send_requested()]);
    for stage in [Stage::Sending, Stage::Sent, Stage::Viewed, Stage::PartiallySigned] {
        given(at_stage(stage)).when(send.clone()).then_nothing();
    }
}

#[test]
fn t12_a_send_before_the_fields_are_ready_is_refused_with_the_reason() {
    given(at_stage(Stage::Preparing))
        .when(Command::RequestSend { at: AT })
        .then_refused(Rejection::NotReady { detection: Detection::Pending });
}

#[test]
fn t12_a_closed_envelope_is_not_sent() {
    for stage in Stage::ALL.into_iter().filter(|stage| stage.is_closed()) {
        let refused = Rejection::WrongStage { wish: "send", stage };
        given(at_stage(stage)).when(Command::RequestSend { at: AT }).then_refused(refused);
    }
}

#[test]
fn t13_a_person_may_send_without_us() {
    for stage in
        [Stage::Preparing, Stage::InReview, Stage::NeedsAttention, Stage::AwaitingApproval, Stage::Sending]
    {
        let envelope = given(at_stage(stage)).when(webhook(Claim::Sent)).then([Event::Sent { at: AT }]);
        assert!(!still_needed(&envelope, Effect::Send), "the send retry is cancelled");
    }
}

#[test]
fn t14_used_up_credits_hold_the_send_until_it_is_resumed() {
    let held = given(at_stage(Stage::Sending))
        .when(hold(HoldReason::CreditsExhausted))
        .then([Event::SendHeld { reason: HoldReason::CreditsExhausted, at: AT }]);
    assert_eq!((held.stage, held.hold), (Stage::InReview, Some(HoldReason::CreditsExhausted)));
    assert!(still_needed(&held, Effect::Send));
    let resumed = Given { envelope: held }
        .when(Command::ResumeSend { at: AT })
        .then([Event::SendResumed { fields_version: None, at: AT }]);
    assert_eq!((resumed.stage, resumed.hold, resumed.send_attempts), (Stage::Sending, None, 2));
}

#[test]
fn t14_a_held_send_is_neither_doubled_by_an_operator_nor_by_a_draft() {
    given(held(HoldReason::CreditsExhausted)).when(Command::RequestSend { at: AT }).then_nothing();
    given(held(HoldReason::CreditsExhausted)).when(hold(HoldReason::CreditsExhausted)).then_nothing();
    given(held(HoldReason::NotReady)).when(poll(Claim::Draft)).then_nothing();
}

#[test]
fn t14_a_version_that_moves_again_after_a_repeated_send_needs_a_person() {
    let mut history = held(HoldReason::VersionMoved);
    history.push(Event::SendResumed { fields_version: Some(2), at: AT });
    let envelope =
        given(history).when(hold(HoldReason::VersionMoved)).then([attention(Attention::FieldsMoving)]);
    assert!(!still_needed(&envelope, Effect::Send));
    Given { envelope }.when(Command::RequestSend { at: AT }).then([send_requested()]);
}

#[test]
fn an_outcome_that_was_learnt_meanwhile_makes_hold_and_resume_pointless() {
    given(at_stage(Stage::Sent)).when(hold(HoldReason::Locked)).then_nothing();
    given(at_stage(Stage::Viewed)).when(Command::ResumeSend { at: AT }).then_nothing();
}

#[test]
fn t20_a_void_before_the_first_call_needs_no_call() {
    given(at_stage(Stage::Requested)).when(request_void()).then([Event::Voided { at: AT }]);
}

#[test]
fn t20_a_void_during_creation_is_remembered_and_carried_out_once_the_id_is_known() {
    let pending =
        given(at_stage(Stage::Creating)).when(request_void()).then([void_requested(VoidReason::Requested)]);
    let void = Effect::Void { reason: VoidReason::Requested };
    assert!(!still_needed(&pending, void));
    let created = Given { envelope: pending }
        .when(webhook(Claim::Processing))
        .then([created(), void_requested(VoidReason::Requested)]);
    assert!(still_needed(&created, void));
}

#[test]
fn t20_a_void_that_the_provider_confirms_closes_the_envelope() {
    let mut history = at_stage(Stage::Sent);
    history.push(void_requested(VoidReason::Requested));
    given(history.clone()).when(request_void()).then_nothing();
    let envelope = given(history).when(call(Claim::Voided)).then([Event::Voided { at: AT }]);
    assert_eq!((envelope.stage, envelope.void_requested), (Stage::Voided, None));
}

#[test]
fn t20_an_auto_send_does_not_overtake_a_void() {
    let mut history = at_stage_with(Stage::Preparing, SendPolicy::Auto);
    history.push(void_requested(VoidReason::Requested));
    given(history).when(poll(Claim::Draft)).then([Event::ReadyForReview { at: AT }]);
}

#[test]
fn a_void_that_the_provider_refuses_asks_for_its_truth() {
    let mut history = at_stage(Stage::Sent);
    history.push(void_requested(VoidReason::Deadline));
    given(history)
        .when(Command::RefuseVoid { at: AT })
        .then([Event::VoidRefused { at: AT }, confirmation_requested()]);
}

#[test]
fn a_completed_envelope_cannot_be_voided_and_a_voided_one_is_voided_already() {
    let refused = Rejection::WrongStage { wish: "void", stage: Stage::Completed };
    given(at_stage(Stage::Completed)).when(request_void()).then_refused(refused);
    given(at_stage(Stage::Voided)).when(request_void()).then_nothing();
}

#[test]
fn a_document_of_sales_is_voided_once_signers_have_it_and_never_while_it_is_a_draft() {
    let adopted = Event::Adopted { adoption: adoption(), at: AT };
    let wish = "void (its owner does, at the provider)";
    for (then, stage) in [(None, Stage::Preparing), (Some(Event::ReadyForReview { at: AT }), Stage::InReview)]
    {
        given([adopted.clone()].into_iter().chain(then))
            .when(request_void())
            .then_refused(Rejection::WrongStage { wish, stage });
    }
    given([adopted, Event::Sent { at: AT }])
        .when(request_void())
        .then([void_requested(VoidReason::Requested)]);
}

#[test]
fn a_send_that_is_to_be_voided_is_not_made_any_more() {
    for mut history in [at_stage(Stage::Sending), held(HoldReason::CreditsExhausted)] {
        history.push(void_requested(VoidReason::Requested));
        assert!(!still_needed(&given(history).envelope, Effect::Send));
    }
    let mut history = held(HoldReason::CreditsExhausted);
    history.push(void_requested(VoidReason::Requested));
    let refused = Rejection::WrongStage { wish: "resume the sending of", stage: Stage::InReview };
    given(history).when(Command::ResumeSend { at: AT }).then_refused(refused);
}

#[test]
fn an_approval_that_interrupts_our_send_is_believed_of_a_get_only() {
    let claim = Claim::ApprovalRequested;
    given(at_stage(Stage::Sending)).when(webhook(claim.clone())).then([confirmation_requested()]);
    given(at_stage(Stage::Sending)).when(poll(claim)).then([Event::ApprovalRequested { at: AT }]);
    given(at_stage_with(Stage::AwaitingApproval, SendPolicy::Auto))
        .when(webhook(Claim::ApprovalGranted))
        .then([Event::ReadyForReview { at: AT }, send_requested()]);
}
