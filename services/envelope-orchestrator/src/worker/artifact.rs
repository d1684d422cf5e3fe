//! Fetching the signed document into the blob store.

use std::time::Duration;

use domain::envelope::Command;
use domain::retry::{Backoff, Retry};
use providers::{Class, ProviderError};

use super::halt::{Halt, Step, told};
use super::{Job, Worker};

impl Worker {
    pub(super) async fn fetch_artifact(&self, job: &mut Job) -> Step {
        let id = job.provider_id()?;
        let bytes = match job.provider.download(&id).await {
            Ok(bytes) => bytes,
            Err(error) => return self.not_fetched(job, &error).await,
        };
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let stored = self.store.log().blobs().put(bytes).await;
        let digest = stored.map_err(|error| Halt::retry(self.tuning.turn_pause, error.to_string()))?;
        self.tell(job, "store_artifact", Command::StoreArtifact { digest, bytes: size, at: self.now() }).await
    }

    async fn not_fetched(&self, job: &mut Job, error: &ProviderError) -> Step {
        let waited = self.now().since(job.asked_at);
        let forbidden = matches!(error.class, Class::Forbidden | Class::TooLarge | Class::InvalidRequest);
        if forbidden || waited > self.tuning.artifact_budget {
            let reason = told(error);
            tracing::warn!(envelope.id = %job.subject.id, reason, "CS-ORCH-008: the signed document was given up");
            return self.tell(job, "give_up_artifact", Command::GiveUpArtifact { at: self.now() }).await;
        }
        let retry = match error.retry {
            Retry::Never => Retry::WithBackoff,
            retry @ (Retry::WithBackoff | Retry::After(_)) => retry,
        };
        // The first tries follow the provider's own pace, which a simulator may have sped up.
        let nominal = self.tuning.artifact_backoff;
        let backoff = Backoff { pause_min: self.tuning.scaled(nominal.pause_min), ..nominal };
        let pause =
            backoff.pause(retry, job.attempt, runtime::random::jitter()).unwrap_or(Duration::from_secs(300));
        Err(Halt::retry(pause, told(error)))
    }
}
