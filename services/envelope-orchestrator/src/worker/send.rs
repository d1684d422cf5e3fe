//! Sending an envelope to its first signer, for at most one credit.
//!
//! A send that the provider does not take is held with its reason: without credits it queues up behind older
//! sends on the same credits ([`crate::holds`]); a 409 is looked into by a GET, because its reason is not told.

use std::time::Duration;

use domain::envelope::{Command, Detection, Effect, HoldReason, Source, still_needed};
use domain::intake::Claim;
use domain::parties::Parties;
use domain::retry::Retry;
use providers::{Class, ProviderError};

use super::halt::{Halt, Step, told};
use super::{Job, Worker};
use crate::holds::Turn;

/// Pause before a send is tried again whose twin may still be running.
const TWIN_PAUSE: Duration = Duration::from_secs(2);
/// Longest pause before it is tried again: a void waits behind it, and a lock may be lifted early.
const LOCK_PAUSE_MAX: Duration = Duration::from_secs(60);

/// How long a locked document is left alone: until its lock ends, so far as the provider says, but no shorter than `least`.
/// Every try is written down, and a lock may be renewed for hours.
fn lock_pause(retry: Retry, least: Duration) -> Duration {
    let ends = if let Retry::After(ends) = retry { ends } else { least };
    ends.max(least).min(LOCK_PAUSE_MAX)
}

impl Worker {
    pub(super) async fn send(&self, job: &mut Job) -> Step {
        match job.envelope.hold {
            None => {}
            Some(HoldReason::CreditsExhausted) => {
                self.holds.learnt(&job.connection, job.position);
            }
            Some(HoldReason::NotReady | HoldReason::VersionMoved | HoldReason::Locked) => {
                self.look_again(job).await?;
            }
        }
        if let Turn::Wait(pause) = self.holds.turn(&job.connection, job.position, self.now()) {
            return Err(Halt::retry(pause, "sends wait for credits in their order"));
        }
        let id = job.provider_id()?;
        let key = self.key(job)?;
        let nobody = Parties::recorded(Vec::new());
        let parties = job.envelope.ordered_parties().unwrap_or(&nobody).clone();
        match job.provider.send(&id, &parties, job.envelope.fields_version, &key).await {
            Ok(()) => self.sent(job).await,
            Err(error) => self.not_sent(job, &error).await,
        }
    }

    /// `{operation_key}:send:{generation}:{fields_version}`: other fields are another send.
    fn key(&self, job: &Job) -> Result<String, Halt> {
        let Some(order) = &job.envelope.order else { return Err(Halt::Settled) };
        let version = job.envelope.fields_version.map_or("-".to_owned(), |version| version.to_string());
        Ok(format!("{}:send:{}:{version}", order.operation_key, job.envelope.generation))
    }

    async fn sent(&self, job: &mut Job) -> Step {
        if job.envelope.hold.is_some() {
            self.tell(job, "resume_send", Command::ResumeSend { at: self.now() }).await?;
        }
        self.report(job, "sent", Claim::Sent, Source::Call).await?;
        self.holds.passed(&job.connection, job.position);
        Ok(())
    }

    async fn not_sent(&self, job: &mut Job, error: &ProviderError) -> Step {
        match error.class {
            Class::QuotaExhausted => {
                self.holds.refused(&job.connection, job.position, self.now());
                self.hold(job, HoldReason::CreditsExhausted).await?;
                Err(Halt::retry(self.tuning.turn_pause.min(self.tuning.probe_pause), told(error)))
            }
            Class::Conflict | Class::NotReady => self.look_into(job).await,
            Class::Locked => {
                self.tell_of_lock(job).await?;
                self.hold(job, HoldReason::Locked).await?;
                if let halt @ (Halt::GiveUp { .. } | Halt::Settled) = self.after_write(job, error) {
                    return Err(halt);
                }
                let pause = lock_pause(error.retry, self.tuning.scaled(self.tuning.lock_pause));
                // others may wait for the same lock
                Err(Halt::retry(pause.mul_f64(1.0 + 0.1 * runtime::random::jitter()), told(error)))
            }
            Class::NotFound => self.unseen(job, error).await,
            Class::InvalidRequest
            | Class::Unauthorized
            | Class::Forbidden
            | Class::TooLarge
            | Class::RateLimited
            | Class::OutcomeUnknown
            | Class::Transient => Err(self.after_write(job, error)),
        }
    }

    /// A 409 does not say why: the envelope's present state does.
    async fn look_into(&self, job: &mut Job) -> Step {
        let id = job.provider_id()?;
        let named = job.envelope.fields_version;
        let snapshot = job.provider.snapshot(&id).await.map_err(|error| self.after_read(job, &error))?;
        let draft = matches!(snapshot.claim, Claim::Draft | Claim::Processing | Claim::Scheduled);
        let ready = matches!(snapshot.detection, None | Some(Detection::Ready));
        let moved = snapshot.fields_version != named;
        if draft && !ready {
            self.hold(job, HoldReason::NotReady).await?;
        } else if draft && moved {
            self.hold(job, HoldReason::VersionMoved).await?;
        }
        self.see(job, "look_into", snapshot).await?;
        if !still_needed(&job.envelope, Effect::Send) {
            self.holds.dropped(&job.connection, job.position);
            return Ok(());
        }
        if draft && ready && moved {
            self.tell(job, "resume_send", Command::ResumeSend { at: self.now() }).await?;
            return Err(Halt::retry(
                Duration::ZERO,
                "the fields had moved: once more with their new version",
            ));
        }
        Err(Halt::retry(
            self.tuning.scaled(TWIN_PAUSE),
            "not ready to be sent, or a twin of the call is running",
        ))
    }

    /// The reason to hold may have passed.
    async fn look_again(&self, job: &mut Job) -> Step {
        let id = job.provider_id()?;
        let snapshot = job.provider.snapshot(&id).await.map_err(|error| self.after_read(job, &error))?;
        let pending = snapshot.detection == Some(Detection::Pending);
        self.see(job, "look_again", snapshot).await?;
        if !still_needed(&job.envelope, Effect::Send) {
            self.holds.dropped(&job.connection, job.position);
            return Err(Halt::Settled);
        }
        if pending {
            return Err(Halt::retry(self.tuning.scaled(TWIN_PAUSE), "field detection is still running"));
        }
        self.tell(job, "resume_send", Command::ResumeSend { at: self.now() }).await
    }

    async fn hold(&self, job: &mut Job, reason: HoldReason) -> Step {
        if job.envelope.hold == Some(reason) {
            return Ok(());
        }
        tracing::info!(envelope.id = %job.subject.id, ?reason, "send is held");
        self.tell(job, "hold_send", Command::HoldSend { reason, at: self.now() }).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_ends_soon_is_not_knocked_at_every_second_and_a_long_one_not_left_alone_for_hours() {
        let least = Duration::from_secs(30);
        for (told, pause) in [(1, 30), (45, 45), (3_600, 60)] {
            let told = Retry::After(Duration::from_secs(told));
            assert_eq!(lock_pause(told, least), Duration::from_secs(pause));
        }
        assert_eq!(lock_pause(Retry::Never, least), least);
    }
}
