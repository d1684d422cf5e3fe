//! T15–T18: signers at work, money, and the signed document.

use super::super::*;
use super::given::*;
use crate::intake::{Claim, Standing};

const BOTH: [(u32, Standing); 2] = [(1, Standing::Signed), (2, Standing::Signed)];

#[test]
fn t15_somebody_opened_it() {
    given(at_stage(Stage::Sent)).when(webhook(Claim::Viewed)).then([Event::Viewed { at: AT }]);
}

#[test]
fn t16_the_first_signature_is_progress_and_the_second_is_the_end() {
    let first = [(1, Standing::Signed), (2, Standing::Pending)];
    let signed = webhook(Claim::PartySigned);
    let envelope =
        given(at_stage(Stage::Viewed)).when(signed.clone().parties(first, 2)).then([progressed(first)]);
    assert_eq!(envelope.signed_count(), 1);
    Given { envelope }.when(signed.parties(BOTH, 2)).then([
        progressed([(2, Standing::Signed)]),
        completed(false),
        confirmation_requested(),
    ]);
}

#[test]
fn t16_a_signature_of_somebody_unnamed_is_progress_once() {
    let claim = Claim::PartySigned;
    given(at_stage(Stage::Sent)).when(webhook(claim.clone())).then([progressed([])]);
    given(at_stage(Stage::PartiallySigned))
        .when(webhook(claim.clone()))
        .then_ignored(&claim, IgnoreReason::NothingNew);
}

#[test]
fn t17_payment_is_awaited_and_its_arrival_completes() {
    given(at_stage(Stage::PartiallySigned))
        .when(webhook(Claim::PaymentDue))
        .then([Event::PaymentDue { at: AT }]);
    let paid = given(at_stage(Stage::AwaitingPayment)).when(webhook(Claim::Paid)).then([
        Event::Paid { at: AT },
        completed(false),
        confirmation_requested(),
    ]);
    assert_eq!(paid.payment, Payment::Paid);
}

#[test]
fn t17_a_last_signature_that_leaves_money_to_be_paid_is_no_completion() {
    let envelope = given(at_stage(Stage::Viewed))
        .when(webhook(Claim::PartySigned).parties(BOTH, 2).inconclusive())
        .then([progressed(BOTH), confirmation_requested()]);
    let due = Given { envelope }
        .when(poll(Claim::PaymentDue).parties(BOTH, 2))
        .then([Event::PaymentDue { at: AT }, Event::Confirmed { at: AT }]);
    assert_eq!((due.stage, due.payment), (Stage::AwaitingPayment, Payment::Due));
}

#[test]
fn t18_completion_by_webhook_is_unconfirmed_until_a_get_says_the_same() {
    let envelope = given(at_stage(Stage::Sent))
        .when(webhook(Claim::Completed))
        .then([completed(false), confirmation_requested()]);
    assert!(!envelope.confirmed && still_needed(&envelope, Effect::Confirm));
    let confirmed = Given { envelope }.when(poll(Claim::Completed)).then([Event::Confirmed { at: AT }]);
    assert!(confirmed.confirmed && !still_needed(&confirmed, Effect::Confirm));
    Given { envelope: confirmed }.when(poll(Claim::Completed)).then_nothing();
}

#[test]
fn t18_completion_by_a_get_is_confirmed_at_once() {
    let envelope = given(at_stage(Stage::Sent)).when(poll(Claim::Completed)).then([completed(true)]);
    assert_eq!((envelope.confirmed, envelope.artifact), (true, Artifact::Pending));
}

#[test]
fn t18_waits_for_the_get_when_the_news_is_not_conclusive() {
    given(at_stage(Stage::Sent))
        .when(webhook(Claim::PartySigned).parties(BOTH, 2).inconclusive())
        .then([progressed(BOTH), confirmation_requested()]);
    given(at_stage(Stage::Sent))
        .when(webhook(Claim::Completed).inconclusive())
        .then([confirmation_requested()]);
}

#[test]
fn a_get_that_says_completed_from_preparing_is_a_jump() {
    given(at_stage(Stage::Preparing))
        .when(poll(Claim::Completed).parties(BOTH, 2))
        .then([progressed(BOTH), completed(true)]);
}

#[test]
fn late_news_of_a_completed_envelope_only_adds_what_was_missing() {
    for claim in [Claim::Viewed, Claim::Sent, Claim::PartySigned] {
        given(at_stage(Stage::Completed))
            .when(webhook(claim.clone()))
            .then_ignored(&claim, IgnoreReason::Closed);
    }
    given(at_stage(Stage::Completed))
        .when(webhook(Claim::PartySigned).parties([(1, Standing::Signed)], 2))
        .then([progressed([(1, Standing::Signed)])]);
}

