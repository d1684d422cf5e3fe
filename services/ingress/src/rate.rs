//! How often a connection may send: a token bucket each, where the configuration names a rate.

use std::collections::HashMap;
use std::time::Duration;

use domain::ids::ConnectionId;
use domain::time::Timestamp;
use parking_lot::Mutex;
use runtime::config::Limits;

/// Seconds of the rate that may come at once, where no burst is named.
const BURST_SECONDS: f64 = 10.0;

/// The buckets. Connections come from the configuration, so their number is bounded.
#[derive(Default)]
pub struct Rates {
    buckets: Mutex<HashMap<ConnectionId, Bucket>>,
}

struct Bucket {
    tokens: f64,
    filled_at: Timestamp,
}

impl Rates {
    /// Takes a token, or says when there is one again.
    ///
    /// # Errors
    /// The pause after which to come again.
    pub fn admit(&self, connection: &ConnectionId, limits: &Limits, now: Timestamp) -> Result<(), Duration> {
        let Some(rate) = limits.deliveries_per_second.map(f64::from) else { return Ok(()) };
        let burst = limits.burst.map_or(rate * BURST_SECONDS, f64::from);
        let mut buckets = self.buckets.lock();
        if !buckets.contains_key(connection) {
            buckets.insert(connection.clone(), Bucket { tokens: burst, filled_at: now });
        }
        let bucket = buckets.get_mut(connection).expect("invariant: it was just put there");
        let seconds = now.since(bucket.filled_at).as_secs_f64();
        bucket.tokens = (bucket.tokens + seconds * rate).min(burst);
        bucket.filled_at = now;
        if bucket.tokens < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.tokens) / rate));
        }
        bucket.tokens -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { body_bytes_max: 1024, deliveries_per_second: Some(2), burst: Some(3) };

    fn admitted(rates: &Rates, limits: &Limits, times: usize, at: i64) -> Vec<Result<(), Duration>> {
        let connection = "main".parse().unwrap();
        (0..times).map(|_| rates.admit(&connection, limits, Timestamp(at))).collect()
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_counts() {
        let rates = Rates::default();
        let pause = Err(Duration::from_millis(500));
        assert_eq!(admitted(&rates, &LIMITS, 4, 0), [Ok(()), Ok(()), Ok(()), pause]);
        assert_eq!(admitted(&rates, &LIMITS, 2, 500), [Ok(()), pause]);
        assert_eq!(admitted(&rates, &LIMITS, 4, 60_000), [Ok(()), Ok(()), Ok(()), pause]);
    }

    #[test]
    fn without_a_rate_everything_passes() {
        let limits = Limits { deliveries_per_second: None, burst: None, ..LIMITS };
        assert!(admitted(&Rates::default(), &limits, 10_000, 0).iter().all(Result::is_ok));
    }

    #[test]
    fn without_a_burst_ten_seconds_of_the_rate_may_come_at_once() {
        let limits = Limits { burst: None, ..LIMITS };
        let admitted = admitted(&Rates::default(), &limits, 100, 0);
        assert_eq!(admitted.iter().filter(|admitted| admitted.is_ok()).count(), 20);
    }
}
