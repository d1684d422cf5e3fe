//! Limits of the door, each with its unit.

use std::time::Duration;

use domain::intake::BODY_BYTES_MAX;

/// What the door allows.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Largest body of any connection, in bytes; a connection's own limit may be smaller. Larger ones are answered 413.
    pub body_bytes_max: usize,
    /// Bodies held in memory at the same time, in bytes; what would be more is answered 429. Thousands of senders that
    /// each dribble a large body must not fill the memory.
    pub bodies_bytes_max: usize,
    /// Longest time a body may take to arrive; slower ones are answered 408.
    pub body_deadline: Duration,
    /// Longest wait for a verdict; then the delivery is parked. Below the senders' own deadlines
    /// (5 s at the most impatient one).
    pub verdict_deadline: Duration,
    /// Long-lived streams to verification.
    pub lanes: usize,
    /// Deliveries waiting for a verdict, per stream; more are parked.
    pub in_flight_max: usize,
    /// Deliveries parked at most, by all replicas and since before a restart; more are answered 503. A bound on
    /// the disk, not on memory: each replica counts the others' a moment later.
    pub parked_max: usize,
    /// Pause before a parked delivery is offered to verification again.
    pub handover_pause: Duration,
    /// Pause before verification is called again after a stream could not be opened.
    pub reconnect_pause: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            body_bytes_max: BODY_BYTES_MAX,
            bodies_bytes_max: 256 * 1024 * 1024,
            body_deadline: Duration::from_secs(10),
            verdict_deadline: Duration::from_secs(4),
            lanes: 4,
            in_flight_max: 1024,
            parked_max: 10_000,
            handover_pause: Duration::from_secs(1),
            reconnect_pause: Duration::from_millis(250),
        }
    }
}
