//! Whether trying again can help, and when. Arithmetic only: nobody sleeps here.

use std::time::Duration;

/// Whether trying again can help. Said by the adapter, who knows the vendor's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The same call will fail the same way.
    Never,
    /// It may pass; wait longer each time.
    WithBackoff,
    /// The vendor said how long to wait.
    After(Duration),
}

/// How the pauses between attempts grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Pause after the first failed attempt; doubles each time.
    pub pause_min: Duration,
    /// No pause is longer, whatever the doubling or the vendor says.
    pub pause_max: Duration,
    /// Attempts in all; after the last one failed, give up.
    pub attempts_max: u32,
}

impl Backoff {
    /// The pause after failed attempt number `attempt` (the first is 1), or `None` to give up.
    ///
    /// `jitter` in 0.0..=1.0 spreads callers apart: the pause is between one half and the whole of its
    /// nominal value. It comes from outside, so the arithmetic stays pure.
    pub fn pause(&self, retry: Retry, attempt: u32, jitter: f64) -> Option<Duration> {
        if attempt >= self.attempts_max {
            return None;
        }
        match retry {
            Retry::Never => None,
            Retry::After(pause) => Some(pause.min(self.pause_max)),
            Retry::WithBackoff => {
                let doublings = attempt.saturating_sub(1).min(30);
                let nominal = self.pause_min.saturating_mul(1 << doublings).min(self.pause_max);
                Some(nominal.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BACKOFF: Backoff =
        Backoff { pause_min: Duration::from_secs(2), pause_max: Duration::from_secs(900), attempts_max: 12 };

    #[test]
    fn a_refusal_is_never_tried_again() {
        assert_eq!(BACKOFF.pause(Retry::Never, 1, 1.0), None);
    }

    #[test]
    fn the_vendors_own_pause_is_kept() {
        let pause = Duration::from_secs(30);
        assert_eq!(BACKOFF.pause(Retry::After(pause), 3, 0.0), Some(pause));
    }

    proptest! {
        #[test]
        fn a_pause_is_bounded_and_the_attempts_end(attempt in 1u32..100, jitter in 0.0f64..=1.0) {
            match BACKOFF.pause(Retry::WithBackoff, attempt, jitter) {
                Some(pause) => {
                    prop_assert!(pause >= Duration::from_secs(1) && pause <= BACKOFF.pause_max);
                    prop_assert!(attempt < BACKOFF.attempts_max);
                }
                None => prop_assert!(attempt >= BACKOFF.attempts_max),
            }
        }
    }
}
