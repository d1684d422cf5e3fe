//! T19–T26: how it ends, and what can still be said of it afterwards.

use super::super::*;
use super::given::*;
use crate::intake::{Claim, Standing};

fn confirmed() -> Event {
    Event::Confirmed { at: AT }
}

fn corrected(to: Correction) -> Event {
    Event::Corrected { to, at: AT }
}

#[test]
fn t19_a_party_declines() {
    let claim = Claim::Declined { reason: None };
    given(at_stage(Stage::Viewed)).when(webhook(claim)).then([Event::Declined { reason: None, at: AT }]);
}

#[test]
fn t20_the_sender_voids_at_the_provider() {
    given(at_stage(Stage::Sent)).when(webhook(Claim::Voided)).then([Event::Voided { at: AT }]);
}

#[test]
fn t21_time_runs_out_at_the_provider_or_by_our_own_deadline() {
    given(at_stage(Stage::Sent)).when(webhook(Claim::Expired)).then([Event::Expired { at: AT }]);
    let mut history = at_stage(Stage::Sent);
    history.push(void_requested(VoidReason::Deadline));
    given(history).when(call(Claim::Voided)).then([Event::Expired { at: AT }]);
}

#[test]
fn t20_a_provider_that_says_expired_when_we_voided_means_voided() {
    let mut history = at_stage(Stage::Sent);
    history.push(void_requested(VoidReason::Requested));
    given(history).when(webhook(Claim::Expired)).then([Event::Voided { at: AT }]);
}

#[test]
fn t22_a_get_that_finds_nothing_means_deleted() {
    given(at_stage(Stage::Sent)).when(poll(Claim::Deleted)).then([Event::Deleted { at: AT }, confirmed()]);
    given(at_stage(Stage::Sent))
        .when(webhook(Claim::Deleted).inconclusive())
        .then([confirmation_requested()]);
    given(at_stage(Stage::Completed))
        .when(poll(Claim::Deleted).reopens())
        .then([Event::Deleted { at: AT }, confirmed()]);
}

#[test]
fn t23_a_newer_draft_reopens_only_by_the_word_of_a_get() {
    for stage in [Stage::Sent, Stage::PartiallySigned, Stage::Completed, Stage::Declined, Stage::Expired] {
        let mut history = at_stage(stage);
        history.push(moved_to(5));
        given(history.clone()).when(webhook(Claim::Draft).revision(6)).then([confirmation_requested()]);
        let reopened = given(history)
            .when(poll(Claim::Draft).revision(6))
            .then([moved_to(6), Event::Reopened { at: AT }]);
        assert_eq!((reopened.stage, reopened.generation, reopened.signed_count()), (Stage::InReview, 2, 0));
    }
}

#[test]
fn t23_an_older_draft_is_late_news_even_from_a_get() {
    let mut history = at_stage(Stage::Sent);
    history.push(moved_to(5));
    given(history.clone()).when(poll(Claim::Draft).revision(5)).then_nothing();
    given(history).when(poll(Claim::Draft).revision(4)).then([ignored(&Claim::Draft, IgnoreReason::Stale)]);
}

#[test]
fn t23_signatures_of_an_earlier_generation_do_not_count_in_the_next() {
    let mut history = at_stage(Stage::PartiallySigned);
    history.extend([moved_to(6), Event::Reopened { at: AT }]);
    let late = webhook(Claim::PartySigned).revision(5).parties([(1, Standing::Signed)], 2);
    given(history).when(late).then_ignored(&Claim::PartySigned, IgnoreReason::Stale);
}