#[test]
fn repeated_news_leaves_a_trace_by_webhook_and_none_by_a_get() {
    let claim = Claim::Sent;
    given(at_stage(Stage::Sent)).when(webhook(claim.clone())).then_ignored(&claim, IgnoreReason::NothingNew);
    given(at_stage(Stage::Viewed)).when(webhook(claim.clone())).then_ignored(&claim, IgnoreReason::Late);
    given(at_stage(Stage::Sent)).when(poll(claim.clone())).then_nothing();
    given(at_stage(Stage::Sent)).when(call(claim)).then_nothing();
}

#[test]
fn the_providers_number_of_signers_replaces_the_planned_one() {
    let envelope = given(at_stage(Stage::Preparing))
        .when(webhook(Claim::Sent).parties([(1, Standing::Pending)], 1))
        .then([
            Event::Sent { at: AT },
            Event::PartiesProgressed { parties: news([(1, Standing::Pending)]), total: 1, at: AT },
        ]);
    assert_eq!(envelope.parties.len(), 1);
}

#[test]
fn a_signed_document_before_completion_waits_for_it() {
    let early = given(at_stage(Stage::Sent))
        .when(webhook(Claim::ArtifactReady))
        .then([Event::ArtifactReady { at: AT }, confirmation_requested()]);
    assert_eq!((early.stage, early.artifact), (Stage::Sent, Artifact::Ready));
    assert!(!still_needed(&early, Effect::FetchArtifact));
    let done = Given { envelope: early }.when(poll(Claim::Completed)).then([completed(true)]);
    assert!(still_needed(&done, Effect::FetchArtifact));
}

#[test]
fn the_signed_document_is_stored_once_and_only_of_a_completed_envelope() {
    let (digest, bytes) = (Digest([7; 32]), 1_000);
    let store = Command::StoreArtifact { digest, bytes, at: AT };
    let stored = given(at_stage(Stage::Completed)).when(store.clone()).then([Event::ArtifactStored {
        digest,
        bytes,
        at: AT,
    }]);
    Given { envelope: stored.clone() }.when(store.clone()).then_nothing();
    Given { envelope: stored }.when(Command::GiveUpArtifact { at: AT }).then_nothing();
    let wish = "settle the signed document of";
    given(at_stage(Stage::Sent)).when(store).then_refused(Rejection::WrongStage { wish, stage: Stage::Sent });
}

#[test]
fn extraction_before_the_signature_changes_nothing() {
    let claim = Claim::DataExtracted;
    given(at_stage(Stage::Sent)).when(webhook(claim.clone())).then_ignored(&claim, IgnoreReason::NoEffect);
}

#[test]
fn a_hint_asks_for_a_get_once() {
    let envelope = given(at_stage(Stage::Sent)).when(webhook(Claim::Hint)).then([confirmation_requested()]);
    Given { envelope: envelope.clone() }
        .when(webhook(Claim::Hint))
        .then_ignored(&Claim::Hint, IgnoreReason::Contradiction);
    Given { envelope }.when(poll(Claim::Sent)).then([Event::Confirmed { at: AT }]);
}

#[test]
fn suggested_changes_are_laid_over_an_envelope_that_is_out() {
    let envelope = given(at_stage(Stage::Sent))
        .when(webhook(Claim::ChangesSuggested))
        .then([attention(Attention::ChangesSuggested)]);
    assert_eq!(envelope.stage, Stage::Sent);
}

#[test]
fn a_last_signature_that_was_overtaken_asks_for_a_get() {
    let mut history = at_stage(Stage::PartiallySigned);
    history.push(moved_to(9));
    let late = webhook(Claim::PartySigned).revision(8).parties([(2, Standing::Signed)], 2);
    given(history).when(late).then([progressed([(2, Standing::Signed)]), confirmation_requested()]);
}

#[test]
fn of_an_adopted_envelope_all_have_signed_only_if_the_provider_says_how_many() {
    let adopted = [Event::Adopted { adoption: adoption(), at: AT }];
    let mut uncounted = webhook(Claim::PartySigned).parties([(1, Standing::Signed)], 1);
    uncounted.observation.total = None;
    let one = |total| Event::PartiesProgressed { parties: news([(1, Standing::Signed)]), total, at: AT };
    given(adopted.clone()).when(uncounted).then([one(1), confirmation_requested()]);
    given(adopted).when(webhook(Claim::PartySigned).parties([(1, Standing::Signed)], 1)).then([
        one(1),
        completed(false),
        confirmation_requested(),
    ]);
}
