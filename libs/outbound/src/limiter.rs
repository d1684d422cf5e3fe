//! Our own pace towards one connection, so that a vendor has no reason to slow us down.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// A vendor that refuses our pace halves it, down to this share of what is configured.
const SLOWNESS_MAX: u32 = 8;
/// After so long without a further refusal the pace doubles again.
const RECOVERS_AFTER: Duration = Duration::from_secs(60);

/// How fast calls may follow one another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Calls per second on average; more than zero.
    pub per_second: f64,
    /// Calls that may go at once after a quiet time; at least 1.
    pub burst: u32,
}

/// A leaky bucket that hands out starting times instead of tokens (GCRA): no task, no refill.
pub(crate) struct Limiter {
    rate: Option<Rate>,
    next: Mutex<Next>,
}

#[derive(Default)]
struct Next {
    /// When the bucket will be empty again.
    drained_at: Option<Instant>,
    /// Nobody goes before this.
    paused_until: Option<Instant>,
    /// How many times slower than configured, and since when.
    slow: Option<(u32, Instant)>,
}

impl Next {
    /// How many times slower than configured it goes now.
    fn slowness(&mut self, now: Instant) -> u32 {
        while let Some((slowness, since)) = self.slow {
            if now.saturating_duration_since(since) < RECOVERS_AFTER {
                return slowness;
            }
            self.slow = (slowness > 2).then_some((slowness / 2, since + RECOVERS_AFTER));
        }
        1
    }
}

impl Limiter {
    pub(crate) fn new(rate: Option<Rate>) -> Self {
        Self { rate, next: Mutex::default() }
    }

    /// Takes the next place and says how long to wait for it, or, if that is longer than `wait_max`, takes none and
    /// says how long it would have been.
    pub(crate) fn take(&self, now: Instant, wait_max: Duration) -> Result<Duration, Duration> {
        let mut next = self.next.lock();
        let paused = next.paused_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        let Some(rate) = self.rate else {
            return if paused > wait_max { Err(paused) } else { Ok(paused) };
        };

        let spacing = Duration::from_secs_f64(1.0 / rate.per_second.max(1e-3)) * next.slowness(now);
        let tolerance = spacing * rate.burst.saturating_sub(1);
        let drained_at = next.drained_at.map_or(now, |at| at.max(now));
        let wait = drained_at.saturating_duration_since(now).saturating_sub(tolerance).max(paused);
        if wait > wait_max {
            return Err(wait);
        }
        next.drained_at = Some(drained_at + spacing);
        Ok(wait)
    }

    /// Lets nobody start for a while; the longer of two pauses counts.
    pub(crate) fn pause(&self, now: Instant, pause: Duration) {
        let mut next = self.next.lock();
        let until = now + pause;
        next.paused_until = Some(next.paused_until.map_or(until, |known| known.max(until)));
    }

    /// Halves the pace until the vendor has been content for a while.
    pub(crate) fn slow_down(&self, now: Instant) {
        let mut next = self.next.lock();
        let slowness = next.slowness(now).saturating_mul(2).min(SLOWNESS_MAX);
        next.slow = Some((slowness, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn after_the_burst_calls_are_spaced_evenly() {
        let limiter = Limiter::new(Some(Rate { per_second: 10.0, burst: 2 }));
        let now = Instant::now();
        let waits: Vec<_> = (0..4).map(|_| limiter.take(now, MINUTE).unwrap().as_millis()).collect();
        assert_eq!(waits, [0, 0, 100, 200]);
    }

    #[test]
    fn a_place_beyond_the_deadline_is_not_taken() {
        let limiter = Limiter::new(Some(Rate { per_second: 1.0, burst: 1 }));
        let now = Instant::now();
        assert_eq!(limiter.take(now, MINUTE), Ok(Duration::ZERO));
        for _ in 0..3 {
            assert_eq!(limiter.take(now, Duration::from_millis(500)), Err(Duration::from_secs(1)));
        }
    }

    #[test]
    fn a_pause_holds_everybody_back_even_without_a_rate() {
        let limiter = Limiter::new(None);
        let now = Instant::now();
        limiter.pause(now, Duration::from_secs(10));
        limiter.pause(now, Duration::from_secs(2));
        assert_eq!(limiter.take(now, Duration::from_secs(1)), Err(Duration::from_secs(10)));
        assert_eq!(limiter.take(now + Duration::from_secs(10), Duration::from_secs(1)), Ok(Duration::ZERO));
    }

    #[test]
    fn a_refused_pace_is_halved_and_comes_back_when_the_vendor_is_content() {
        let limiter = Limiter::new(Some(Rate { per_second: 10.0, burst: 1 }));
        let now = Instant::now();
        let spacing = |at: Instant| {
            limiter.take(at, MINUTE).unwrap();
            limiter.take(at, MINUTE).unwrap().as_millis()
        };
        limiter.slow_down(now);
        assert_eq!(spacing(now), 200);
        for _ in 0..9 {
            limiter.slow_down(now);
        }
        assert_eq!(spacing(now + Duration::from_secs(30)), 800);
        assert_eq!(spacing(now + RECOVERS_AFTER * 2), 200);
        assert_eq!(spacing(now + RECOVERS_AFTER * 9), 100);
    }
}
