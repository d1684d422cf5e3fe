//! Taking back to draft what signers have.

use super::super::*;
use super::given::*;
use crate::intake::Standing;

#[test]
fn what_signers_have_and_what_ended_without_a_contract_may_be_taken_back() {
    for stage in Stage::ALL {
        let allowed = may_reopen(&given(at_stage(stage)).envelope, 1).is_ok();
        let ended = matches!(stage, Stage::Declined | Stage::Expired);
        let open = stage.is_out() && stage != Stage::AwaitingPayment;
        assert_eq!(allowed, open || ended, "{stage:?}");
    }
}

#[test]
fn what_everybody_has_signed_is_not_taken_back_whatever_is_still_awaited() {
    let signed = progressed([(1, Standing::Signed), (2, Standing::Signed)]);
    for stage in [Stage::Sent, Stage::PartiallySigned, Stage::AwaitingPayment] {
        let facts = at_stage(stage).into_iter().chain([signed.clone()]);
        assert_eq!(may_reopen(&given(facts).envelope, 1).expect_err("signed").code(), "wrong_stage");
    }
    assert!(may_reopen(&given(at_stage(Stage::PartiallySigned)).envelope, 1).is_ok(), "one has not signed");
}

#[test]
fn who_has_seen_another_generation_takes_nothing_back() {
    let sent = given(at_stage(Stage::Sent)).envelope;
    assert_eq!(may_reopen(&sent, 2).expect_err("not yet").code(), "wrong_stage");
    let draft = given(at_stage(Stage::Sent).into_iter().chain([Event::Reopened { at: AT }])).envelope;
    assert!(is_reopened_since(&draft, 1) && !is_reopened_since(&draft, 2) && !is_reopened_since(&sent, 1));
    let again =
        given(at_stage(Stage::Sent).into_iter().chain([Event::Reopened { at: AT }, Event::Sent { at: AT }]))
            .envelope;
    assert!(may_reopen(&again, 1).is_err() && may_reopen(&again, 2).is_ok() && !is_reopened_since(&again, 1));
}

#[test]
fn what_is_about_to_be_voided_is_not_taken_back() {
    let facts = at_stage(Stage::Sent).into_iter().chain([void_requested(VoidReason::Requested)]);
    assert_eq!(may_reopen(&given(facts).envelope, 1).expect_err("it ends").code(), "wrong_stage");
}
