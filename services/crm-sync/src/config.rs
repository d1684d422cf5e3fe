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
            projection_deadline: Duration::from_secs(5),
        }
    }
}
