//! What is due when: a heap over the timers of all open envelopes. Pure; the clock is an argument.
//!
//! The agenda holds no truth: it is rebuilt by reading the open envelopes, and each new commit of an envelope
//! puts its timers anew. A poll that was answered is put again after its next pause; any other timer that fired
//! without changing its envelope is put again later and later, so that a refused command does not spin.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::time::Duration;

use domain::envelope::{Envelope, TimerKind, timers};
use domain::ids::EnvelopeId;
use domain::retry::{Backoff, Retry};
use domain::time::Timestamp;

use crate::config::Tuning;
use crate::store::Subject;

/// Pauses after a poll without an answer, or a timer without effect.
const AGAIN: Backoff = Backoff {
    pause_min: Duration::from_secs(5),
    pause_max: Duration::from_secs(1800),
    attempts_max: u32::MAX,
};

/// A timer that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Of which envelope.
    pub subject: Subject,
    /// Which timer.
    pub kind: TimerKind,
    /// 1 for the first try, one more after each failure in a row.
    pub attempt: u32,
}

/// Every timer of every open envelope.
#[derive(Debug, Default)]
pub struct Agenda {
    heap: BinaryHeap<Reverse<(Timestamp, EnvelopeId, TimerKind)>>,
    envelopes: HashMap<EnvelopeId, (Subject, BTreeMap<TimerKind, Slot>)>,
}

#[derive(Clone, Debug)]
struct Slot {
    /// As the domain said: tells whether the timer is still the same one.
    first: Timestamp,
    next: Timestamp,
    polls_done: u32,
    failures: u32,
    running: bool,
}

impl Agenda {
    /// Puts an envelope's timers; those that are the same as before keep their pace. Says whether it has any.
    pub fn put(&mut self, subject: &Subject, envelope: &Envelope, tuning: &Tuning) -> bool {
        let (_, mut before) =
            self.envelopes.remove(&subject.id).unwrap_or_else(|| (subject.clone(), BTreeMap::new()));
        let mut slots = BTreeMap::new();
        for timer in timers(envelope) {
            let slot = match before.remove(&timer.kind) {
                Some(slot) if slot.first == timer.due => slot,
                _ => {
                    let next = first_due(envelope, timer.kind, timer.due, tuning);
                    self.heap.push(Reverse((next, subject.id, timer.kind)));
                    Slot { first: timer.due, next, polls_done: 0, failures: 0, running: false }
                }
            };
            slots.insert(timer.kind, slot);
        }
        let any = !slots.is_empty();
        if any {
            self.envelopes.insert(subject.id, (subject.clone(), slots));
        }
        any
    }

    /// When the next timer is due.
    pub fn next(&mut self) -> Option<Timestamp> {
        while let Some(Reverse((at, id, kind))) = self.heap.peek().copied() {
            if self.is_live(at, id, kind) {
                return Some(at);
            }
            self.heap.pop();
        }
        None
    }

    /// Takes one timer that is due; it rests until [`Agenda::done`] or [`Agenda::failed`] is told of it.
    pub fn take(&mut self, now: Timestamp) -> Option<Due> {
        let at = self.next()?;
        if at > now {
            return None;
        }
        let Reverse((_, id, kind)) = self.heap.pop()?;
        let (subject, slots) = self.envelopes.get_mut(&id)?;
        let slot = slots.get_mut(&kind)?;
        slot.running = true;
        Some(Due { subject: subject.clone(), kind, attempt: slot.failures.saturating_add(1) })
    }

    /// The timer did its work.
    pub fn done(&mut self, due: &Due, now: Timestamp, tuning: &Tuning) {
        self.again(due, |slot, kind| {
            slot.polls_done += 1;
            let lived = tuning.lived(now.since(slot.first));
            match kind.poll_pause(slot.polls_done, lived) {
                Some(pause) => {
                    slot.failures = 0;
                    now.after(tuning.scaled(pause))
                }
                None => {
                    slot.failures += 1;
                    now.after(AGAIN.pause(Retry::WithBackoff, slot.failures, 1.0).unwrap_or(AGAIN.pause_max))
                }
            }
        });
    }

    /// The timer could not do its work; it is put again after a pause that grows.
    pub fn failed(&mut self, due: &Due, now: Timestamp, jitter: f64) {
        self.again(due, |slot, _| {
            slot.failures += 1;
            now.after(AGAIN.pause(Retry::WithBackoff, slot.failures, jitter).unwrap_or(AGAIN.pause_max))
        });
    }

