//! Whose turn it is to send while a connection's credits are used up.
//!
//! After the first 402 every send of the connection queues up in the order in which it was asked for (its
//! position in the log). Only the oldest may try, once per probe pause; when it gets through, the next one may
//! try at once, until the line is empty or the next 402 comes. The line is derived from the log: it is rebuilt
//! at start and fed by tailing, so several replicas keep the same one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::ids::ConnectionId;
use domain::time::Timestamp;
use event_log::Position;
use parking_lot::Mutex;

/// Whether a send may be tried now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Try it.
    Go,
    /// Ask again after this pause.
    Wait(Duration),
}

/// The waiting lines of all connections.
#[derive(Debug)]
pub struct Holds {
    lines: Mutex<BTreeMap<ConnectionId, Line>>,
    /// Sends that are dead letters: nobody will try them, so nobody may wait for them.
    given_up: Mutex<BTreeSet<Position>>,
    probe_pause: Duration,
    turn_pause: Duration,
}

#[derive(Debug, Default)]
struct Line {
    waiting: BTreeSet<Position>,
    probe_at: Timestamp,
}

impl Holds {
    /// No line yet. `probe_pause` is kept between two tries after a 402; nobody waits longer than `turn_pause`
    /// before asking again.
    pub fn new(probe_pause: Duration, turn_pause: Duration) -> Self {
        Self { lines: Mutex::default(), given_up: Mutex::default(), probe_pause, turn_pause }
    }

    /// Whether the send that was asked for at `position` may be tried. While there is a line, it joins it.
    pub fn turn(&self, connection: &ConnectionId, position: Position, now: Timestamp) -> Turn {
        self.given_up.lock().remove(&position);
        let mut lines = self.lines.lock();
        let Some(line) = lines.get_mut(connection) else { return Turn::Go };
        line.waiting.insert(position);
        if line.waiting.first() != Some(&position) {
            return Turn::Wait(self.turn_pause);
        }
        match line.probe_at.since(now) {
            Duration::ZERO => Turn::Go,
            wait => Turn::Wait(wait.min(self.turn_pause)),
        }
    }

    /// The provider refused the send of `position` for want of credits: the line is formed, or stands still.
    pub fn refused(&self, connection: &ConnectionId, position: Position, now: Timestamp) {
        let mut lines = self.lines.lock();
        let line = lines.entry(connection.clone()).or_default();
        line.waiting.insert(position);
        line.probe_at = now.after(self.probe_pause);
        drop(lines);
        self.report(connection);
    }

    /// The log says that the send of `position` is held: another replica met the 402, or we did before a restart.
    pub fn learnt(&self, connection: &ConnectionId, position: Position) {
        if self.given_up.lock().contains(&position) {
            return;
        }
        self.lines.lock().entry(connection.clone()).or_default().waiting.insert(position);
        self.report(connection);
    }

    /// The log says that the send of `position` is under way: while there is a line, it has its place in it.
    pub fn under_way(&self, connection: &ConnectionId, position: Position) {
        if self.given_up.lock().contains(&position) {
            return;
        }
        if let Some(line) = self.lines.lock().get_mut(connection) {
            line.waiting.insert(position);
        }
    }

    /// The send of `position` got through: the next in the line may try at once.
    pub fn passed(&self, connection: &ConnectionId, position: Position) {
        self.leave(connection, position, true);
    }

    /// The send of `position` is not needed any more; the probe pause stays.
    pub fn dropped(&self, connection: &ConnectionId, position: Position) {
        self.leave(connection, position, false);
    }

    /// The send of `position` is a dead letter: the line goes on without it until it is tried again.
    pub fn gave_up(&self, connection: &ConnectionId, position: Position) {
        self.expect_nothing_of(position);
        self.leave(connection, position, false);
    }

    /// The send of `position` was a dead letter already when we started.
    pub fn expect_nothing_of(&self, position: Position) {
        self.given_up.lock().insert(position);
    }

    fn leave(&self, connection: &ConnectionId, position: Position, open: bool) {
        let mut lines = self.lines.lock();
        let Some(line) = lines.get_mut(connection) else { return };
        line.waiting.remove(&position);
        if open {
            line.probe_at = Timestamp::default();
        }
        if line.waiting.is_empty() {
            lines.remove(connection);
        }
        drop(lines);
        self.report(connection);
    }

