//! What a sweep finds that no webhook had told.

use super::super::*;
use super::given::*;
use crate::intake::{Claim, Standing};

fn mark(claim: &str) -> Event {
    Event::Reconciled { claim: claim.to_owned(), at: AT }
}

#[test]
fn a_completion_that_only_a_sweep_saw_is_marked_in_its_own_commit() {
    let facts = decide(&replay(&at_stage(Stage::Sent)), sweep(Claim::Completed).into()).unwrap();
    assert_eq!(facts, vec![Event::Completed { confirmed: true, at: AT }, mark("completed")]);
}

#[test]
fn a_sweep_that_finds_what_is_known_leaves_no_mark() {
    let facts = decide(&replay(&at_stage(Stage::Sent)), sweep(Claim::Sent).into()).unwrap();
    assert_eq!(facts, vec![]);
}

#[test]
fn an_answer_to_an_open_question_is_no_finding() {
    let mut history = at_stage(Stage::Sent);
    history.push(Event::ConfirmationRequested { at: AT });
    let facts = decide(&replay(&history), sweep(Claim::Sent).into()).unwrap();
    assert_eq!(facts, vec![Event::Confirmed { at: AT }]);
}

#[test]
fn a_single_signature_that_nobody_told_is_a_finding() {
    let seen = sweep(Claim::PartySigned).parties([(1, Standing::Signed), (2, Standing::Pending)], 2);
    let facts = decide(&replay(&at_stage(Stage::Sent)), seen.into()).unwrap();
    assert_eq!(facts.last(), Some(&mark("party_signed")));
}

#[test]
fn a_reopening_found_by_a_sweep_counts_as_one_that_a_poll_confirmed() {
    let mut history = at_stage(Stage::Completed);
    history.push(Event::RevisionMoved { revision: 3, at: AT });
    let facts = decide(&replay(&history), sweep(Claim::Draft).revision(4).into()).unwrap();
    assert!(facts.contains(&Event::Reopened { at: AT }), "{facts:?}");
    assert_eq!(facts.last(), Some(&mark("draft")));
}

#[test]
fn an_integrity_alarm_is_no_finding() {
    let facts = decide(&replay(&at_stage(Stage::Completed)), sweep(Claim::Voided).into()).unwrap();
    assert!(facts.iter().all(|fact| matches!(fact, Event::SignalIgnored { .. })), "{facts:?}");
}
