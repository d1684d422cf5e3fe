//! How long somebody has kept open a document that is to be sent.
//!
//! The log says it: every refusal is written down as a hold, so it outlives the process and is told once.

use std::time::Duration;

use domain::envelope::{Event, HoldReason};
use domain::time::Timestamp;

use super::halt::Step;
use super::{Job, Worker};
use crate::alarms;

/// People are told when a lock has kept a send back for so long, in the provider's time: longer than people edit.
const TOLD_AFTER: Duration = Duration::from_secs(30 * 60);

impl Worker {
    /// Tells people, once for each send, when a lock has lasted for too long. Comes before this refusal is written down: whoever
    /// fails between the two tells it again.
    pub(super) async fn tell_of_lock(&self, job: &Job) -> Step {
        let events = self.store.events(&job.subject).await?;
        if falls_due(&events, self.now(), self.tuning.scaled(TOLD_AFTER)) {
            alarms::locked(&job.subject);
        }
        Ok(())
    }
}

/// Whether a lock that is met now has lasted for so long, and had not when it was met last.
fn falls_due(events: &[Event], now: Timestamp, told_after: Duration) -> bool {
    let other = |event: &Event| {
        matches!(event, Event::SendRequested { .. })
            || matches!(event, Event::SendHeld { reason, .. } if *reason != HoldReason::Locked)
    };
    let held = |event: &Event| if let Event::SendHeld { at, .. } = event { Some(*at) } else { None };
    let mut met = events.iter().rev().take_while(|event| !other(event)).filter_map(held);
    let Some(last) = met.next() else { return false };
    let first = met.last().unwrap_or(last);
    last.since(first) < told_after && now.since(first) >= told_after
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn held(reason: HoldReason, minute: i64) -> Event {
        Event::SendHeld { reason, at: Timestamp(minute * MINUTE) }
    }

    fn resumed(minute: i64) -> Event {
        Event::SendResumed { fields_version: None, at: Timestamp(minute * MINUTE) }
    }

    fn due(events: &[Event], minute: i64) -> bool {
        falls_due(events, Timestamp(minute * MINUTE), TOLD_AFTER)
    }

    #[test]
    fn a_lock_falls_due_at_the_first_refusal_after_half_an_hour_and_at_no_other() {
        assert!(!due(&[], 0), "met for the first time");
        let mut events =
            vec![held(HoldReason::Locked, 0), resumed(29), held(HoldReason::Locked, 29), resumed(31)];
        assert!(!due(&events[..2], 29));
        assert!(due(&events, 31));
        events.extend([held(HoldReason::Locked, 31), resumed(32)]);
        assert!(!due(&events, 32), "it was told");
    }

    #[test]
    fn what_held_it_for_another_reason_between_two_locks_ends_the_first() {
        let mut events = vec![held(HoldReason::Locked, 0), resumed(20), held(HoldReason::NotReady, 20)];
        assert!(!due(&events, 31));
        events.extend([resumed(21), held(HoldReason::Locked, 21), resumed(40)]);
        assert!(!due(&events, 50));
        assert!(due(&events, 51));
    }
}
