//! Limits and pauses of crm-sync, each with its unit.

use std::time::Duration;

use domain::retry::Backoff;

/// How patient crm-sync is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Pauses between attempts at a CRM call; after the last one the work becomes a dead letter.
    pub backoff: Backoff,
    /// Longest wait for the orchestrator's answer to one call.
    pub orchestrator_deadline: Duration,
    /// How long a completion waits for its confirmation at the provider before it is written all the same.
    pub confirmation_wait: Duration,
    /// Pause between two looks at an unconfirmed completion.
    pub confirmation_look: Duration,
    /// How triggers are found that nobody told.
    pub sweep: Sweep,
    /// Longest wait for our own projection to catch up.
    pub projection_deadline: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            backoff: Backoff {
                pause_min: Duration::from_secs(2),
                pause_max: Duration::from_secs(15 * 60),
                attempts_max: 300,
            },
            orchestrator_deadline: Duration::from_secs(10),
            confirmation_wait: Duration::from_secs(60),
            confirmation_look: Duration::from_secs(1),
            sweep: Sweep::default(),
            projection_deadline: Duration::from_secs(5),
        }
    }
}

/// How triggers are found that nobody told.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// A connection is swept this often.
    pub every: Duration,
    /// How far a list begins before the newest change that was seen: longer than any CRM's index lags behind.
    pub overlap: Duration,
    /// How far back a flow that was never seen before is looked at. What happened earlier happened before there was
    /// such a flow, and starts nothing.
    pub first_window: Duration,
    /// Time that a webhook on its way still has, before what it would tell counts as lost.
    pub grace: Duration,
    /// A run ends after this time and goes on in the next.
    pub run_max: Duration,
    /// How jobs are looked after.
    pub jobs: jobs::Settings,
}

impl Default for Sweep {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self {
            every: 5 * minute,
            overlap: 2 * minute,
            first_window: 10 * minute,
            grace: Duration::from_secs(10),
            run_max: 5 * minute,
            jobs: jobs::Settings::default(),
        }
    }
}
