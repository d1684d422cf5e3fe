//! Other texts in the fields of a draft.

use super::super::*;
use super::given::*;
use crate::intake::Claim;

fn written(fields_version: u64) -> Command {
    Command::ConfirmFieldsEdited { fields_version, at: AT }
}

fn edited(fields_version: u64) -> Event {
    Event::FieldsEdited { fields_version, at: AT }
}

#[test]
fn fields_are_edited_only_while_people_look_at_the_draft() {
    for stage in Stage::ALL {
        let allowed = may_edit_fields(&given(at_stage(stage)).envelope, 1).is_ok();
        assert_eq!(allowed, matches!(stage, Stage::InReview | Stage::NeedsAttention), "{stage:?}");
    }
}

#[test]
fn a_draft_that_is_about_to_go_or_to_be_voided_is_not_edited() {
    let held = Event::SendHeld { reason: HoldReason::CreditsExhausted, at: AT };
    for (stage, fact) in [(Stage::Sending, held), (Stage::InReview, void_requested(VoidReason::Requested))] {
        let envelope = given(at_stage(stage).into_iter().chain([fact])).envelope;
        assert_eq!(envelope.stage, Stage::InReview);
        assert_eq!(may_edit_fields(&envelope, 9).expect_err("it is under way").code(), "wrong_stage");
    }
}

#[test]
fn what_its_owner_made_at_the_provider_is_not_edited_by_us() {
    let adopted = Event::Adopted { adoption: adoption(), at: AT };
    let envelope = given([adopted, Event::ReadyForReview { at: AT }]).envelope;
    assert_eq!(envelope.stage, Stage::InReview);
    let refused = may_edit_fields(&envelope, 9).expect_err("it is not ours");
    assert!(refused.to_string().contains("its owner does"), "{refused}");
}

#[test]
fn an_edit_names_the_version_it_has_seen_and_an_older_one_is_refused() {
    let envelope = given(at_stage(Stage::InReview).into_iter().chain([edited(3)])).envelope;
    assert_eq!(may_edit_fields(&envelope, 2), Err(Rejection::FieldsMoved { known: 3 }));
    // The caller may have heard more than we have: the provider's lock judges then.
    assert_eq!((may_edit_fields(&envelope, 3), may_edit_fields(&envelope, 4)), (Ok(()), Ok(())));
}

#[test]
fn an_edit_is_recorded_once_even_when_the_provider_told_of_it_first() {
    let before = given(at_stage(Stage::InReview)).envelope;
    let news = decide(&before, poll(Claim::Draft).fields_version(2).into()).expect("it is news");
    let history = at_stage(Stage::InReview).into_iter().chain(news);
    let envelope = given(history).when(written(2)).then([edited(2)]);
    assert_eq!(envelope.fields_version, Some(2));
    assert_eq!(decide(&envelope, written(2)), Ok(Vec::new()));
}

#[test]
fn an_edit_that_the_log_hears_of_late_moves_nothing_back() {
    let told = Event::FieldsChanged { detection: Detection::Ready, fields_version: Some(5), at: AT };
    let envelope = given(at_stage(Stage::Sent).into_iter().chain([told])).when(written(2)).then([edited(2)]);
    assert_eq!((envelope.stage, envelope.fields_version), (Stage::Sent, Some(5)));
}
