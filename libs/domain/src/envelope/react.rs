//! From a fact to the work it calls for, and whether that work is still called for now.

use super::command::Rejection;
use super::effect::Effect;
use super::event::Event;
use super::observe::all_signed;
use super::reason::Correction;
use super::stage::Stage;
use super::state::{Artifact, Envelope};

/// What has to be done in the outside world because of this fact.
///
/// A fact cannot know what came after it, so the worker asks [`still_needed`] of the envelope as it stands now
/// before it does anything: `ArtifactReady` before completion, for example, calls for a fetch that is not needed
/// yet, and the `Completed` that follows calls for it again.
pub fn react(event: &Event) -> Vec<Effect> {
    match event {
        Event::Requested { .. } => vec![Effect::Create],
        Event::SendRequested { .. } => vec![Effect::Send],
        Event::VoidRequested { reason, .. } => vec![Effect::Void { reason: *reason }],
        Event::ReminderRequested { number, .. } => vec![Effect::Remind { number: *number }],
        Event::ConfirmationRequested { .. } => vec![Effect::Confirm],
        Event::Completed { .. } | Event::ArtifactReady { .. } => vec![Effect::FetchArtifact],
        Event::Corrected { to: Correction::Completed | Correction::CompletedAfterVoid, .. } => {
            vec![Effect::FetchArtifact]
        }
        // A resumed send is the same piece of work as the one that was held: its worker never let go of it.
        Event::SendResumed { .. }
        | Event::SendHeld { .. }
        | Event::Adopted { .. }
        | Event::CreateStarted { .. }
        | Event::Created { .. }
        | Event::Failed { .. }
        | Event::ReadyForReview { .. }
        | Event::AttentionNeeded { .. }
        | Event::FieldsChanged { .. }
        | Event::ApprovalRequested { .. }
        | Event::Sent { .. }
        | Event::Viewed { .. }
        | Event::PartiesProgressed { .. }
        | Event::PaymentDue { .. }
        | Event::Paid { .. }
        | Event::Declined { .. }
        | Event::VoidRefused { .. }
        | Event::Voided { .. }
        | Event::Expired { .. }
        | Event::Deleted { .. }
        | Event::Reopened { .. }
        | Event::Corrected { to: Correction::Declined, .. }
        | Event::Confirmed { .. }
        | Event::ArtifactStored { .. }
        | Event::ArtifactUnavailable { .. }
        | Event::FieldsEdited { .. }
        | Event::ReminderStarted { .. }
        | Event::ReminderNotMade { .. }
        | Event::RevisionMoved { .. }
        | Event::Reconciled { .. }
        | Event::SignalIgnored { .. } => Vec::new(),
    }
}

/// Whether an effect that some earlier fact called for must still be carried out.
///
/// A held send is still needed: its worker keeps it and resumes it. A void without a provider id is not: it is
/// asked for again once the id is known. A reminder is made once at most: not any more once a call for it began, for
/// nobody tells whether it went out. A confirmation is needed until a GET settled the question.
pub fn still_needed(envelope: &Envelope, effect: Effect) -> bool {
    let void_pending = envelope.void_requested.is_some();
    match effect {
        Effect::Create => {
            envelope.provider_id.is_none() && matches!(envelope.stage, Stage::Requested | Stage::Creating)
        }
        Effect::Send => {
            let held = envelope.stage == Stage::InReview && envelope.hold.is_some();
            (envelope.stage == Stage::Sending || held) && !void_pending
        }
        Effect::Void { .. } => void_pending && envelope.provider_id.is_some() && !envelope.stage.is_closed(),
        // Of several that waited for their turn only the newest is made: they are one nudge.
        Effect::Remind { number } => {
            let newest = number >= envelope.reminders_sent;
            can_be_reminded(envelope) && newest && envelope.reminders_started < number
        }
        Effect::Confirm => envelope.confirmation_requested && envelope.provider_id.is_some(),
        Effect::FetchArtifact => {
            envelope.stage == Stage::Completed
                && !matches!(envelope.artifact, Artifact::Stored { .. } | Artifact::Unavailable)
        }
    }
}

/// Whether other texts may be written into the fields, by somebody who has seen them at this version: only in a draft that
/// people look at and that nothing else is about to happen to.
///
/// # Errors
/// The stage does not allow it, or the fields have moved since.
pub fn may_edit_fields(envelope: &Envelope, fields_version: u64) -> Result<(), Rejection> {
    let looked_at = matches!(envelope.stage, Stage::InReview | Stage::NeedsAttention);
    let at_rest = envelope.hold.is_none() && envelope.void_requested.is_none();
    if envelope.stage == Stage::Absent {
        return Err(Rejection::NeverRequested);
    }
    let wrong = |wish| Err(Rejection::WrongStage { wish, stage: envelope.stage });
    if envelope.adoption.is_some() {
        return wrong("edit the fields of (its owner does, at the provider)");
    }
    if !looked_at {
        return wrong("edit the fields of");
    }
    if !at_rest {
        return wrong("edit the fields of (it is about to be sent or voided)");
    }
    match envelope.fields_version {
        Some(known) if known > fields_version => Err(Rejection::FieldsMoved { known }),
        Some(_) | None => Ok(()),
    }
}

/// Whether it may be taken back to draft (T23) by somebody who has seen it in this generation: what signers have, and what
/// they declined or let expire. A contract that all have signed is not taken back from here; staff may do so at the provider.
///
/// # Errors
/// The stage does not allow it, or it was reopened since.
pub fn may_reopen(envelope: &Envelope, generation: u32) -> Result<(), Rejection> {
    if envelope.stage == Stage::Absent {
        return Err(Rejection::NeverRequested);
    }
    let wrong = |wish| Err(Rejection::WrongStage { wish, stage: envelope.stage });
    if envelope.adoption.is_some() {
        return wrong("reopen (its owner does, at the provider)");
    }
    if envelope.generation != generation {
        return wrong("reopen (it was reopened since)");
    }
    if !envelope.stage.is_out() && !matches!(envelope.stage, Stage::Declined | Stage::Expired) {
        return wrong("reopen");
    }
    if envelope.stage == Stage::AwaitingPayment || all_signed(envelope) {
        return wrong("reopen (everybody has signed)");
    }
    if envelope.void_requested.is_some() {
        return wrong("reopen (it is about to be voided)");
    }
    Ok(())
}

/// Whether it was reopened since that generation, and nobody has sent it again.
pub fn is_reopened_since(envelope: &Envelope, generation: u32) -> bool {
    envelope.generation > generation && !envelope.stage.is_out() && !envelope.stage.is_closed()
}

/// Whether somebody's signature is awaited and wanted.
pub(super) fn can_be_reminded(envelope: &Envelope) -> bool {
    matches!(envelope.stage, Stage::Sent | Stage::Viewed | Stage::PartiallySigned)
        && envelope.void_requested.is_none()
}
