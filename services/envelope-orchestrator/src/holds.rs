//! Whose turn it is to send while credits are used up.
//!
//! After the first 402 every send of the connection, and of those that share its pool of credits, queues up in the order
//! in which it was asked for (its position in the log). Only the oldest may try, once per probe pause; when it gets through, the next one may
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

/// Tells the connections that draw on the same credits as the one asked about, itself among them.
pub type PoolOf = Box<dyn Fn(&ConnectionId) -> Vec<ConnectionId> + Send + Sync>;

/// The waiting lines of all connections.
pub struct Holds {
    lines: Mutex<Lines>,
    pool_of: PoolOf,
    /// Sends that are dead letters: nobody will try them, so nobody may wait for them.
    given_up: Mutex<BTreeSet<Position>>,
    probe_pause: Duration,
    turn_pause: Duration,
}

/// What a connection contributes to the line of its pool; never without anybody who waits. Which connections make up one
/// line is asked each time, because a reloaded configuration may say otherwise.
#[derive(Debug, Default)]
struct Line {
    waiting: BTreeSet<Position>,
    probe_at: Timestamp,
}

#[derive(Debug, Default)]
struct Lines(BTreeMap<ConnectionId, Line>);

impl Lines {
    fn of<'a>(&'a self, pool: &'a [ConnectionId]) -> impl Iterator<Item = &'a Line> {
        pool.iter().filter_map(|connection| self.0.get(connection))
    }

    fn join(&mut self, connection: &ConnectionId, position: Position) -> &mut Line {
        let line = self.0.entry(connection.clone()).or_default();
        line.waiting.insert(position);
        line
    }
}

impl Holds {
    /// No line yet. `probe_pause` is kept between two tries after a 402; nobody waits longer than `turn_pause`
    /// before asking again.
    pub fn new(probe_pause: Duration, turn_pause: Duration, pool_of: PoolOf) -> Self {
        Self { lines: Mutex::default(), pool_of, given_up: Mutex::default(), probe_pause, turn_pause }
    }

    /// Whether the send that was asked for at `position` may be tried. While there is a line, it joins it.
    pub fn turn(&self, connection: &ConnectionId, position: Position, now: Timestamp) -> Turn {
        self.given_up.lock().remove(&position);
        let pool = (self.pool_of)(connection);
        let mut lines = self.lines.lock();
        if lines.of(&pool).next().is_none() {
            return Turn::Go;
        }
        lines.join(connection, position);
        if lines.of(&pool).filter_map(|line| line.waiting.first()).min() != Some(&position) {
            return Turn::Wait(self.turn_pause);
        }
        let probe_at = lines.of(&pool).map(|line| line.probe_at).max().unwrap_or_default();
        match probe_at.since(now) {
            Duration::ZERO => Turn::Go,
            wait => Turn::Wait(wait.min(self.turn_pause)),
        }
    }

    /// The provider refused the send of `position` for want of credits: the line is formed, or stands still.
    pub fn refused(&self, connection: &ConnectionId, position: Position, now: Timestamp) {
        self.lines.lock().join(connection, position).probe_at = now.after(self.probe_pause);
        self.report(connection);
    }

    /// The log says that the send of `position` is held: another replica met the 402, or we did before a restart.
    pub fn learnt(&self, connection: &ConnectionId, position: Position) {
        if self.given_up.lock().contains(&position) {
            return;
        }
        self.lines.lock().join(connection, position);
        self.report(connection);
    }

    /// The log says that the send of `position` is under way: while there is a line, it has its place in it.
    pub fn under_way(&self, connection: &ConnectionId, position: Position) {
        if self.given_up.lock().contains(&position) {
            return;
        }
        let pool = (self.pool_of)(connection);
        let mut lines = self.lines.lock();
        if lines.of(&pool).next().is_some() {
            lines.join(connection, position);
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
        let pool = (self.pool_of)(connection);
        let mut lines = self.lines.lock();
        let mut left_behind = None;
        if let Some(line) = lines.0.get_mut(connection) {
            line.waiting.remove(&position);
            if line.waiting.is_empty() {
                left_behind = lines.0.remove(connection).map(|line| line.probe_at);
            }
        }
        for other in &pool {
            let Some(line) = lines.0.get_mut(other) else { continue };
            // the pause is the pool's: it outlives the connection that met the refusal
            line.probe_at =
                if open { Timestamp::default() } else { line.probe_at.max(left_behind.unwrap_or_default()) };
        }
        drop(lines);
        self.report(connection);
    }

    /// How many sends of the connection wait.
    pub fn waiting(&self, connection: &ConnectionId) -> usize {
        self.lines.lock().0.get(connection).map_or(0, |line| line.waiting.len())
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
        (Holds::new(PROBE, TURN, Box::new(|id| vec![id.clone()])), "main".parse().unwrap())
    }

    /// Two connections on one pool.
    fn shared() -> (Holds, ConnectionId, ConnectionId) {
        let both: [ConnectionId; 2] = ["branch", "main"].map(|id| id.parse().unwrap());
        let [branch, main] = both.clone();
        (Holds::new(PROBE, TURN, Box::new(move |_| both.to_vec())), main, branch)
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

    #[test]
    fn connections_that_share_a_pool_stand_in_one_line() {
        let (holds, main, branch) = shared();
        holds.refused(&main, Position(5), Timestamp(0));
        holds.under_way(&branch, Position(3));
        assert_eq!(holds.turn(&branch, Position(9), Timestamp(900_000)), Turn::Wait(TURN));
        assert_eq!(
            holds.turn(&main, Position(5), Timestamp(900_000)),
            Turn::Wait(TURN),
            "an older one first"
        );
        assert_eq!(holds.turn(&branch, Position(3), Timestamp(899_000)), Turn::Wait(Duration::from_secs(1)));
        assert_eq!(holds.turn(&branch, Position(3), Timestamp(900_000)), Turn::Go);
        holds.passed(&branch, Position(3));
        assert_eq!(holds.turn(&main, Position(5), Timestamp(1)), Turn::Go, "the top-up is everybody's");
        assert_eq!((holds.waiting(&main), holds.waiting(&branch)), (1, 1));
    }

    #[test]
    fn the_pause_of_a_pool_outlives_the_connection_that_met_the_refusal() {
        let (holds, main, branch) = shared();
        holds.refused(&main, Position(3), Timestamp(0));
        holds.turn(&branch, Position(5), Timestamp(0));
        holds.dropped(&main, Position(3));
        assert_eq!(holds.turn(&branch, Position(5), Timestamp(1_000)), Turn::Wait(TURN));
        assert_eq!(holds.turn(&branch, Position(5), Timestamp(900_000)), Turn::Go);
    }
}