#[test]
fn t24_t25_t26_a_provider_that_reopens_may_correct_how_it_ended() {
    let declined = || Claim::Declined { reason: None };
    for (stage, claim, to) in [
        (Stage::Declined, Claim::Completed, Correction::Completed),
        (Stage::Expired, Claim::Completed, Correction::Completed),
        (Stage::Completed, declined(), Correction::Declined),
        (Stage::Expired, declined(), Correction::Declined),
    ] {
        given(at_stage(stage)).when(webhook(claim.clone()).reopens()).then([confirmation_requested()]);
        given(at_stage(stage)).when(poll(claim.clone()).reopens()).then([corrected(to)]);
        let race = stage == Stage::Expired && to == Correction::Completed;
        let illegal = ignored(&claim, IgnoreReason::Illegal);
        let expected = if race { corrected(Correction::CompletedAfterVoid) } else { illegal };
        given(at_stage(stage)).when(poll(claim)).then([expected]);
    }
}

#[test]
fn final_ends_that_contradict_each_other_raise_an_integrity_alert() {
    for claim in [Claim::Voided, Claim::Declined { reason: None }] {
        given(at_stage(Stage::Completed))
            .when(webhook(claim.clone()))
            .then([ignored(&claim, IgnoreReason::Illegal), confirmation_requested()]);
    }
}

#[test]
fn a_signer_who_finished_while_we_voided_has_a_binding_contract() {
    let envelope =
        given(at_stage(Stage::Voided)).when(webhook(Claim::Completed)).then([confirmation_requested()]);
    let binding =
        Given { envelope }.when(poll(Claim::Completed)).then([corrected(Correction::CompletedAfterVoid)]);
    assert_eq!(
        (binding.stage, binding.confirmed, binding.artifact),
        (Stage::Completed, true, Artifact::Pending)
    );
}

#[test]
fn a_signature_after_the_end_is_asked_about() {
    for stage in [Stage::Voided, Stage::Declined] {
        let progressed = progressed([(1, Standing::Signed)]);
        given(at_stage(stage))
            .when(webhook(Claim::PartySigned).parties([(1, Standing::Signed)], 2))
            .then([progressed, confirmation_requested()]);
    }
}

#[test]
fn what_was_deleted_stays_deleted_when_the_get_finds_nothing() {
    let envelope =
        given(at_stage(Stage::Deleted)).when(webhook(Claim::Sent)).then([confirmation_requested()]);
    let envelope = Given { envelope }.when(poll(Claim::Deleted)).then([confirmed()]);
    assert_eq!(envelope.stage, Stage::Deleted);
}

#[test]
fn a_failed_creation_that_exists_after_all_begins_again_by_the_word_of_a_get() {
    given(at_stage(Stage::Failed)).when(webhook(Claim::Draft).reopens()).then([confirmation_requested()]);
    given(at_stage(Stage::Failed)).when(poll(Claim::Draft).reopens()).then([Event::Reopened { at: AT }]);
    given(at_stage(Stage::Failed))
        .when(poll(Claim::Draft))
        .then([ignored(&Claim::Draft, IgnoreReason::Illegal)]);
}

#[test]
fn a_get_that_was_overtaken_by_the_completion_leaves_the_question_open() {
    let mut history = at_stage(Stage::Sent);
    history.extend([completed(false), confirmation_requested()]);
    given(history.clone())
        .when(poll(Claim::Viewed))
        .then([ignored(&Claim::Viewed, IgnoreReason::Contradiction)]);
    let envelope = given(history).envelope;
    assert!(still_needed(&envelope, Effect::Confirm));
}

#[test]
fn stale_news_of_an_end_is_asked_about_and_other_stale_news_is_dropped() {
    let mut history = at_stage(Stage::Sent);
    history.push(moved_to(9));
    given(history.clone()).when(webhook(Claim::Completed).revision(8)).then([confirmation_requested()]);
    given(history)
        .when(webhook(Claim::Viewed).revision(8))
        .then([ignored(&Claim::Viewed, IgnoreReason::Stale)]);
}

#[test]
fn a_failed_creation_that_was_even_signed_is_completed_in_its_second_life() {
    let envelope = given(at_stage(Stage::Failed))
        .when(poll(Claim::Completed).reopens())
        .then([Event::Reopened { at: AT }, completed(true)]);
    assert_eq!((envelope.stage, envelope.generation), (Stage::Completed, 2));
}
