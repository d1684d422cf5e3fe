//! Cancelling at the provider, and nudging a signer.

use std::time::Duration;

use domain::envelope::{Command, Source, VoidReason};
use domain::intake::Claim;
use domain::retry::Retry;
use providers::Class;

use super::halt::{Halt, Step, told};
use super::{Job, Worker};
use crate::store::Cause;

/// Tries of one reminder.
const REMINDER_TRIES: u32 = 5;
/// Longest pause that a vendor may ask for before a reminder: one that asks for more has just reminded.
const REMINDER_PATIENCE: Duration = Duration::from_secs(60);

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
    /// long. No vendor takes a key for it and none tells whether it went out. So the log says before the call that it
    /// begins, and one that began is not made again, whatever became of it: one reminder too few is better than two.
    /// Only a call that nudged nobody for certain is taken back and made again.
    pub(super) async fn remind(&self, job: &mut Job, number: u32) -> Step {
        let id = job.provider_id()?;
        // A command of its own for each try: a twin that began in the same moment did not begin for us.
        let what = format!("start_reminder {}", hex::encode(runtime::random::new_id()));
        let cause = Cause::event(&job.event, &what, &job.correlation_id);
        let begun = Command::StartReminder { number, at: self.now() };
        let begun = self.store.execute(&job.subject, begun, &cause).await?;
        if begun.events.is_empty() {
            return Ok(());
        }
        (job.version, job.envelope) = (begun.position.0, begun.envelope);
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
            halt @ Halt::Retry { .. } if once_more && !asked_for_more => {
                let put_off = Command::PutOffReminder { number, at: self.now() };
                self.tell(job, "put_off_reminder", put_off).await?;
                Err(halt)
            }
            Halt::Retry { .. } | Halt::Settled | Halt::GiveUp { .. } => {
                tracing::info!(envelope.id = %job.subject.id, reason = told(&error), "not reminded");
                Ok(())
            }
        }
    }
}
