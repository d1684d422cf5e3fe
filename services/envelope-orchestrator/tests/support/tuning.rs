//! How little the orchestrator of a test waits.

use std::time::Duration;

use envelope_orchestrator::Tuning;

/// Pauses as short as a test needs them; the clock is moved by hand.
pub fn tuning() -> Tuning {
    let mut tuning = Tuning { time_factor: 10.0, ..Tuning::default() };
    tuning.turn_pause = Duration::from_millis(30);
    tuning.sweep_grace = Duration::from_millis(20);
    tuning.early_arrival_pause = Duration::from_millis(30);
    tuning.lock_pause = Duration::from_millis(100);
    for backoff in [
        &mut tuning.write_backoff,
        &mut tuning.read_backoff,
        &mut tuning.throttled_backoff,
        &mut tuning.artifact_backoff,
    ] {
        backoff.pause_min = Duration::from_millis(20);
        backoff.pause_max = Duration::from_millis(200);
    }
    tuning
}
