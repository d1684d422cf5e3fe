//! Work that comes round by itself: when it is due, and how it stands. Who runs it is decided elsewhere.

use std::time::Duration;

use crate::ids::ConnectionId;
use crate::retry::{Backoff, Retry};
use crate::time::Timestamp;

/// Longest [`JobRun::note`], in bytes.
pub const NOTE_BYTES_MAX: usize = 300;

/// Share of the interval by which a run may come early, so that jobs of many connections drift apart.
const EARLY_MAX: f64 = 0.1;

/// Pause before a run that failed is tried again; it doubles, but never exceeds the job's own interval.
const AGAIN_MIN: Duration = Duration::from_secs(5);

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobOutcome {
    /// All of it is done.
    Done,
    /// As much as one run may do is done; the next one goes on at once.
    Unfinished,
    /// It met an error and is tried again.
    Failed,
    /// It took longer than a run may.
    TimedOut,
}

impl JobOutcome {
    /// The stable name, as it stands in numbers and on the terminal.
    pub const fn name(self) -> &'static str {
        match self {
            JobOutcome::Done => "done",
            JobOutcome::Unfinished => "unfinished",
            JobOutcome::Failed => "failed",
            JobOutcome::TimedOut => "timed_out",
        }
    }

    /// Whether the run did what it was to do.
    pub const fn is_well(self) -> bool {
        match self {
            JobOutcome::Done | JobOutcome::Unfinished => true,
            JobOutcome::Failed | JobOutcome::TimedOut => false,
        }
    }
}

/// A run that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRun {
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// How.
    pub outcome: JobOutcome,
    /// How many things it looked at.
    pub looked: u64,
    /// How many of them nobody had told us, and are mended now.
    pub found: u64,
    /// Whether a person should look.
    pub attention: bool,
    /// What there is to say, at most [`NOTE_BYTES_MAX`]; no personal data.
    pub note: String,
}

/// How a job stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobStanding {
    /// Its name, for example `open-envelopes`.
    pub name: String,
    /// The connection it works for.
    pub connection: ConnectionId,
    /// It comes round after this time at the latest.
    pub every: Duration,
    /// When it comes round next; `None` until it was planned.
    pub next_run: Option<Timestamp>,
    /// Whether a run is under way.
    pub running: bool,
    /// Its last run.
    pub last: Option<JobRun>,
    /// When a run last ended well.
    pub succeeded_at: Option<Timestamp>,
    /// Runs in a row that did not end well.
    pub failures: u32,
}

/// When the job comes round after a run that ended at `now`. `failures` counts this run if it was one; `jitter` in
/// 0.0..=1.0 spreads jobs apart.
pub fn next_run(
    now: Timestamp,
    every: Duration,
    outcome: JobOutcome,
    failures: u32,
    jitter: f64,
) -> Timestamp {
    match outcome {
        JobOutcome::Done => now.after(every.mul_f64(1.0 - EARLY_MAX * jitter.clamp(0.0, 1.0))),
        JobOutcome::Unfinished => now,
        JobOutcome::Failed | JobOutcome::TimedOut => {
            let again = Backoff { pause_min: AGAIN_MIN.min(every), pause_max: every, attempts_max: u32::MAX };
            now.after(again.pause(Retry::WithBackoff, failures.max(1), jitter).unwrap_or(every))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp(1_767_225_600_000);

    #[test]
    fn a_run_that_reached_its_bound_goes_on_at_once() {
        assert_eq!(next_run(NOW, Duration::from_secs(300), JobOutcome::Unfinished, 0, 0.7), NOW);
    }

    proptest! {
        #[test]
        fn a_job_never_comes_round_later_than_its_interval(
            every in 1u64..1_000_000, failures in 0u32..50, jitter in 0.0f64..=1.0,
        ) {
            let every = Duration::from_millis(every);
            for outcome in [JobOutcome::Done, JobOutcome::Failed, JobOutcome::TimedOut] {
                let next = next_run(NOW, every, outcome, failures, jitter);
                prop_assert!(next.since(NOW) <= every, "{outcome:?}");
            }
        }

        #[test]
        fn failures_in_a_row_are_tried_less_and_less_often(failures in 1u32..8) {
            let every = Duration::from_secs(3_600);
            let pause = |failures| next_run(NOW, every, JobOutcome::Failed, failures, 1.0).since(NOW);
            prop_assert!(pause(failures) < pause(failures + 1));
        }
    }
}
