//! From a domain event to its message.

use domain::envelope::{Adoption, Event};
use domain::time::Timestamp;

use crate::fields::{WireEnum as _, parties_to_wire, record_to_wire};
use crate::seal::EventSealer;
use crate::wire::envelope as wire;
use crate::wire::envelope::envelope_event::Fact;

use super::order;

pub(super) fn event(event: &Event, seal: EventSealer<'_>) -> wire::EnvelopeEvent {
    let (at, fact) = fact(event, seal);
    wire::EnvelopeEvent { at_ms: at.0, fact: Some(fact) }
}

fn fact(event: &Event, seal: EventSealer<'_>) -> (Timestamp, Fact) {
    match event {
        Event::Requested { order, at } => (*at, Fact::Requested(order::to_wire(order, seal))),
        Event::Adopted { adoption, at } => (*at, Fact::Adopted(adopted(adoption))),
        Event::CreateStarted { way, at } => {
            (*at, Fact::CreateStarted(wire::CreateStarted { way: way.clone().unwrap_or_default() }))
        }
        Event::Created { provider_id, review_link, at } => {
            let review_link = seal.optional("review_link", review_link.as_ref());
            (*at, Fact::Created(wire::Created { provider_id: provider_id.to_string(), review_link }))
        }
        Event::Failed { failure, reason, at } => {
            let reason = seal.optional("reason", reason.as_ref());
            (*at, Fact::Failed(wire::Failed { failure: failure.to_wire(), reason }))
        }
        Event::ReadyForReview { at } => (*at, Fact::ReadyForReview(wire::ReadyForReview {})),
        Event::AttentionNeeded { attention, at } => {
            (*at, Fact::AttentionNeeded(wire::AttentionNeeded { attention: attention.to_wire() }))
        }
        Event::FieldsChanged { detection, fields_version, at } => {
            let (detection, fields_version) = (detection.to_wire(), *fields_version);
            (*at, Fact::FieldsChanged(wire::FieldsChanged { detection, fields_version }))
        }
        Event::ApprovalRequested { at } => (*at, Fact::ApprovalRequested(wire::ApprovalRequested {})),
        Event::SendRequested { fields_version, at } => {
            (*at, Fact::SendRequested(wire::SendRequested { fields_version: *fields_version }))
        }
        Event::SendHeld { reason, at } => (*at, Fact::SendHeld(wire::SendHeld { reason: reason.to_wire() })),
        Event::SendResumed { fields_version, at } => {
            (*at, Fact::SendResumed(wire::SendResumed { fields_version: *fields_version }))
        }
        Event::Sent { at } => (*at, Fact::Sent(wire::Sent {})),
        Event::Viewed { at } => (*at, Fact::Viewed(wire::Viewed {})),
        Event::PartiesProgressed { parties, total, at } => {
            let parties = parties_to_wire(parties);
            (*at, Fact::PartiesProgressed(wire::PartiesProgressed { parties, total: *total }))
        }
        Event::PaymentDue { at } => (*at, Fact::PaymentDue(wire::PaymentDue {})),
        Event::Paid { at } => (*at, Fact::Paid(wire::Paid {})),
        Event::Completed { confirmed, at } => {
            (*at, Fact::Completed(wire::Completed { confirmed: *confirmed }))
        }
        Event::Declined { reason, at } => {
            (*at, Fact::Declined(wire::Declined { reason: seal.optional("reason", reason.as_ref()) }))
        }
        Event::VoidRequested { reason, at } => {
            (*at, Fact::VoidRequested(wire::VoidRequested { reason: reason.to_wire() }))
        }
        Event::VoidRefused { at } => (*at, Fact::VoidRefused(wire::VoidRefused {})),
        Event::Voided { at } => (*at, Fact::Voided(wire::Voided {})),
        Event::Expired { at } => (*at, Fact::Expired(wire::Expired {})),
        Event::Deleted { at } => (*at, Fact::Deleted(wire::Deleted {})),
        Event::Reopened { at } => (*at, Fact::Reopened(wire::Reopened {})),
        Event::Corrected { to, at } => (*at, Fact::Corrected(wire::Corrected { to: to.to_wire() })),
        Event::ConfirmationRequested { at } => {
            (*at, Fact::ConfirmationRequested(wire::ConfirmationRequested {}))
        }
        Event::Confirmed { at } => (*at, Fact::Confirmed(wire::Confirmed {})),
        Event::ArtifactReady { at } => (*at, Fact::ArtifactReady(wire::ArtifactReady {})),
        Event::ArtifactStored { digest, bytes, at } => {
            let (digest, bytes) = (digest.0.to_vec(), *bytes);
            (*at, Fact::ArtifactStored(wire::ArtifactStored { digest, bytes }))
        }
        Event::ArtifactUnavailable { at } => (*at, Fact::ArtifactUnavailable(wire::ArtifactUnavailable {})),
        Event::ReminderRequested { number, at } => {
            (*at, Fact::ReminderRequested(wire::ReminderRequested { number: *number }))
        }
        Event::FieldsEdited { fields_version, at } => {
            (*at, Fact::FieldsEdited(wire::FieldsEdited { fields_version: *fields_version }))
        }
        Event::ReminderStarted { number, at } => {
            (*at, Fact::ReminderStarted(wire::ReminderStarted { number: *number }))
        }
        Event::ReminderNotMade { number, at } => {
            (*at, Fact::ReminderNotMade(wire::ReminderNotMade { number: *number }))
        }
        Event::RevisionMoved { revision, at } => {
            (*at, Fact::RevisionMoved(wire::RevisionMoved { revision: *revision }))
        }
        Event::Reconciled { claim, at } => (*at, Fact::Reconciled(wire::Reconciled { claim: claim.clone() })),
        Event::SignalIgnored { claim, reason, at } => {
            let (claim, reason) = (claim.clone(), reason.to_wire());
            (*at, Fact::SignalIgnored(wire::SignalIgnored { claim, reason }))
        }
    }
}

fn adopted(adoption: &Adoption) -> wire::Adopted {
    wire::Adopted {
        provider: adoption.provider.to_string(),
        provider_id: adoption.provider_id.to_string(),
        flow: adoption.flow.to_string(),
        record: adoption.record.as_ref().map(record_to_wire),
    }
}
