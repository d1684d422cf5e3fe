//! Every number of the orchestrator, with its unit. The process fills it once and passes it down.

use std::time::Duration;

use domain::retry::Backoff;

/// How the orchestrator waits, retries and bounds its work.
#[derive(Clone, Debug)]
pub struct Tuning {
    /// How many times faster than life the provider is: 1 in production, more against a sped-up simulator.
    /// Shortens the pauses that we choose ourselves: between polls, and after a refusal that may pass. At least 0.01.
    pub time_factor: f64,
    /// Pause between two probes of a connection whose credits are used up (402).
    pub probe_pause: Duration,
    /// Longest time an effect that waits its turn sleeps before it looks again; also how long a command on a
    /// waiting envelope may take to be noticed.
    pub turn_pause: Duration,
    /// How long a signal for an envelope nobody knows waits for it, before the provider is asked.
    pub early_arrival_window: Duration,
    /// Pause before the waiting signals are looked at again.
    pub early_arrival_pause: Duration,
    /// Pause before a provider that did not answer is asked again about a signal that has waited long enough.
    pub early_lookup_pause: Duration,
    /// Signals that may wait for their envelope at once; more stay with the follower.
    pub early_arrivals_max: usize,
    /// How long a lookup waits for the projection to reach the end of the log.
    pub lookup_wait: Duration,
    /// Pauses between attempts of calls that change something at the provider.
    pub write_backoff: Backoff,
    /// No write is attempted longer than this after it was asked for: providers forget idempotency
    /// keys then.
    pub write_budget: Duration,
    /// Pauses between attempts of reads.
    pub read_backoff: Backoff,
    /// Pauses between attempts of a call that the provider finds too fast (429), where it does not say how long to wait.
    pub throttled_backoff: Backoff,
    /// Shortest pause before a send is tried again whose document somebody keeps open, in the provider's time.
    pub lock_pause: Duration,
    /// Pauses between attempts to fetch the signed document.
    pub artifact_backoff: Backoff,
    /// The signed document is given up this long after completion.
    pub artifact_budget: Duration,
    /// Effects that run at once.
    pub effects_concurrency: usize,
    /// Signed documents that are fetched at once; each is held in memory, at most 64 MiB.
    pub documents_concurrency: usize,
    /// Signals that are applied at once.
    pub signals_concurrency: usize,
    /// Polls and timers that run at once.
    pub timers_concurrency: usize,
    /// How often the timer loop looks at the clock.
    pub timer_tick: Duration,
    /// Pause between two heartbeats of a watch.
    pub heartbeat: Duration,
    /// Every open envelope is asked for at least this often, in the provider's time; shorter than the time after which
    /// any provider drops a webhook, so that no outage is longer than a sweep.
    pub open_sweep_every: Duration,
    /// What changed at a provider that lists changes is asked for this often, in the provider's time.
    pub changed_sweep_every: Duration,
    /// How far a list of changes looks back before the newest change it has seen, in the provider's time.
    pub changed_overlap: Duration,
    /// How far the first list of changes of a connection looks back.
    pub changed_first_window: Duration,
    /// Envelopes that a sweep asks for at once.
    pub sweep_concurrency: usize,
    /// How long a sweep waits for the webhook of what it saw to differ, before it calls it found.
    pub sweep_grace: Duration,
    /// A sweep ends after this time and goes on in its next run.
    pub sweep_run_max: Duration,
    /// How jobs are looked after.
    pub jobs: jobs::Settings,
}

impl Default for Tuning {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self {
            time_factor: 1.0,
            probe_pause: 15 * minute,
            turn_pause: Duration::from_secs(5),
            early_arrival_window: 15 * minute,
            early_arrival_pause: Duration::from_secs(1),
            early_lookup_pause: minute,
            early_arrivals_max: 10_000,
            lookup_wait: Duration::from_secs(2),
            write_backoff: Backoff {
                pause_min: Duration::from_secs(1),
                pause_max: 5 * minute,
                attempts_max: u32::MAX,
            },
            write_budget: 24 * 60 * minute,
            read_backoff: Backoff {
                pause_min: Duration::from_secs(1),
                pause_max: minute,
                attempts_max: u32::MAX,
            },
            throttled_backoff: Backoff {
                pause_min: Duration::from_secs(2),
                pause_max: 5 * minute,
                attempts_max: u32::MAX,
            },
            lock_pause: minute / 2,
            artifact_backoff: Backoff {
                pause_min: Duration::from_secs(2),
                pause_max: 5 * minute,
                attempts_max: u32::MAX,
            },
            artifact_budget: 7 * 24 * 60 * minute,
            effects_concurrency: 64,
            documents_concurrency: 4,
            signals_concurrency: 128,
            timers_concurrency: 32,
            timer_tick: Duration::from_millis(50),
            heartbeat: Duration::from_secs(15),
            open_sweep_every: 60 * minute,
            changed_sweep_every: 5 * minute,
            changed_overlap: 10 * minute,
            changed_first_window: 24 * 60 * minute,
            sweep_concurrency: 4,
            sweep_grace: Duration::from_secs(5),
            sweep_run_max: 10 * minute,
            jobs: jobs::Settings::default(),
        }
    }
}

impl Tuning {
    /// A pause of the provider's life in our time: divided by [`Tuning::time_factor`], at least 100 ms.
    pub fn scaled(&self, pause: Duration) -> Duration {
        pause.div_f64(self.time_factor.max(0.01)).max(Duration::from_millis(100))
    }

    /// How much of the provider's life passed in `elapsed` of ours.
    pub fn lived(&self, elapsed: Duration) -> Duration {
        elapsed.mul_f64(self.time_factor.max(0.01))
    }
}

#[cfg(test)]
mod tests {
    use domain::retry::Retry;

    use super::*;

    #[test]
    fn a_sped_up_provider_is_polled_more_often_but_never_in_a_busy_loop() {
        let tuning = Tuning { time_factor: 60.0, ..Tuning::default() };
        assert_eq!(tuning.scaled(Duration::from_secs(600)), Duration::from_secs(10));
        assert_eq!(tuning.scaled(Duration::from_secs(1)), Duration::from_millis(100));
        assert_eq!(tuning.lived(Duration::from_secs(10)), Duration::from_secs(600));
    }

    #[test]
    fn too_fast_without_a_hint_is_two_seconds_at_first_and_five_minutes_at_most() {
        let pause = |attempt| Tuning::default().throttled_backoff.pause(Retry::WithBackoff, attempt, 1.0);
        assert_eq!(pause(1), Some(Duration::from_secs(2)));
        assert_eq!(pause(100), Some(Duration::from_secs(300)));
    }
}
