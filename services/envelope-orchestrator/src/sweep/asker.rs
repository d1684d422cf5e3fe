//! A provider, asked with patience: where it says "too fast", the run waits and asks again, as long as it has time.

use std::sync::Arc;
use std::time::Duration;

use domain::ids::ProviderEnvelopeId;
use domain::retry::{Backoff, Retry};
use domain::time::Timestamp;
use providers::{Changed, Class, Page, Provider, ProviderError, Snapshot};
use tokio::time::Instant;

/// No pause is shorter.
const PAUSE_MIN: Duration = Duration::from_millis(50);

/// A provider, and until when it may be waited for.
pub struct Asker {
    pub provider: Arc<dyn Provider>,
    pub until: Instant,
    /// Pauses where the provider does not say how long.
    pub backoff: Backoff,
}

impl Asker {
    /// How a document stands; `None` where only this one is not to be seen.
    pub async fn snapshot(&self, id: &ProviderEnvelopeId) -> Result<Option<Snapshot>, ProviderError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let error = match self.provider.snapshot(id).await {
                Ok(snapshot) => return Ok(Some(snapshot)),
                Err(error) => error,
            };
            match error.class {
                Class::NotFound
                | Class::NotReady
                | Class::Conflict
                | Class::Locked
                | Class::Forbidden
                | Class::InvalidRequest
                | Class::TooLarge => {
                    tracing::debug!(provider.id = %id, %error, "a document is not to be seen");
                    return Ok(None);
                }
                Class::RateLimited => self.wait(error, attempt).await?,
                Class::Unauthorized | Class::QuotaExhausted | Class::OutcomeUnknown | Class::Transient => {
                    return Err(error);
                }
            }
        }
    }

    /// Whether the provider answers at all: asks for a document that nobody has.
    pub async fn is_up(&self) -> Result<(), ProviderError> {
        let nobodys = format!("nobodys{}", hex::encode(&runtime::random::new_id()[..8]));
        let nobodys = nobodys.parse().expect("invariant: a short word is an id");
        self.snapshot(&nobodys).await.map(drop)
    }

    /// One page of what changed.
    pub async fn changed_since(&self, since: Timestamp, page: u32) -> Result<Page<Changed>, ProviderError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.provider.changed_since(since, page).await {
                Err(error) if error.class == Class::RateLimited => self.wait(error, attempt).await?,
                listed => return listed,
            }
        }
    }

    /// Waits as long as it takes until there is a place; gives the error back where the run has no time for that.
    async fn wait(&self, error: ProviderError, attempt: u32) -> Result<(), ProviderError> {
        let pause = match error.retry {
            Retry::After(pause) => pause.max(PAUSE_MIN),
            Retry::Never | Retry::WithBackoff => {
                let pause = self.backoff.pause(Retry::WithBackoff, attempt, runtime::random::jitter());
                pause.unwrap_or(self.backoff.pause_max)
            }
        };
        let at = Instant::now() + pause;
        if at >= self.until {
            return Err(error);
        }
        tokio::time::sleep_until(at).await;
        Ok(())
    }
}
