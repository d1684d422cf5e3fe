//! Cancelling at the provider, and nudging a signer.

use std::time::Duration;

use domain::envelope::{Command, Source, VoidReason};
use domain::intake::Claim;
use domain::retry::Retry;
use providers::Class;

use super::halt::{Halt, Step, told};
use super::{Job, Worker};

/// Tries of one reminder.
const REMINDER_TRIES: u32 = 5;
/// Longest pause that a vendor may ask for before a reminder: one that asks for more has just reminded.
const REMINDER_PATIENCE: Duration = Duration::from_secs(60);
/// A reminder that was asked for longer ago than this is not made: nothing records that one went out, so what comes
/// so late may be the same one once more, delivered again after a restart. Longer than all its tries together.
const REMINDER_AGE_MAX: Duration = Duration::from_secs(10 * 60);

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

    /// A nudge is worth a little patience and no dead letter, and nothing else of the envelope waits behind it for
    /// long. No vendor takes a key for it and none tells whether it went out: after an unknown outcome it is not made
    /// again, because one reminder too few is better than two. For the same reason an old one is not made at all.
    pub(super) async fn remind(&self, job: &mut Job) -> Step {
        let id = job.provider_id()?;
        let age = self.now().since(job.asked_at);
        if age > REMINDER_AGE_MAX {
            tracing::info!(envelope.id = %job.subject.id, age_s = age.as_secs(), "not reminded: asked for too long ago");
            return Ok(());
        }
        let Err(error) = job.provider.remind(&id).await else { return Ok(()) };
        let once_more = match error.class {
            Class::RateLimited | Class::Transient | Class::Unauthorized | Class::Locked | Class::NotReady => {
                job.attempt < REMINDER_TRIES
            }
            // Nobody is to be nudged any more, or the provider does not do it, or it may have been done.
            Class::Conflict
            | Class::NotFound
            | Class::InvalidRequest
            | Class::Forbidden
            | Class::QuotaExhausted
            | Class::TooLarge
            | Class::OutcomeUnknown => false,
        };
        let asked_for_more = matches!(error.retry, Retry::After(pause) if pause > REMINDER_PATIENCE);
        match self.after_write(job, &error) {
            halt @ Halt::Retry { .. } if once_more && !asked_for_more => Err(halt),
            Halt::Retry { .. } | Halt::Settled | Halt::GiveUp { .. } => {
                tracing::info!(envelope.id = %job.subject.id, reason = told(&error), "not reminded");
                Ok(())
            }
        }
    }
}
