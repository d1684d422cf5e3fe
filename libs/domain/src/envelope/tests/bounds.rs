//! Strange histories and strange numbers: nothing panics, nothing grows without bound.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};

use super::super::*;
use super::given::*;
use super::strategies::*;
use crate::intake::{Claim, Standing};
use crate::time::Timestamp;

#[test]
fn a_provider_that_counts_four_billion_parties_does_not_fill_our_memory() {
    let huge =
        webhook(Claim::PartySigned).parties([(1, Standing::Signed), (u32::MAX, Standing::Signed)], u32::MAX);
    let envelope = given(at_stage(Stage::Sent)).envelope;
    let facts = decide(&envelope, huge.into()).unwrap();
    let after = facts.iter().fold(envelope, evolve);
    assert_eq!((after.parties.len(), after.signed_count()), (100, 1));
}

#[test]
fn a_provider_that_counts_no_parties_takes_none_away() {
    let envelope = given(at_stage(Stage::Sent)).envelope;
    let facts = decide(&envelope, webhook(Claim::Viewed).parties([], 0).into()).unwrap();
    assert_eq!(facts.iter().fold(envelope, evolve).parties.len(), 2);
}

#[test]
fn times_at_the_end_of_time_do_not_overflow() {
    let end = Timestamp(i64::MAX);
    let mut envelope = given(at_stage(Stage::Sent)).envelope;
    (envelope.sent_at, envelope.stage_since) = (Some(end), end);
    assert!(timers(&envelope).iter().all(|timer| timer.due == end));
}

proptest! {
    /// Facts in an order that no decision would have produced.
    #[test]
    fn decide_never_panics_on_any_history(
        facts in facts_of_many_lives(),
        commands in vec(any_command(true), 1..10),
    ) {
        let envelope = replay(&facts);
        for command in commands {
            if let Ok(events) = decide(&envelope, command) {
                prop_assert!(events.len() <= 8);
            }
        }
        prop_assert!(timers(&envelope).len() <= 4);
    }
}

fn facts_of_many_lives() -> impl Strategy<Value = Vec<Event>> {
    let at = AT;
    let mut all: Vec<Event> = Stage::ALL.into_iter().flat_map(at_stage).collect();
    all.extend([
        void_requested(VoidReason::Deadline),
        Event::VoidRefused { at },
        Event::Reopened { at },
        Event::Corrected { to: Correction::Declined, at },
        Event::Corrected { to: Correction::Completed, at },
        Event::SendHeld { reason: HoldReason::VersionMoved, at },
        Event::SendResumed { fields_version: Some(1), at },
        Event::Adopted { adoption: adoption(), at },
        Event::Confirmed { at },
        Event::ReminderRequested { number: u32::MAX, at },
        moved_to(i64::MIN),
    ]);
    let count = all.len();
    (subsequence(all, 0..count), vec(any::<Index>(), 0..count)).prop_map(|(mut facts, swaps)| {
        for (place, other) in swaps.iter().enumerate() {
            if !facts.is_empty() {
                let (place, other) = (place % facts.len(), other.index(facts.len()));
                facts.swap(place, other);
            }
        }
        facts
    })
}
