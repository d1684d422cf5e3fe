//! What one connection may send, and how much of what is not believed is kept.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::mistake::{Mistake, VALUE};
use super::span::Span;

/// Largest body any connection may send, in bytes.
const BODY_BYTES_MAX: usize = domain::intake::BODY_BYTES_MAX;
/// Most deliveries a second a limit may name.
const RATE_MAX: u32 = 100_000;
/// Least and most content a connection's quarantine may hold, in bytes.
const QUARANTINE_BYTES: std::ops::RangeInclusive<u64> = 1024 * 1024..=16 * 1024 * 1024 * 1024;
/// Shortest and longest a quarantined delivery may be kept.
const QUARANTINE_AGE: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(366 * 86_400);

/// What is taken of one connection's deliveries. Each ingress counts for itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Largest body in bytes, at most 1048576 (the default); larger ones are answered 413.
    #[serde(default = "body_bytes_max")]
    pub body_bytes_max: usize,
    /// Most deliveries a second in the long run; more are answered 429 with Retry-After. No limit if absent.
    #[serde(default)]
    pub deliveries_per_second: Option<u32>,
    /// Deliveries taken at once before that limit counts; ten seconds' worth if absent.
    #[serde(default)]
    pub burst: Option<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body_bytes_max: BODY_BYTES_MAX, deliveries_per_second: None, burst: None }
    }
}

/// How much of what is not believed is kept for an operator.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuarantineLimits {
    /// Most content kept, in bytes; 32 MiB if absent. When more comes the oldest is given up.
    #[serde(default = "quarantine_bytes_max")]
    pub bytes_max: u64,
    /// Longest a delivery is kept; 30 days if absent. Then it is given up.
    #[serde(default = "quarantine_age_max")]
    pub age_max: Span,
}

impl Default for QuarantineLimits {
    fn default() -> Self {
        Self { bytes_max: quarantine_bytes_max(), age_max: quarantine_age_max() }
    }
}

/// Where deliveries come in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Door {
    /// Proxies of our own in front of ingress. With 0 the sender is the TCP peer and `X-Forwarded-For` is not read;
    /// with n it is the n-th address from the right of that header, because what stands left of it anybody may write.
    #[serde(default)]
    pub trusted_proxies: u8,
}

const fn body_bytes_max() -> usize {
    BODY_BYTES_MAX
}

const fn quarantine_bytes_max() -> u64 {
    32 * 1024 * 1024
}

const fn quarantine_age_max() -> Span {
    Span(Duration::from_secs(30 * 86_400))
}

/// What is wrong with the limits of the connection at `path`.
pub(super) fn check(limits: &Limits, quarantine: &QuarantineLimits, path: &str, mistakes: &mut Vec<Mistake>) {
    let mut refuse = |key: &str, what: &str, mend: &str| {
        mistakes.push(Mistake::new(VALUE, format!("{path}.{key}"), what, mend));
    };
    if !(1..=BODY_BYTES_MAX).contains(&limits.body_bytes_max) {
        refuse("limits.body_bytes_max", "this is no size of a body", "write 1 to 1048576 bytes");
    }
    if limits.deliveries_per_second.is_some_and(|rate| !(1..=RATE_MAX).contains(&rate)) {
        refuse("limits.deliveries_per_second", "this is no rate", "write 1 to 100000, or leave it out");
    }
    if limits.burst.is_some() && limits.deliveries_per_second.is_none() {
        refuse("limits.burst", "a burst without a rate limits nothing", "add deliveries_per_second");
    }
    if limits.burst.is_some_and(|burst| !(1..=RATE_MAX).contains(&burst)) {
        refuse("limits.burst", "this is no burst", "write 1 to 100000, or leave it out");
    }
    if !QUARANTINE_BYTES.contains(&quarantine.bytes_max) {
        refuse(
            "quarantine.bytes_max",
            "this is no size of a quarantine",
            "write 1048576 (1 MiB) to 17179869184",
        );
    }
    if !QUARANTINE_AGE.contains(&quarantine.age_max.duration()) {
        refuse("quarantine.age_max", "this is no age", "write 1m to 366d");
    }
}