    /// How many timers are set.
    pub fn len(&self) -> usize {
        self.envelopes.values().map(|(_, slots)| slots.len()).sum()
    }

    fn again(&mut self, due: &Due, next: impl FnOnce(&mut Slot, TimerKind) -> Timestamp) {
        let Some((_, slots)) = self.envelopes.get_mut(&due.subject.id) else { return };
        let Some(slot) = slots.get_mut(&due.kind).filter(|slot| slot.running) else { return };
        slot.running = false;
        slot.next = next(slot, due.kind);
        self.heap.push(Reverse((slot.next, due.subject.id, due.kind)));
    }

    fn is_live(&self, at: Timestamp, id: EnvelopeId, kind: TimerKind) -> bool {
        let slot = self.envelopes.get(&id).and_then(|(_, slots)| slots.get(&kind));
        slot.is_some_and(|slot| !slot.running && slot.next == at)
    }
}

/// Polls follow the provider's pace, which a simulator may have sped up; everything else is our own time.
fn first_due(envelope: &Envelope, kind: TimerKind, due: Timestamp, tuning: &Tuning) -> Timestamp {
    match kind {
        TimerKind::PollPreparation | TimerKind::PollReview | TimerKind::PollProgress => {
            let since = envelope.stage_since;
            if due > since { since.after(tuning.scaled(due.since(since))) } else { due }
        }
        TimerKind::PreparationDeadline | TimerKind::Reminder | TimerKind::Deadline => due,
    }
}

#[cfg(test)]
mod tests {
    use domain::envelope::{Adoption, Stage};

    use super::*;

    fn subject(byte: u8) -> Subject {
        Subject { tenant: "acme".parse().unwrap(), id: EnvelopeId::from_bytes([byte; 16]) }
    }

    fn preparing() -> Envelope {
        let adoption = Adoption {
            provider: "main".parse().unwrap(),
            provider_id: "p-1".parse().unwrap(),
            flow: "flow".parse().unwrap(),
            record: None,
        };
        Envelope {
            stage: Stage::Preparing,
            stage_since: Timestamp(10_000),
            provider_id: Some(adoption.provider_id.clone()),
            adoption: Some(adoption),
            ..Envelope::default()
        }
    }

    fn agenda() -> (Agenda, Tuning) {
        let (mut agenda, tuning) = (Agenda::default(), Tuning::default());
        assert!(agenda.put(&subject(1), &preparing(), &tuning));
        (agenda, tuning)
    }

    #[test]
    fn a_poll_is_taken_once_and_comes_again_after_its_pause() {
        let (mut agenda, tuning) = agenda();
        let first = agenda.next().unwrap();
        assert_eq!(agenda.take(Timestamp(first.0 - 1)), None);
        let due = agenda.take(first).unwrap();
        assert_eq!(due.kind, TimerKind::PollPreparation);
        assert!(agenda.take(first).is_none_or(|other| other.kind != TimerKind::PollPreparation));
        agenda.done(&due, first, &tuning);
        assert!(agenda.next().unwrap() > first);
    }

    #[test]
    fn a_commit_that_leaves_the_stage_keeps_the_pace() {
        let (mut agenda, tuning) = agenda();
        let first = agenda.next().unwrap();
        let due = agenda.take(first).unwrap();
        agenda.done(&due, first, &tuning);
        let second = agenda.next();
        agenda.put(&subject(1), &preparing(), &tuning);
        assert_eq!(agenda.next(), second);
    }

    #[test]
    fn a_closed_envelope_leaves_the_agenda() {
        let (mut agenda, tuning) = agenda();
        let closed = Envelope { stage: Stage::Failed, confirmed: true, ..preparing() };
        assert!(!agenda.put(&subject(1), &closed, &tuning));
        assert_eq!((agenda.next(), agenda.len()), (None, 0));
    }

    #[test]
    fn a_failed_poll_waits_longer_each_time() {
        let (mut agenda, _) = agenda();
        let mut now = agenda.next().unwrap();
        let mut pauses = Vec::new();
        for _ in 0..3 {
            let due = agenda.take(now).unwrap();
            agenda.failed(&due, now, 1.0);
            let next = agenda.next().unwrap();
            pauses.push(next.since(now));
            now = next;
        }
        assert!(pauses.is_sorted() && pauses[0] < pauses[2], "{pauses:?}");
    }
}
