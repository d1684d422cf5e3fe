//! What a signal means, to and from the wire.

use std::collections::BTreeMap;

use domain::intake::{Actor, Claim, EnvelopeNews, Meaning, NoMeaning, RecordChange, Refusal};
use domain::personal::Personal;
use domain::time::Timestamp;
use prost::Message as _;

use crate::DecodeError;
use crate::fields::{WireEnum as _, parse, parties, parties_to_wire, required, wire_enum};
use crate::seal::{EventOpener, EventSealer};
use crate::wire::common::Sealed;
use crate::wire::verification as wire;
use crate::wire::verification::ClaimKind;
use crate::wire::verification::signal_accepted::Meaning as WireMeaning;

wire_enum!(NoMeaning = wire::NoMeaning { Unreadable, UnknownEvent, NotOurs });
wire_enum!(Actor = wire::Actor { Human, Integration, Import, Workflow, Unknown });
wire_enum!(
    Refusal = wire::RefusalReason {
        SignatureMissing,
        SignatureRepeated,
        SignatureMalformed,
        SignatureWrong,
        TimestampMalformed,
        TimestampOutOfWindow,
        PathWrong,
        SourceUnexpected,
        ConnectionUnknown,
    }
);

pub(super) fn to_wire(meaning: &Meaning, seal: EventSealer<'_>) -> WireMeaning {
    match meaning {
        Meaning::Envelope(news) => {
            let (claim, reason) = claim_to_wire(&news.claim);
            WireMeaning::Envelope(wire::EnvelopeNews {
                provider_id: news.provider_id.to_string(),
                claim: claim.into(),
                reason: seal.optional("reason", reason),
                correlation: correlation_to_wire(&news.correlation, seal),
                revision: news.revision,
                parties: parties_to_wire(&news.parties),
                conclusive: news.conclusive,
            })
        }
        Meaning::Record(change) => WireMeaning::Record(wire::RecordChange {
            account: change.account.clone(),
            object_type: change.object_type.clone(),
            object_id: change.object_id.clone(),
            property: change.property.clone(),
            value: Some(seal.personal("value", &change.value)),
            changed_at_ms: change.changed_at.0,
            actor: change.actor.to_wire(),
            actor_id: change.actor_id.clone(),
        }),
        Meaning::Nothing(why) => WireMeaning::Nothing(why.to_wire()),
    }
}

pub(super) fn from_wire(meaning: WireMeaning, open: EventOpener<'_>) -> Result<Meaning, DecodeError> {
    Ok(match meaning {
        WireMeaning::Envelope(news) => {
            let reason = open.optional("reason", news.reason.as_ref())?;
            Meaning::Envelope(EnvelopeNews {
                provider_id: parse(&news.provider_id, "provider_id")?,
                claim: claim(news.claim, reason)?,
                correlation: correlation(news.correlation.as_ref(), open)?,
                revision: news.revision,
                parties: parties(news.parties)?,
                conclusive: news.conclusive,
            })
        }
        WireMeaning::Record(change) => Meaning::Record(RecordChange {
            account: change.account,
            object_type: change.object_type,
            object_id: change.object_id,
            property: change.property,
            value: open.personal("value", change.value.as_ref())?,
            changed_at: Timestamp(change.changed_at_ms),
            actor: Actor::from_wire(change.actor, "actor")?,
            actor_id: change.actor_id,
        }),
        WireMeaning::Nothing(why) => Meaning::Nothing(NoMeaning::from_wire(why, "nothing")?),
    })
}

/// Somebody may have put an address into it, so it is sealed as a whole; once erased it is empty.
fn correlation_to_wire(entries: &BTreeMap<String, String>, seal: EventSealer<'_>) -> Option<Sealed> {
    let entries = wire::CorrelationData { entries: entries.clone() };
    (!entries.entries.is_empty()).then(|| seal.bytes("correlation", &entries.encode_to_vec()))
}

fn correlation(
    sealed: Option<&Sealed>,
    open: EventOpener<'_>,
) -> Result<BTreeMap<String, String>, DecodeError> {
    let Some(sealed) = sealed else { return Ok(BTreeMap::new()) };
    let Some(bytes) = open.bytes("correlation", sealed)? else { return Ok(BTreeMap::new()) };
    Ok(wire::CorrelationData::decode(bytes.as_slice())?.entries)
}

const fn claim_to_wire(claim: &Claim) -> (ClaimKind, Option<&Personal>) {
    let kind = match claim {
        Claim::PreparationFailed { reason } => return (ClaimKind::PreparationFailed, Some(reason)),
        Claim::Declined { reason } => return (ClaimKind::Declined, reason.as_ref()),
        Claim::Processing => ClaimKind::Processing,
        Claim::Draft => ClaimKind::Draft,
        Claim::Scheduled => ClaimKind::Scheduled,
        Claim::ApprovalRequested => ClaimKind::ApprovalRequested,
        Claim::ApprovalGranted => ClaimKind::ApprovalGranted,
        Claim::ApprovalRefused => ClaimKind::ApprovalRefused,
        Claim::Sent => ClaimKind::Sent,
        Claim::Viewed => ClaimKind::Viewed,
        Claim::ChangesSuggested => ClaimKind::ChangesSuggested,
        Claim::PartySigned => ClaimKind::PartySigned,
        Claim::PaymentDue => ClaimKind::PaymentDue,
        Claim::Paid => ClaimKind::Paid,
        Claim::Completed => ClaimKind::Completed,
        Claim::Voided => ClaimKind::Voided,
        Claim::Expired => ClaimKind::Expired,
        Claim::Deleted => ClaimKind::Deleted,
        Claim::ArtifactReady => ClaimKind::ArtifactReady,
        Claim::DataExtracted => ClaimKind::DataExtracted,
        Claim::Hint => ClaimKind::Hint,
    };
    (kind, None)
}

fn claim(kind: i32, reason: Option<Personal>) -> Result<Claim, DecodeError> {
    Ok(match ClaimKind::try_from(kind).unwrap_or(ClaimKind::Unspecified) {
        ClaimKind::Unspecified => {
            return Err(DecodeError::UnknownValue { field: "claim".to_owned(), value: kind });
        }
        ClaimKind::PreparationFailed => Claim::PreparationFailed { reason: required(reason, "reason")? },
        ClaimKind::Declined => Claim::Declined { reason },
        ClaimKind::Processing => Claim::Processing,
        ClaimKind::Draft => Claim::Draft,
        ClaimKind::Scheduled => Claim::Scheduled,
        ClaimKind::ApprovalRequested => Claim::ApprovalRequested,
        ClaimKind::ApprovalGranted => Claim::ApprovalGranted,
        ClaimKind::ApprovalRefused => Claim::ApprovalRefused,
        ClaimKind::Sent => Claim::Sent,
        ClaimKind::Viewed => Claim::Viewed,
        ClaimKind::ChangesSuggested => Claim::ChangesSuggested,
        ClaimKind::PartySigned => Claim::PartySigned,
        ClaimKind::PaymentDue => Claim::PaymentDue,
        ClaimKind::Paid => Claim::Paid,
        ClaimKind::Completed => Claim::Completed,
        ClaimKind::Voided => Claim::Voided,
        ClaimKind::Expired => Claim::Expired,
        ClaimKind::Deleted => Claim::Deleted,
        ClaimKind::ArtifactReady => Claim::ArtifactReady,
        ClaimKind::DataExtracted => Claim::DataExtracted,
        ClaimKind::Hint => Claim::Hint,
    })
}
