//! Cancelling at the provider, and nudging a signer.

use domain::envelope::{Command, Source, VoidReason};
use domain::intake::Claim;
use providers::Class;

use super::halt::{Step, told};
use super::{Job, Worker};

impl Worker {
    pub(super) async fn void(&self, job: &mut Job, reason: VoidReason) -> Step {
        let id = job.provider_id()?;
        let words = match reason {
            VoidReason::Requested => "Cancelled by the sender",
            VoidReason::Deadline => "The deadline has passed",
        };
        let Err(error) = job.provider.void(&id, words).await else {
            return self.report(job, "voided", Claim::Voided, Source::Call).await;
        };
        match error.class {
            // It has ended there already, perhaps signed: its truth is asked for.
            Class::Conflict => self.tell(job, "refuse_void", Command::RefuseVoid { at: self.now() }).await,
            Class::NotFound => self.unseen(job, &error).await,
            Class::InvalidRequest
            | Class::Unauthorized
            | Class::Forbidden
            | Class::QuotaExhausted
            | Class::NotReady
            | Class::Locked
            | Class::TooLarge
            | Class::RateLimited
            | Class::OutcomeUnknown
            | Class::Transient => Err(self.after_write(job, &error)),
        }
    }

    pub(super) async fn remind(&self, job: &mut Job) -> Step {
        let id = job.provider_id()?;
        let Err(error) = job.provider.remind(&id).await else { return Ok(()) };
        match error.class {
            Class::RateLimited | Class::Transient | Class::OutcomeUnknown | Class::Unauthorized => {
                Err(self.after_write(job, &error))
            }
            // Nobody is to be nudged any more, or the provider does not do it: a reminder is not worth a dead letter.
            Class::Conflict
            | Class::NotFound
            | Class::InvalidRequest
            | Class::Forbidden
            | Class::QuotaExhausted
            | Class::NotReady
            | Class::Locked
            | Class::TooLarge => {
                tracing::info!(envelope.id = %job.subject.id, reason = told(&error), "not reminded");
                Ok(())
            }
        }
    }
}
