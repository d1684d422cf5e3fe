//! From a wish to facts: in the order of the transition table (lifecycle.md §5.2).

use super::command::{Command, Rejection};
use super::decision::Decision;
use super::effect::Effect;
use super::event::Event;
use super::observe::{News, observe};
use super::order::{Adoption, Order};
use super::react::{can_be_reminded, still_needed};
use super::reason::{Attention, HoldReason, VoidReason};
use super::stage::Stage;
use super::state::{Artifact, Detection, Envelope};
use super::timers::{TimerKind, is_due, reminders_due};
use crate::ids::ProviderEnvelopeId;
use crate::personal::Personal;
use crate::time::Timestamp;

/// Decides what a command does to an envelope: the facts it makes true, none if it changes nothing.
///
/// A command that was carried out already changes nothing and is no error: every worker may come twice.
///
/// # Errors
/// A [`Rejection`] when the envelope's stage does not allow the wish.
pub fn decide(envelope: &Envelope, command: Command) -> Result<Vec<Event>, Rejection> {
    let stage = envelope.stage;
    let mut decision = Decision::on(envelope);
    match (stage, command) {
        // T1
        (Stage::Absent, Command::Request { order, at }) => decision.record(Event::Requested { order, at }),
        (_, Command::Request { order, .. }) => same_order(envelope, &order)?,
        (Stage::Absent, Command::Adopt { adoption, at }) => decision.record(Event::Adopted { adoption, at }),
        (_, Command::Adopt { adoption, .. }) => same_adoption(envelope, &adoption)?,
        (Stage::Absent, _) => return Err(Rejection::NeverRequested),

        // T2: a worker may come twice; once the id is known there is nothing to create.
        (Stage::Requested, Command::StartCreate { way, at }) => {
            decision.record(Event::CreateStarted { way, at });
        }
        (Stage::Creating, Command::StartCreate { .. }) => {}
        (_, Command::StartCreate { .. }) => return Err(refuse("create", stage)),

        // T3, T4
        (_, Command::ConfirmCreated { provider_id, review_link, sent, at }) => {
            confirm_created(&mut decision, provider_id, review_link, sent, at)?;
        }
        (Stage::Requested | Stage::Creating, Command::FailCreate { failure, reason, at }) => {
            decision.record(Event::Failed { failure, reason, at });
        }
        (Stage::Failed, Command::FailCreate { .. }) => {}
        (_, Command::FailCreate { .. }) => return Err(refuse("fail the creation of", stage)),

        // T3, T5–T11, T13, T15–T26: what the provider says
        (_, Command::Observe { observation: seen, source, reopens, at }) => {
            observe(&mut decision, &News { seen, source, reopens, at });
        }

        // T12
        (_, Command::RequestSend { at }) => request_send(&mut decision, at)?,

        // T14, and back
        (Stage::Sending, Command::HoldSend { reason: HoldReason::VersionMoved, at })
            if envelope.versions_moved > 0 =>
        {
            decision.record(Event::AttentionNeeded { attention: Attention::FieldsMoving, at });
        }
        (Stage::Sending, Command::HoldSend { reason, at }) => decision.record(Event::SendHeld { reason, at }),
        (Stage::InReview, Command::HoldSend { reason, .. }) if envelope.hold == Some(reason) => {}
        (Stage::InReview, Command::HoldSend { reason, at }) if envelope.hold.is_some() => {
            decision.record(Event::SendHeld { reason, at });
        }
        (Stage::InReview, Command::ResumeSend { at })
            if envelope.hold.is_some() && envelope.void_requested.is_none() =>
        {
            decision.record(Event::SendResumed { fields_version: envelope.fields_version, at });
        }
        (Stage::Sending, Command::ResumeSend { .. }) => {}
        (out, Command::HoldSend { .. } | Command::ResumeSend { .. }) if out.is_out() => {}
        (_, Command::HoldSend { .. }) => return Err(refuse("hold the sending of", stage)),
        (_, Command::ResumeSend { .. }) => return Err(refuse("resume the sending of", stage)),

        // T20, T21
        (_, Command::RequestVoid { reason, at }) => request_void(&mut decision, reason, at)?,
        (_, Command::RefuseVoid { at }) => {
            if envelope.void_requested.is_some() {
                decision.record(Event::VoidRefused { at });
                decision.request_confirmation(at);
            }
        }

        // Beside the main state
        (_, Command::RequestReminder { at }) if can_be_reminded(envelope) => {
            decision.record(reminder(envelope, at))
        }
        (_, Command::RequestReminder { .. }) => return Err(refuse("remind the signer of", stage)),
        (_, Command::ConfirmFieldsEdited { fields_version, at }) => {
            if envelope.fields_edited < fields_version {
                decision.record(Event::FieldsEdited { fields_version, at });
            }
        }
        (_, Command::StartReminder { number, at }) => {
            if still_needed(envelope, Effect::Remind { number }) {
                decision.record(Event::ReminderStarted { number, at });
            }
        }
        (_, Command::PutOffReminder { number, at }) => {
            if envelope.reminders_started == number {
                decision.record(Event::ReminderNotMade { number, at });
            }
        }
        (Stage::Completed, Command::StoreArtifact { digest, bytes, at }) => {
            // The first copy counts: providers render the same document to other bytes on another day.
            if !matches!(envelope.artifact, Artifact::Stored { .. }) {
                decision.record(Event::ArtifactStored { digest, bytes, at });
            }
        }
        (Stage::Completed, Command::GiveUpArtifact { at }) => {
            if !matches!(envelope.artifact, Artifact::Stored { .. } | Artifact::Unavailable) {
                decision.record(Event::ArtifactUnavailable { at });
            }
        }
        (_, Command::StoreArtifact { .. } | Command::GiveUpArtifact { .. }) => {
            return Err(refuse("settle the signed document of", stage));
        }
        (_, Command::Fire { timer, at }) => fire(&mut decision, timer, at),
    }
    Ok(decision.into_events())
}

