//! A circuit breaker: after many failures in a row, leave the vendor alone, then probe with one call.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// When calls are held back, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// Failures in a row that open the circuit: connection errors, lost answers, 5xx.
    pub failures_to_open: u32,
    /// Pause before the first probe; doubles with each failed probe.
    pub pause_min: Duration,
    /// Longest pause between probes.
    pub pause_max: Duration,
}

impl Default for Breaker {
    /// 10 failures, 30 seconds, 10 minutes (crm.md §6.7).
    fn default() -> Self {
        Self { failures_to_open: 10, pause_min: Duration::from_secs(30), pause_max: Duration::from_secs(600) }
    }
}

#[derive(Clone, Copy)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant, pause: Duration },
    Probing { pause: Duration },
}

/// The breaker of one connection.
pub(crate) struct Circuit {
    settings: Breaker,
    state: Mutex<State>,
}

/// Leave to make one call. Dropped without a verdict (the caller went away) it counts as nothing, except for a
/// probe, which must not be waited for for ever.
pub(crate) struct Permit {
    circuit: Arc<Circuit>,
    probe: bool,
    settled: bool,
}

impl Circuit {
    pub(crate) fn new(settings: Breaker) -> Self {
        Self { settings, state: Mutex::new(State::Closed { failures: 0 }) }
    }

    /// Leave to call, or how long there is none.
    pub(crate) fn enter(self: &Arc<Self>, now: Instant) -> Result<Permit, Duration> {
        let mut state = self.state.lock();
        let probe = match *state {
            State::Closed { .. } => false,
            State::Open { until, .. } if now < until => return Err(until - now),
            State::Open { pause, .. } => {
                *state = State::Probing { pause };
                true
            }
            State::Probing { pause } => return Err(pause),
        };
        Ok(Permit { circuit: Arc::clone(self), probe, settled: false })
    }

    fn settle(&self, probe: bool, healthy: bool, now: Instant) {
        let mut state = self.state.lock();
        *state = match *state {
            State::Closed { .. } if healthy => State::Closed { failures: 0 },
            State::Closed { failures } if failures + 1 >= self.settings.failures_to_open => {
                let pause = self.settings.pause_min;
                State::Open { until: now + pause, pause }
            }
            State::Closed { failures } => State::Closed { failures: failures + 1 },
            State::Probing { .. } if probe && healthy => State::Closed { failures: 0 },
            State::Probing { pause } if probe => {
                let pause = (pause * 2).min(self.settings.pause_max);
                State::Open { until: now + pause, pause }
            }
            // calls that started before the circuit opened have no say any more
            late @ (State::Probing { .. } | State::Open { .. }) => late,
        };
    }
}

impl Permit {
    /// Says how the call went.
    pub(crate) fn settle(mut self, healthy: bool, now: Instant) {
        self.settled = true;
        self.circuit.settle(self.probe, healthy, now);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.probe && !self.settled {
            let mut state = self.circuit.state.lock();
            if let State::Probing { pause } = *state {
                *state = State::Open { until: Instant::now(), pause };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circuit(now: Instant) -> Arc<Circuit> {
        let circuit = Arc::new(Circuit::new(Breaker::default()));
        for _ in 0..10 {
            circuit.enter(now).ok().unwrap().settle(false, now);
        }
        circuit
    }

    #[test]
    fn ten_failures_in_a_row_open_it_for_thirty_seconds() {
        let now = Instant::now();
        let circuit = circuit(now);
        assert_eq!(circuit.enter(now).err(), Some(Duration::from_secs(30)));
    }

    #[test]
    fn nine_failures_and_a_success_leave_it_closed() {
        let now = Instant::now();
        let circuit = Arc::new(Circuit::new(Breaker::default()));
        for healthy in [[false; 9].as_slice(), &[true], &[false; 9]].concat() {
            circuit.enter(now).ok().unwrap().settle(healthy, now);
        }
        assert!(circuit.enter(now).is_ok());
    }

    #[test]
    fn half_open_lets_exactly_one_probe_through_and_its_success_closes() {
        let now = Instant::now();
        let circuit = circuit(now);
        let later = now + Duration::from_secs(30);
        let probe = circuit.enter(later).ok().unwrap();
        assert!(circuit.enter(later).is_err());
        probe.settle(true, later);
        assert!(circuit.enter(later).is_ok());
    }

    #[test]
    fn each_failed_probe_doubles_the_pause_up_to_ten_minutes() {
        let mut now = Instant::now();
        let circuit = circuit(now);
        let mut pauses = Vec::new();
        for _ in 0..6 {
            let pause = circuit.enter(now).err().unwrap();
            pauses.push(pause.as_secs());
            now += pause;
            circuit.enter(now).ok().unwrap().settle(false, now);
        }
        assert_eq!(pauses, [30, 60, 120, 240, 480, 600]);
    }

    #[test]
    fn an_abandoned_probe_leaves_room_for_another() {
        let now = Instant::now();
        let circuit = circuit(now);
        let later = now + Duration::from_secs(31);
        drop(circuit.enter(later).ok());
        assert!(circuit.enter(later).is_ok());
    }
}
