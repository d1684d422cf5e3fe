//! When to look at an envelope again. Derived from its state, so a restart re-arms them by reading.

use std::time::Duration;

use super::react::can_be_reminded;
use super::stage::Stage;
use super::state::Envelope;
use crate::time::Timestamp;

/// A preparation that takes longer needs a person.
const PREPARATION_MAX: Duration = Duration::from_secs(15 * 60);
/// Pauses of the first polls for preparation, in seconds; then [`PREPARATION_PAUSE_S`].
const PREPARATION_PAUSES_S: [u64; 4] = [1, 2, 4, 8];
const PREPARATION_PAUSE_S: u64 = 15;
const REVIEW_PAUSE: Duration = Duration::from_secs(10 * 60);
const PROGRESS_PAUSE_EARLY: Duration = Duration::from_secs(5 * 60);
const PROGRESS_PAUSE: Duration = Duration::from_secs(60 * 60);
/// How long the deadline waits after the provider refused to void.
const VOID_PAUSE: Duration = Duration::from_secs(60 * 60);

/// A point in time at which something is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timer {
    /// What is due.
    pub kind: TimerKind,
    /// When. For polls: of the first one; the pauses that follow are [`TimerKind::poll_pause`].
    pub due: Timestamp,
}

/// What is due (lifecycle.md §5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimerKind {
    /// Ask for the state of preparation: 1, 2, 4, 8 s, then every 15 s.
    PollPreparation,
    /// Preparation took 15 minutes: a person must look.
    PreparationDeadline,
    /// Ask whether a person sent the draft: every 10 minutes.
    PollReview,
    /// Ask how signing goes: every 5 minutes in the first hour, then hourly.
    PollProgress,
    /// The next reminder is due.
    Reminder,
    /// Our own deadline passed: void.
    Deadline,
}

impl TimerKind {
    /// How long to wait for the next poll after `polls_done` of them, `since` the stage was entered; with 0 the
    /// pause before the first. `None` when there is no next one: preparation has its deadline then, and what is
    /// not a poll is due only once.
    pub fn poll_pause(self, polls_done: u32, since: Duration) -> Option<Duration> {
        match self {
            TimerKind::PollPreparation if since < PREPARATION_MAX => {
                let early = usize::try_from(polls_done).ok().and_then(|done| PREPARATION_PAUSES_S.get(done));
                Some(Duration::from_secs(*early.unwrap_or(&PREPARATION_PAUSE_S)))
            }
            TimerKind::PollReview => Some(REVIEW_PAUSE),
            TimerKind::PollProgress if since < PROGRESS_PAUSE => Some(PROGRESS_PAUSE_EARLY),
            TimerKind::PollProgress => Some(PROGRESS_PAUSE),
            TimerKind::PollPreparation
            | TimerKind::PreparationDeadline
            | TimerKind::Reminder
            | TimerKind::Deadline => None,
        }
    }
}

/// Every timer that runs while the envelope stays as it is: at most one of each kind. None once it is closed.
pub fn timers(envelope: &Envelope) -> Vec<Timer> {
    let mut timers = Vec::new();
    let since = envelope.stage_since;
    let mut arm = |kind, due| timers.push(Timer { kind, due });
    match envelope.stage {
        Stage::Preparing => {
            arm(TimerKind::PollPreparation, since.after(Duration::from_secs(PREPARATION_PAUSES_S[0])));
            arm(TimerKind::PreparationDeadline, since.after(PREPARATION_MAX));
        }
        Stage::InReview | Stage::NeedsAttention | Stage::AwaitingApproval | Stage::Sending => {
            arm(TimerKind::PollReview, since.after(REVIEW_PAUSE));
        }
        Stage::Sent | Stage::Viewed | Stage::PartiallySigned | Stage::AwaitingPayment => {
            arm(TimerKind::PollProgress, since.after(PROGRESS_PAUSE_EARLY));
            if let Some(due) = reminder(envelope) {
                arm(TimerKind::Reminder, due);
            }
            if let Some(due) = deadline(envelope) {
                arm(TimerKind::Deadline, due);
            }
        }
        Stage::Absent
        | Stage::Requested
        | Stage::Creating
        | Stage::Completed
        | Stage::Declined
        | Stage::Voided
        | Stage::Expired
        | Stage::Failed
        | Stage::Deleted => {}
    }
    timers
}

/// Whether this timer runs and its time has come; a timer that was overtaken fires into nothing.
pub(super) fn is_due(envelope: &Envelope, kind: TimerKind, at: Timestamp) -> bool {
    timers(envelope).iter().any(|timer| timer.kind == kind && timer.due <= at)
}

fn reminder(envelope: &Envelope) -> Option<Timestamp> {
    if !can_be_reminded(envelope) {
        return None;
    }
    let next = usize::try_from(envelope.reminders_sent).ok()?;
    let pause = envelope.order.as_ref()?.remind_after.get(next)?;
    Some(envelope.sent_at?.after(*pause))
}

/// How many of the ordered reminders lie behind us, at least the next one.
pub(super) fn reminders_due(envelope: &Envelope, at: Timestamp) -> u32 {
    let planned = envelope.order.as_ref().map_or(&[][..], |order| &order.remind_after);
    let behind =
        planned.iter().filter(|pause| envelope.sent_at.is_some_and(|sent| sent.after(**pause) <= at));
    let behind = u32::try_from(behind.count()).unwrap_or(u32::MAX);
    behind.max(envelope.reminders_sent.saturating_add(1))
}

fn deadline(envelope: &Envelope) -> Option<Timestamp> {
    if envelope.void_requested.is_some() {
        return None;
    }
    let due = envelope.sent_at?.after(envelope.order.as_ref()?.expires_after?);
    Some(envelope.void_refused_at.map_or(due, |refused| due.max(refused.after(VOID_PAUSE))))
}
