//! How one connection is called: bounds, pace, breaker.

use std::time::Duration;

use crate::breaker::Breaker;
use crate::limiter::Rate;

/// How one connection is called.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The connection's id: label of spans and metrics.
    pub name: String,
    /// Time for making a connection, TLS included.
    pub connect_timeout: Duration,
    /// No request has more time than this, whatever it asks for.
    pub deadline_max: Duration,
    /// Longest answer, in bytes.
    pub body_bytes_max: usize,
    /// Whether calls may go to loopback, private and link-local addresses (simulators, tests).
    pub allow_private_addresses: bool,
    /// Whether the vendor is told our trace id.
    pub propagate_trace: bool,
    /// Our own pace; none by default.
    pub rate: Option<Rate>,
    /// Operations with a pace of their own, in place of `rate`: some vendors count each kind of call by itself.
    pub operation_rates: Vec<(&'static str, Rate)>,
    /// When the connection is left alone.
    pub breaker: Breaker,
}

impl Settings {
    /// The usual settings: 5 s to connect, 5 min at most, 64 MiB, public addresses only, no pace.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            connect_timeout: Duration::from_secs(5),
            deadline_max: Duration::from_secs(300),
            body_bytes_max: 64 * 1024 * 1024,
            allow_private_addresses: false,
            propagate_trace: false,
            rate: None,
            operation_rates: Vec::new(),
            breaker: Breaker::default(),
        }
    }
}