fn refuse(wish: &'static str, stage: Stage) -> Rejection {
    Rejection::WrongStage { wish, stage }
}

fn same_order(envelope: &Envelope, order: &Order) -> Result<(), Rejection> {
    match &envelope.order {
        Some(known) if known.operation_key == order.operation_key => Ok(()),
        Some(_) | None => Err(Rejection::AlreadyRequested),
    }
}

fn same_adoption(envelope: &Envelope, adoption: &Adoption) -> Result<(), Rejection> {
    let same = envelope.provider() == Some(&adoption.provider)
        && envelope.provider_id.as_ref() == Some(&adoption.provider_id);
    if same { Ok(()) } else { Err(Rejection::AlreadyRequested) }
}

/// T3. A closed envelope takes the id as well, so that its truth can be asked for and a stray one be found.
fn confirm_created(
    decision: &mut Decision<'_>,
    provider_id: ProviderEnvelopeId,
    review_link: Option<Personal>,
    sent: bool,
    at: Timestamp,
) -> Result<(), Rejection> {
    let envelope = decision.envelope();
    match &envelope.provider_id {
        Some(known) if *known != provider_id => {
            return Err(refuse("link a second provider envelope to", envelope.stage));
        }
        Some(_) if review_link.is_none() || envelope.review_link.is_some() => {}
        Some(_) | None => decision.created(Event::Created { provider_id, review_link, at }, at),
    }
    let stage = decision.envelope().stage;
    if stage.is_closed() {
        if !decision.is_empty() {
            decision.request_confirmation(at);
        }
    } else if sent && stage.rank() < Stage::Sent.rank() {
        decision.record(Event::Sent { at });
    }
    Ok(())
}

/// T12. Asked for again it changes nothing, whether the send is under way, held or done.
fn request_send(decision: &mut Decision<'_>, at: Timestamp) -> Result<(), Rejection> {
    let envelope = decision.envelope();
    let (stage, detection) = (envelope.stage, envelope.detection);
    if stage.is_out() || stage == Stage::Sending {
        return Ok(());
    }
    if envelope.adoption.is_some() {
        return Err(refuse("send (its owner does, at the provider)", stage));
    }
    if stage.is_closed() || stage == Stage::AwaitingApproval || envelope.void_requested.is_some() {
        return Err(refuse("send", stage));
    }
    if stage.rank() < Stage::InReview.rank() || detection != Detection::Ready {
        return Err(Rejection::NotReady { detection });
    }
    if envelope.hold.is_none() {
        let fields_version = envelope.fields_version;
        decision.record(Event::SendRequested { fields_version, at });
    }
    Ok(())
}

/// T20, T21. Before the first provider call there is nothing to cancel there; while creation is on its way the
/// wish is remembered and asked for again by [`Decision::created`].
fn request_void(decision: &mut Decision<'_>, reason: VoidReason, at: Timestamp) -> Result<(), Rejection> {
    let envelope = decision.envelope();
    match envelope.stage {
        Stage::Requested => decision.record(match reason {
            VoidReason::Requested => Event::Voided { at },
            VoidReason::Deadline => Event::Expired { at },
        }),
        Stage::Voided | Stage::Expired => {}
        stage if stage.is_closed() => return Err(refuse("void", stage)),
        // Where nobody outside has it, a void may delete it, and it is not ours.
        stage if envelope.adoption.is_some() && !stage.is_out() => {
            return Err(refuse("void (its owner does, at the provider)", stage));
        }
        Stage::Absent
        | Stage::Creating
        | Stage::Preparing
        | Stage::InReview
        | Stage::NeedsAttention
        | Stage::AwaitingApproval
        | Stage::Sending
        | Stage::Sent
        | Stage::Viewed
        | Stage::PartiallySigned
        | Stage::AwaitingPayment
        | Stage::Completed
        | Stage::Declined
        | Stage::Failed
        | Stage::Deleted => {
            if envelope.void_requested.is_none() {
                decision.record(Event::VoidRequested { reason, at });
            }
        }
    }
    Ok(())
}

fn reminder(envelope: &Envelope, at: Timestamp) -> Event {
    Event::ReminderRequested { number: envelope.reminders_sent.saturating_add(1), at }
}

/// Timers are derived from state; one whose time has not come, or that was overtaken, fires into nothing.
fn fire(decision: &mut Decision<'_>, timer: TimerKind, at: Timestamp) {
    let envelope = decision.envelope();
    if !is_due(envelope, timer, at) {
        return;
    }
    match timer {
        TimerKind::PollPreparation | TimerKind::PollReview | TimerKind::PollProgress => {
            decision.request_confirmation(at);
        }
        TimerKind::PreparationDeadline => {
            decision.record(Event::AttentionNeeded { attention: Attention::PreparationSlow, at });
        }
        // Reminders that came due together while we were away are one nudge.
        TimerKind::Reminder => {
            let number = reminders_due(envelope, at);
            decision.record(Event::ReminderRequested { number, at });
        }
        TimerKind::Deadline => decision.record(Event::VoidRequested { reason: VoidReason::Deadline, at }),
    }
}
