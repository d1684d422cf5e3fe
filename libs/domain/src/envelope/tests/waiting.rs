//! Timers and reminders.

use std::time::Duration;

use super::super::*;
use super::given::*;
use crate::intake::Claim;
use crate::time::Timestamp;

fn fire(timer: TimerKind, at: Timestamp) -> Command {
    Command::Fire { timer, at }
}

fn kinds(stage: Stage) -> Vec<TimerKind> {
    timers(&given(at_stage(stage)).envelope).into_iter().map(|timer| timer.kind).collect()
}

#[test]
fn every_open_stage_at_the_provider_is_looked_at_again_and_no_closed_one_is() {
    for stage in Stage::ALL {
        let open_there = (Stage::Preparing.rank()..Stage::Completed.rank()).contains(&stage.rank());
        assert_eq!(!kinds(stage).is_empty(), open_there, "{stage:?}");
    }
    assert_eq!(kinds(Stage::Preparing), [TimerKind::PollPreparation, TimerKind::PreparationDeadline]);
    assert_eq!(kinds(Stage::Sent), [TimerKind::PollProgress, TimerKind::Reminder, TimerKind::Deadline]);
}

#[test]
fn preparation_is_asked_for_often_at_first_and_not_after_a_quarter_of_an_hour() {
    let pause = |polls, since_s| {
        TimerKind::PollPreparation
            .poll_pause(polls, Duration::from_secs(since_s))
            .map(|pause| pause.as_secs())
    };
    let pauses: Vec<_> = (0..6).map(|polls| pause(polls, 0)).collect();
    assert_eq!(pauses, [1, 2, 4, 8, 15, 15].map(Some));
    assert_eq!((pause(60, 899), pause(60, 900)), (Some(15), None));
}

#[test]
fn progress_is_asked_for_every_five_minutes_in_the_first_hour_and_hourly_then() {
    let pause =
        |since_s| TimerKind::PollProgress.poll_pause(3, Duration::from_secs(since_s)).unwrap().as_secs();
    assert_eq!((pause(0), pause(3_599), pause(3_600)), (300, 300, 3_600));
    assert_eq!(TimerKind::Deadline.poll_pause(0, Duration::ZERO), None);
}

#[test]
fn a_slow_preparation_needs_a_person_but_not_a_moment_too_early() {
    let late = AT.after(Duration::from_secs(900));
    let early = Timestamp(late.0 - 1);
    given(at_stage(Stage::Preparing)).when(fire(TimerKind::PreparationDeadline, early)).then_nothing();
    given(at_stage(Stage::Preparing))
        .when(fire(TimerKind::PreparationDeadline, late))
        .then([Event::AttentionNeeded { attention: Attention::PreparationSlow, at: late }]);
}

#[test]
fn a_timer_that_was_overtaken_fires_into_nothing() {
    given(at_stage(Stage::InReview)).when(fire(TimerKind::PreparationDeadline, AT.after(DAY))).then_nothing();
    given(at_stage(Stage::Completed)).when(fire(TimerKind::Deadline, AT.after(60 * DAY))).then_nothing();
}

#[test]
fn the_deadline_voids_and_the_void_ends_as_expired() {
    let late = AT.after(30 * DAY);
    let envelope = given(at_stage(Stage::Sent))
        .when(fire(TimerKind::Deadline, late))
        .then([Event::VoidRequested { reason: VoidReason::Deadline, at: late }]);
    assert_eq!(react(&void_requested(VoidReason::Deadline)), [Effect::Void { reason: VoidReason::Deadline }]);
    Given { envelope }.when(webhook(Claim::Voided)).then([Event::Expired { at: AT }]);
}

#[test]
fn a_refused_deadline_void_waits_before_it_is_tried_again() {
    let late = AT.after(31 * DAY);
    let mut history = at_stage(Stage::Sent);
    history.extend([void_requested(VoidReason::Deadline), Event::VoidRefused { at: late }]);
    given(history.clone()).when(fire(TimerKind::Deadline, late)).then_nothing();
    let deadline =
        timers(&given(history).envelope).into_iter().find(|timer| timer.kind == TimerKind::Deadline);
    assert_eq!(deadline.map(|timer| timer.due), Some(late.after(Duration::from_secs(3_600))));
}

#[test]
fn reminders_come_as_ordered_and_those_that_were_missed_are_one() {
    let reminder = |number, at| Event::ReminderRequested { number, at };
    let sent = || given(at_stage(Stage::Sent));
    let (second_day, fifth_day) = (AT.after(2 * DAY), AT.after(5 * DAY));
    sent().when(fire(TimerKind::Reminder, AT.after(DAY))).then_nothing();
    sent().when(fire(TimerKind::Reminder, second_day)).then([reminder(1, second_day)]);
    let all = sent().when(fire(TimerKind::Reminder, fifth_day)).then([reminder(2, fifth_day)]);
    Given { envelope: all }.when(fire(TimerKind::Reminder, fifth_day)).then_nothing();
}

#[test]
fn only_an_envelope_that_awaits_a_signature_can_be_reminded_of() {
    let remind = Command::RequestReminder { at: AT };
    given(at_stage(Stage::Viewed))
        .when(remind.clone())
        .then([Event::ReminderRequested { number: 1, at: AT }]);
    for stage in [Stage::InReview, Stage::AwaitingPayment, Stage::Completed] {
        let refused = Rejection::WrongStage { wish: "remind the signer of", stage };
        given(at_stage(stage)).when(remind.clone()).then_refused(refused);
    }
}

#[test]
fn a_reminder_that_began_is_not_made_again_unless_it_nudged_nobody() {
    let asked = Event::ReminderRequested { number: 1, at: AT };
    let start = Command::StartReminder { number: 1, at: AT };
    let asked_for = || given(at_stage(Stage::Viewed).into_iter().chain([asked.clone()]));
    assert_eq!(react(&asked), [Effect::Remind { number: 1 }]);
    assert!(still_needed(&asked_for().envelope, Effect::Remind { number: 1 }));

    let began = asked_for().when(start.clone()).then([Event::ReminderStarted { number: 1, at: AT }]);
    assert!(!still_needed(&began, Effect::Remind { number: 1 }));
    assert!(still_needed(&began, Effect::Remind { number: 2 }), "the next one is another one");
    let waited = asked_for().envelope;
    let waited = evolve(waited, &Event::ReminderRequested { number: 2, at: AT });
    assert!(!still_needed(&waited, Effect::Remind { number: 1 }), "both waited: one nudge is enough");
    Given { envelope: began.clone() }.when(start.clone()).then_nothing();

    let put_off = Command::PutOffReminder { number: 1, at: AT };
    let again =
        Given { envelope: began }.when(put_off.clone()).then([Event::ReminderNotMade { number: 1, at: AT }]);
    Given { envelope: again.clone() }.when(put_off).then_nothing();
    Given { envelope: again }.when(start).then([Event::ReminderStarted { number: 1, at: AT }]);
}

#[test]
fn a_poll_that_is_due_asks_for_a_get_once() {
    let due = AT.after(Duration::from_secs(600));
    let envelope = given(at_stage(Stage::InReview))
        .when(fire(TimerKind::PollReview, due))
        .then([Event::ConfirmationRequested { at: due }]);
    Given { envelope }.when(fire(TimerKind::PollReview, due)).then_nothing();
}
