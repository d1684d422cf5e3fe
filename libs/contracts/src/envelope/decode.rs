//! From a message to the domain event.

use domain::envelope::{Adoption, Event};
use domain::time::Timestamp;

use crate::DecodeError;
use crate::fields::{WireEnum as _, digest, parse, parties, record};
use crate::seal::EventOpener;
use crate::wire::envelope as wire;
use crate::wire::envelope::envelope_event::Fact;

use super::order;

pub(super) fn event(
    event: wire::EnvelopeEvent,
    kind: &str,
    open: EventOpener<'_>,
) -> Result<Event, DecodeError> {
    let at = Timestamp(event.at_ms);
    // A fact of a newer version is skipped by the protobuf reader and shows as none at all.
    let fact = event.fact.ok_or_else(|| DecodeError::UnknownKind(kind.to_owned()))?;
    Ok(match fact {
        Fact::Requested(fact) => Event::Requested { order: Box::new(order::from_wire(fact, open)?), at },
        Fact::Adopted(fact) => Event::Adopted { adoption: adoption(fact)?, at },
        Fact::CreateStarted(fact) => {
            Event::CreateStarted { way: Some(fact.way).filter(|way| !way.is_empty()), at }
        }
        Fact::Created(fact) => Event::Created {
            provider_id: parse(&fact.provider_id, "provider_id")?,
            review_link: open.optional("review_link", fact.review_link.as_ref())?,
            at,
        },
        Fact::Failed(fact) => Event::Failed {
            failure: domain::envelope::CreateFailure::from_wire(fact.failure, "failure")?,
            reason: open.optional("reason", fact.reason.as_ref())?,
            at,
        },
        Fact::ReadyForReview(wire::ReadyForReview {}) => Event::ReadyForReview { at },
        Fact::AttentionNeeded(fact) => Event::AttentionNeeded {
            attention: domain::envelope::Attention::from_wire(fact.attention, "attention")?,
            at,
        },
        Fact::FieldsChanged(fact) => Event::FieldsChanged {
            detection: domain::envelope::Detection::from_wire(fact.detection, "detection")?,
            fields_version: fact.fields_version,
            at,
        },
        Fact::ApprovalRequested(wire::ApprovalRequested {}) => Event::ApprovalRequested { at },
        Fact::SendRequested(fact) => Event::SendRequested { fields_version: fact.fields_version, at },
        Fact::SendHeld(fact) => {
            Event::SendHeld { reason: domain::envelope::HoldReason::from_wire(fact.reason, "reason")?, at }
        }
        Fact::SendResumed(fact) => Event::SendResumed { fields_version: fact.fields_version, at },
        Fact::Sent(wire::Sent {}) => Event::Sent { at },
        Fact::Viewed(wire::Viewed {}) => Event::Viewed { at },
        Fact::PartiesProgressed(fact) => {
            Event::PartiesProgressed { parties: parties(fact.parties)?, total: fact.total, at }
        }
        Fact::PaymentDue(wire::PaymentDue {}) => Event::PaymentDue { at },
        Fact::Paid(wire::Paid {}) => Event::Paid { at },
        Fact::Completed(fact) => Event::Completed { confirmed: fact.confirmed, at },
        Fact::Declined(fact) => {
            Event::Declined { reason: open.optional("reason", fact.reason.as_ref())?, at }
        }
        Fact::VoidRequested(fact) => Event::VoidRequested {
            reason: domain::envelope::VoidReason::from_wire(fact.reason, "reason")?,
            at,
        },
        Fact::VoidRefused(wire::VoidRefused {}) => Event::VoidRefused { at },
        Fact::Voided(wire::Voided {}) => Event::Voided { at },
        Fact::Expired(wire::Expired {}) => Event::Expired { at },
        Fact::Deleted(wire::Deleted {}) => Event::Deleted { at },
        Fact::Reopened(wire::Reopened {}) => Event::Reopened { at },
        Fact::Corrected(fact) => {
            Event::Corrected { to: domain::envelope::Correction::from_wire(fact.to, "to")?, at }
        }
        Fact::ConfirmationRequested(wire::ConfirmationRequested {}) => Event::ConfirmationRequested { at },
        Fact::Confirmed(wire::Confirmed {}) => Event::Confirmed { at },
        Fact::ArtifactReady(wire::ArtifactReady {}) => Event::ArtifactReady { at },
        Fact::ArtifactStored(fact) => {
            Event::ArtifactStored { digest: digest(&fact.digest, "digest")?, bytes: fact.bytes, at }
        }
        Fact::ArtifactUnavailable(wire::ArtifactUnavailable {}) => Event::ArtifactUnavailable { at },
        Fact::ReminderRequested(fact) => Event::ReminderRequested { number: fact.number, at },
        Fact::FieldsEdited(fact) => Event::FieldsEdited { fields_version: fact.fields_version, at },
        Fact::ReminderStarted(fact) => Event::ReminderStarted { number: fact.number, at },
        Fact::ReminderNotMade(fact) => Event::ReminderNotMade { number: fact.number, at },
        Fact::RevisionMoved(fact) => Event::RevisionMoved { revision: fact.revision, at },
        Fact::Reconciled(fact) => Event::Reconciled { claim: fact.claim, at },
        Fact::SignalIgnored(fact) => Event::SignalIgnored {
            claim: fact.claim,
            reason: domain::envelope::IgnoreReason::from_wire(fact.reason, "reason")?,
            at,
        },
    })
}

fn adoption(fact: wire::Adopted) -> Result<Adoption, DecodeError> {
    Ok(Adoption {
        provider: parse(&fact.provider, "provider")?,
        provider_id: parse(&fact.provider_id, "provider_id")?,
        flow: parse(&fact.flow, "flow")?,
        record: fact.record.map(record).transpose()?,
    })
}
