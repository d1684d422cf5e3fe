//! When to look at an envelope again. Derived from its state, so a restart re-arms them by reading.

use super::state::Envelope;
use crate::time::Timestamp;

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

/// Every timer that runs while the envelope stays as it is.
pub fn timers(envelope: &Envelope) -> Vec<Timer> {
    let _ = envelope;
    Vec::new()
}
