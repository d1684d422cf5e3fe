//! Why an effect stops before it is done, and for how long.

use std::time::Duration;

use domain::retry::{Backoff, Retry};
use providers::{Class, ProviderError};

use super::{Job, Worker};
use crate::alarms;
use crate::store::ExecuteError;

/// The outcome of an effect: done, or a reason to stop here.
pub(super) type Step = Result<(), Halt>;

/// Why an effect stops here.
#[derive(Debug)]
pub(super) enum Halt {
    /// Nothing is left to do: the envelope moved on by itself.
    Settled,
    /// Once more after a pause.
    Retry {
        /// How long.
        pause: Duration,
        /// Why, without personal data.
        reason: String,
    },
    /// Only a person can help.
    GiveUp {
        /// Why, without personal data.
        reason: String,
    },
}

impl Halt {
    pub(super) fn retry(pause: Duration, reason: impl Into<String>) -> Halt {
        Halt::Retry { pause, reason: reason.into() }
    }
}

impl From<ExecuteError> for Halt {
    fn from(error: ExecuteError) -> Self {
        match (error.pause(), error) {
            (_, ExecuteError::Rejected(_)) => Halt::Settled,
            (Some(pause), error) => Halt::retry(pause, error.to_string()),
            (None, error) => Halt::GiveUp { reason: error.to_string() },
        }
    }
}

impl Worker {
    /// What follows from a provider's refusal of something that changes it: once more with the same key, until
    /// the provider forgets keys.
    pub(super) fn after_write(&self, job: &Job, error: &ProviderError) -> Halt {
        if self.now().since(job.asked_at) > self.tuning.write_budget {
            return Halt::GiveUp { reason: format!("no try succeeded in time; last: {}", told(error)) };
        }
        self.after(job, error, &self.tuning.write_backoff)
    }

    /// What follows from a provider's refusal to be read.
    pub(super) fn after_read(&self, job: &Job, error: &ProviderError) -> Halt {
        self.after(job, error, &self.tuning.read_backoff)
    }

    pub(super) fn after(&self, job: &Job, error: &ProviderError, backoff: &Backoff) -> Halt {
        if matches!(error.class, Class::Unauthorized | Class::Forbidden) {
            alarms::key_refused(&job.connection, &told(error));
        }
        if error.class == Class::Unauthorized {
            // Others on the same credits have keys that work; the next try finds its place again.
            self.holds.dropped(&job.connection, job.position);
        }
        let throttled = error.class == Class::RateLimited;
        let backoff = if throttled { &self.tuning.throttled_backoff } else { backoff };
        let retry = match may_pass(error) {
            // Our own idea of how long it may last, so it follows the pace of the provider's life.
            Retry::After(pause) if error.retry == Retry::Never => Retry::After(self.tuning.scaled(pause)),
            retry @ (Retry::Never | Retry::WithBackoff | Retry::After(_)) => retry,
        };
        match backoff.pause(retry, job.attempt, runtime::random::jitter()) {
            Some(pause) => Halt::retry(pause, told(error)),
            None => Halt::GiveUp { reason: told(error) },
        }
    }
}

/// Whether the same call may succeed later, seen over hours: a key may be replaced, a lock or a twin may go.
fn may_pass(error: &ProviderError) -> Retry {
    match (error.retry, error.class) {
        (Retry::Never, Class::Unauthorized | Class::QuotaExhausted) => Retry::After(Duration::from_secs(60)),
        (Retry::Never, Class::Locked) => Retry::After(Duration::from_secs(30)),
        (Retry::Never, Class::NotFound) => Retry::WithBackoff,
        (Retry::Never, Class::Conflict | Class::NotReady) => Retry::After(Duration::from_secs(2)),
        (
            Retry::Never,
            Class::InvalidRequest
            | Class::Forbidden
            | Class::TooLarge
            | Class::RateLimited
            | Class::OutcomeUnknown
            | Class::Transient,
        ) => Retry::Never,
        (retry @ (Retry::WithBackoff | Retry::After(_)), _) => retry,
    }
}

/// The error in words that may be stored and logged.
pub(super) fn told(error: &ProviderError) -> String {
    format!("the provider answered {:?} ({})", error.class, error.code)
}
