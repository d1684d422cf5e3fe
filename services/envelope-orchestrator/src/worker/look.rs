//! Asking the provider how things stand, and believing the answer.

use std::time::Duration;

use domain::envelope::{Command, Effect, Observation, Source, still_needed};
use domain::ids::ProviderEnvelopeId;
use domain::intake::Claim;
use domain::retry::Retry;
use providers::{Class, ProviderError, Snapshot};

use super::halt::{Halt, Step};
use super::{Job, Worker};
use crate::alarms;

/// Tries after which an envelope that the provider does not find is taken for deleted: it may be too young, or a
/// key of another account may be in use for a while.
pub(crate) const NOT_FOUND_TRIES: u32 = 8;

/// Tries after which an answer may leave the question open, and how long after it was asked: what the provider says
/// stays at odds with what it told then, and only news from it can help. An outage uses up tries, but not the time.
const OPEN_TRIES: u32 = 8;
const OPEN_MAX: Duration = Duration::from_secs(2 * 60);

impl Worker {
    /// A GET was asked for: its answer is the provider's present truth.
    pub(super) async fn confirm(&self, job: &mut Job) -> Step {
        let id = job.provider_id()?;
        match job.provider.snapshot(&id).await {
            Ok(snapshot) => {
                self.see(job, "confirm", snapshot).await?;
                self.ask_again(job)
            }
            Err(error) => self.unseen(job, &error).await,
        }
    }

    /// An answer that a webhook has overtaken settles nothing, and nobody else would ask: the question stands already.
    fn ask_again(&self, job: &Job) -> Step {
        let given_time = job.attempt >= OPEN_TRIES && self.now().since(job.asked_at) > OPEN_MAX;
        if !still_needed(&job.envelope, Effect::Confirm) || given_time {
            return Ok(());
        }
        let jitter = runtime::random::jitter();
        match self.tuning.read_backoff.pause(Retry::WithBackoff, job.attempt, jitter) {
            Some(pause) => Err(Halt::retry(pause, "the provider's answer is older than its news")),
            None => Ok(()),
        }
    }

    /// Reports a snapshot.
    pub(super) async fn see(&self, job: &mut Job, what: &str, snapshot: Snapshot) -> Step {
        let reopens = job.provider.capabilities().reopens;
        let observation = observation(snapshot);
        self.tell(job, what, Command::Observe { observation, source: Source::Poll, reopens, at: self.now() })
            .await
    }

    /// The provider did not answer a GET, or does not know the envelope.
    pub(super) async fn unseen(&self, job: &mut Job, error: &ProviderError) -> Step {
        if error.class != Class::NotFound || job.attempt < NOT_FOUND_TRIES {
            return Err(self.after_read(job, error));
        }
        alarms::gone(&job.subject, &job.envelope);
        self.report(job, "gone", Claim::Deleted, Source::Poll).await
    }

    /// Reports a claim without details: what the answer of a call says by itself.
    pub(super) async fn report(&self, job: &mut Job, what: &str, claim: Claim, source: Source) -> Step {
        let observation = claimed(job.provider_id()?, claim);
        let reopens = job.provider.capabilities().reopens;
        self.tell(job, what, Command::Observe { observation, source, reopens, at: self.now() }).await
    }
}

/// A claim without details.
pub(crate) fn claimed(provider_id: ProviderEnvelopeId, claim: Claim) -> Observation {
    Observation {
        provider_id,
        claim,
        detection: None,
        fields_version: None,
        revision: None,
        parties: Vec::new(),
        total: None,
        review_link: None,
        conclusive: true,
    }
}

/// What a snapshot says, in the domain's words.
pub(crate) fn observation(snapshot: Snapshot) -> Observation {
    if snapshot.claim == Claim::Hint {
        alarms::unknown_statuses(1);
    }
    let claim = match (snapshot.claim, snapshot.reason) {
        (Claim::Declined { reason: None }, reason) => Claim::Declined { reason },
        (claim, _) => claim,
    };
    Observation {
        provider_id: snapshot.provider_id,
        claim,
        detection: snapshot.detection,
        fields_version: snapshot.fields_version,
        revision: snapshot.revision,
        parties: snapshot.parties,
        total: Some(snapshot.total).filter(|total| *total > 0),
        review_link: snapshot.review_link,
        conclusive: true,
    }
}

/// Whether the claim says that signers have, or had, the envelope.
pub(super) fn is_out(claim: &Claim) -> bool {
    match claim {
        Claim::Sent
        | Claim::Viewed
        | Claim::PartySigned
        | Claim::PaymentDue
        | Claim::Paid
        | Claim::Completed
        | Claim::Declined { .. }
        | Claim::Expired
        | Claim::ArtifactReady => true,
        Claim::Processing
        | Claim::Draft
        | Claim::PreparationFailed { .. }
        | Claim::Scheduled
        | Claim::ApprovalRequested
        | Claim::ApprovalGranted
        | Claim::ApprovalRefused
        | Claim::ChangesSuggested
        | Claim::Voided
        | Claim::Deleted
        | Claim::DataExtracted
        | Claim::Hint => false,
    }
}