    /// How many sends of the connection wait.
    pub fn waiting(&self, connection: &ConnectionId) -> usize {
        self.lines.lock().get(connection).map_or(0, |line| line.waiting.len())
    }

    fn report(&self, connection: &ConnectionId) {
        let waiting = u32::try_from(self.waiting(connection)).unwrap_or(u32::MAX);
        metrics::gauge!("orchestrator_held_sends", "connection" => connection.to_string()).set(waiting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROBE: Duration = Duration::from_secs(900);
    const TURN: Duration = Duration::from_secs(5);

    fn holds() -> (Holds, ConnectionId) {
        (Holds::new(PROBE, TURN), "main".parse().unwrap())
    }

    #[test]
    fn without_a_refusal_everybody_goes() {
        let (holds, main) = holds();
        assert_eq!(holds.turn(&main, Position(7), Timestamp(0)), Turn::Go);
        assert_eq!(holds.waiting(&main), 0);
    }

    #[test]
    fn only_the_oldest_probes_and_only_after_the_pause() {
        let (holds, main) = holds();
        holds.refused(&main, Position(3), Timestamp(0));
        assert_eq!(holds.turn(&main, Position(9), Timestamp(0)), Turn::Wait(TURN));
        assert_eq!(holds.turn(&main, Position(3), Timestamp(898_000)), Turn::Wait(Duration::from_secs(2)));
        assert_eq!(holds.turn(&main, Position(3), Timestamp(900_000)), Turn::Go);
        assert_eq!(holds.turn(&main, Position(9), Timestamp(900_000)), Turn::Wait(TURN));
    }

    #[test]
    fn once_the_oldest_got_through_the_others_follow_in_order_and_at_once() {
        let (holds, main) = holds();
        holds.refused(&main, Position(3), Timestamp(0));
        for position in [9, 5] {
            holds.turn(&main, Position(position), Timestamp(0));
        }
        holds.passed(&main, Position(3));
        assert_eq!(holds.turn(&main, Position(9), Timestamp(1)), Turn::Wait(TURN));
        assert_eq!(holds.turn(&main, Position(5), Timestamp(1)), Turn::Go);
        holds.passed(&main, Position(5));
        assert_eq!(holds.turn(&main, Position(9), Timestamp(1)), Turn::Go);
        holds.passed(&main, Position(9));
        assert_eq!(holds.waiting(&main), 0);
    }

    #[test]
    fn a_send_that_is_not_needed_any_more_leaves_without_opening_the_line() {
        let (holds, main) = holds();
        holds.refused(&main, Position(3), Timestamp(0));
        holds.turn(&main, Position(5), Timestamp(0));
        holds.dropped(&main, Position(3));
        assert_eq!(holds.turn(&main, Position(5), Timestamp(1_000)), Turn::Wait(TURN));
    }

    #[test]
    fn a_send_that_has_not_asked_yet_keeps_its_place_before_later_ones() {
        let (holds, main) = holds();
        holds.under_way(&main, Position(5));
        assert_eq!(holds.waiting(&main), 0);
        holds.learnt(&main, Position(3));
        holds.under_way(&main, Position(5));
        holds.passed(&main, Position(3));
        assert_eq!(holds.turn(&main, Position(9), Timestamp(0)), Turn::Wait(TURN));
    }

    #[test]
    fn a_dead_letter_is_not_waited_for_until_it_is_tried_again() {
        let (holds, main) = holds();
        holds.refused(&main, Position(3), Timestamp(0));
        holds.turn(&main, Position(5), Timestamp(0));
        holds.gave_up(&main, Position(3));
        holds.learnt(&main, Position(3));
        assert_eq!(holds.turn(&main, Position(5), Timestamp(900_000)), Turn::Go);
        assert_eq!(holds.turn(&main, Position(3), Timestamp(900_000)), Turn::Go);
        assert_eq!(holds.turn(&main, Position(5), Timestamp(900_000)), Turn::Wait(TURN));
    }

    #[test]
    fn connections_do_not_wait_for_one_another() {
        let (holds, main) = holds();
        holds.refused(&main, Position(3), Timestamp(0));
        assert_eq!(holds.turn(&"other".parse().unwrap(), Position(9), Timestamp(0)), Turn::Go);
    }
}
