//! Events of the category envelopes, the envelope as gRPC shows it, and the request for a new one.
//!
//! Every event of an envelope is sealed under the key of the group [`key_group`].

use domain::envelope::{
    Attention, Correction, CreateFailure, Detection, Event, HoldReason, IgnoreReason, Stage, VoidReason,
};
use domain::ids::{EnvelopeId, EventId};
use prost::Message as _;

use crate::fields::wire_enum;
use crate::seal::{Opener, Sealer};
use crate::wire::envelope as wire;
use crate::{DecodeError, Encoded};

mod decode;
mod encode;
mod order;
mod request;
mod resource;

pub use request::{CreateEnvelope, FieldViolation, UPLOAD_BYTES_MAX, create_request};
pub use resource::resource;

/// The schema that is written.
const SCHEMA: u32 = 1;

wire_enum!(
    CreateFailure = wire::CreateFailure { InvalidRequest, Forbidden, TooLarge, ProviderFailed, Exhausted }
);
wire_enum!(
    Attention = wire::Attention {
        DetectionFailed,
        NoFields,
        PreparationSlow,
        ApprovalRefused,
        ChangesSuggested,
        FieldsMoving,
    }
);
wire_enum!(Detection = wire::Detection { Pending, Ready, Failed, RecoveredEmpty });
wire_enum!(HoldReason = wire::HoldReason { CreditsExhausted, NotReady, VersionMoved, Locked });
wire_enum!(VoidReason = wire::VoidReason { Requested, Deadline });
wire_enum!(Correction = wire::Correction { Completed, Declined, CompletedAfterVoid });
wire_enum!(
    IgnoreReason = wire::IgnoreReason { Stale, NothingNew, Late, Closed, Illegal, Contradiction, NoEffect }
);
wire_enum!(domain::envelope::SendPolicy = wire::SendPolicy { Review, Auto });
wire_enum!(domain::envelope::Payment = wire::Payment { None, Due, Paid });
wire_enum!(
    Stage = wire::Stage {
        Absent,
        Requested,
        Creating,
        Preparing,
        InReview,
        NeedsAttention,
        AwaitingApproval,
        Sending,
        Sent,
        Viewed,
        PartiallySigned,
        AwaitingPayment,
        Completed,
        Declined,
        Voided,
        Expired,
        Failed,
        Deleted,
    }
);

/// The data subject group whose key seals everything personal about an envelope.
pub fn key_group(envelope: &EnvelopeId) -> String {
    envelope.to_string()
}

/// The event as the log takes it. `id` is the id it is appended under: sealed fields are bound to it.
pub fn encode(event: &Event, id: &EventId, sealer: &Sealer) -> Encoded {
    let payload = encode::event(event, sealer.within(id)).encode_to_vec();
    Encoded { kind: kind(event), schema: SCHEMA, payload }
}

/// The event that the log gave back.
///
/// # Errors
/// When a newer version wrote it, a field is missing or unknown, or a sealed field does not open.
pub fn decode(
    kind: &str,
    schema: u32,
    payload: &[u8],
    id: &EventId,
    opener: &Opener,
) -> Result<Event, DecodeError> {
    if !kind.starts_with("envelope.") {
        return Err(DecodeError::UnknownKind(kind.to_owned()));
    }
    if schema != SCHEMA {
        return Err(DecodeError::UnknownSchema { kind: kind.to_owned(), schema });
    }
    let event = decode::event(wire::EnvelopeEvent::decode(payload)?, kind, opener.within(id))?;
    let found = self::kind(&event);
    if found != kind {
        return Err(DecodeError::KindMismatch { kind: kind.to_owned(), found });
    }
    Ok(event)
}

/// The kind an event is stored under.
pub const fn kind(event: &Event) -> &'static str {
    match event {
        Event::Requested { .. } => "envelope.requested",
        Event::Adopted { .. } => "envelope.adopted",
        Event::CreateStarted { .. } => "envelope.create_started",
        Event::Created { .. } => "envelope.created",
        Event::Failed { .. } => "envelope.failed",
        Event::ReadyForReview { .. } => "envelope.ready_for_review",
        Event::AttentionNeeded { .. } => "envelope.attention_needed",
        Event::FieldsChanged { .. } => "envelope.fields_changed",
        Event::ApprovalRequested { .. } => "envelope.approval_requested",
        Event::SendRequested { .. } => "envelope.send_requested",
        Event::SendHeld { .. } => "envelope.send_held",
        Event::SendResumed { .. } => "envelope.send_resumed",
        Event::Sent { .. } => "envelope.sent",
        Event::Viewed { .. } => "envelope.viewed",
        Event::PartiesProgressed { .. } => "envelope.parties_progressed",
        Event::PaymentDue { .. } => "envelope.payment_due",
        Event::Paid { .. } => "envelope.paid",
        Event::Completed { .. } => "envelope.completed",
        Event::Declined { .. } => "envelope.declined",
        Event::VoidRequested { .. } => "envelope.void_requested",
        Event::VoidRefused { .. } => "envelope.void_refused",
        Event::Voided { .. } => "envelope.voided",
        Event::Expired { .. } => "envelope.expired",
        Event::Deleted { .. } => "envelope.deleted",
        Event::Reopened { .. } => "envelope.reopened",
        Event::Corrected { .. } => "envelope.corrected",
        Event::ConfirmationRequested { .. } => "envelope.confirmation_requested",
        Event::Confirmed { .. } => "envelope.confirmed",
        Event::ArtifactReady { .. } => "envelope.artifact_ready",
        Event::ArtifactStored { .. } => "envelope.artifact_stored",
        Event::ArtifactUnavailable { .. } => "envelope.artifact_unavailable",
        Event::ReminderRequested { .. } => "envelope.reminder_requested",
        Event::FieldsEdited { .. } => "envelope.fields_edited",
        Event::ReminderStarted { .. } => "envelope.reminder_started",
        Event::ReminderNotMade { .. } => "envelope.reminder_not_made",
        Event::RevisionMoved { .. } => "envelope.revision_moved",
        Event::Reconciled { .. } => "envelope.reconciled",
        Event::SignalIgnored { .. } => "envelope.signal_ignored",
    }
}
