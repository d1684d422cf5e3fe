//! The envelope as gRPC shows it.

use domain::envelope::{Artifact, Document, Envelope};
use domain::ids::{EnvelopeId, TenantId};
use domain::intake::Standing;
use domain::parties::Party;
use domain::personal::Personal;
use domain::time::Timestamp;

use crate::fields::{WireEnum, millis, record_to_wire};
use crate::wire::envelope as wire;

/// The envelope as gRPC shows it. It holds names, addresses and the review link in clear: answer with it,
/// never log it. `version` is the position of the envelope's last commit.
pub fn resource(id: &EnvelopeId, tenant: &TenantId, version: u64, envelope: &Envelope) -> wire::Envelope {
    let order = envelope.order.as_ref();
    let parties = parties(envelope);
    wire::Envelope {
        envelope_id: id.to_string(),
        tenant: tenant.to_string(),
        version,
        stage: envelope.stage.to_wire(),
        stage_since_ms: envelope.stage_since.0,
        generation: envelope.generation,
        flow: envelope.flow().map(ToString::to_string).unwrap_or_default(),
        provider: envelope.provider().map(ToString::to_string).unwrap_or_default(),
        provider_id: envelope.provider_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        record: envelope.record().map(record_to_wire),
        operation_key: order.map(|order| order.operation_key.to_string()).unwrap_or_default(),
        adopted: envelope.adoption.is_some(),
        title: order.map(|order| order.title.clone()).unwrap_or_default(),
        document: order.map_or(wire::DocumentKind::Unspecified, |order| kind(&order.document)).into(),
        send: optional(order.map(|order| order.send)),
        parties_total: u32::try_from(parties.len()).unwrap_or(u32::MAX),
        parties,
        signed_count: envelope.signed_count(),
        review_url: clear(envelope.review_link.as_ref()),
        detection: envelope.detection.to_wire(),
        fields_version: envelope.fields_version,
        revision: envelope.revision,
        attention: optional(envelope.attention),
        hold: optional(envelope.hold),
        send_attempts: envelope.send_attempts,
        void_requested: optional(envelope.void_requested),
        artifact: Some(artifact(envelope.artifact)),
        payment: envelope.payment.to_wire(),
        confirmed: envelope.confirmed,
        confirmation_requested: envelope.confirmation_requested,
        reminders_sent: envelope.reminders_sent,
        reason: clear(envelope.reason.as_ref()),
        correlation: order.map(|order| wire::Correlation {
            external_id: order.correlation.external_id.clone(),
            client_reference_id: order.correlation.client_reference_id.clone(),
        }),
        requested_at_ms: at(envelope.requested_at),
        created_at_ms: at(envelope.created_at),
        sent_at_ms: at(envelope.sent_at),
        viewed_at_ms: at(envelope.viewed_at),
        completed_at_ms: at(envelope.completed_at),
        closed_at_ms: at(envelope.closed_at),
        expires_after_ms: order.and_then(|order| order.expires_after).map_or(0, millis),
        remind_after_ms: order
            .map(|order| order.remind_after.iter().copied().map(millis).collect())
            .unwrap_or_default(),
        erased: erased(envelope),
    }
}

/// The parties that were ordered, and those that only the provider knows, by order.
fn parties(envelope: &Envelope) -> Vec<wire::Party> {
    let ordered = envelope.ordered_parties().map_or(&[][..], |parties| parties.as_slice());
    let mut parties: Vec<wire::Party> = ordered.iter().map(named).collect();
    for state in &envelope.parties {
        let known = parties.iter().position(|party| party.order == state.order);
        let index = known.unwrap_or_else(|| {
            parties.push(wire::Party { order: state.order, ..wire::Party::default() });
            parties.len() - 1
        });
        parties[index].standing = state.standing.to_wire();
        parties[index].signed_at_ms = at(state.signed_at);
    }
    parties.sort_by_key(|party| party.order);
    parties
}

fn named(party: &Party) -> wire::Party {
    wire::Party {
        order: party.order,
        role: party.role.clone(),
        name: clear(Some(&party.name)),
        email: clear(Some(&party.email)),
        standing: Standing::Waiting.to_wire(),
        signed_at_ms: 0,
    }
}

const fn kind(document: &Document) -> wire::DocumentKind {
    match document {
        Document::Url(_) => wire::DocumentKind::Url,
        Document::Upload { .. } => wire::DocumentKind::Upload,
        Document::Template { .. } => wire::DocumentKind::Template,
    }
}

fn artifact(artifact: Artifact) -> wire::Artifact {
    let state = match artifact {
        Artifact::None => wire::ArtifactState::None,
        Artifact::Pending => wire::ArtifactState::Pending,
        Artifact::Ready => wire::ArtifactState::Ready,
        Artifact::Stored { .. } => wire::ArtifactState::Stored,
        Artifact::Unavailable => wire::ArtifactState::Unavailable,
    };
    let (sha256, bytes) = match artifact {
        Artifact::Stored { digest, bytes } => (digest.0.to_vec(), bytes),
        Artifact::None | Artifact::Pending | Artifact::Ready | Artifact::Unavailable => (Vec::new(), 0),
    };
    wire::Artifact { state: state.into(), sha256, bytes }
}

/// Whether anything personal in it is erased. All of it shares one key, so one field tells.
fn erased(envelope: &Envelope) -> bool {
    let ordered = envelope.ordered_parties().map_or(&[][..], |parties| parties.as_slice());
    let named = ordered.iter().map(|party| &party.name);
    named.chain(&envelope.review_link).chain(&envelope.reason).any(|value| value.reveal().is_none())
}

/// In clear, because the caller asked for the envelope and is allowed to see it.
fn clear(value: Option<&Personal>) -> String {
    value.and_then(Personal::reveal).unwrap_or_default().to_owned()
}

fn at(time: Option<Timestamp>) -> i64 {
    time.map_or(0, |time| time.0)
}

/// 0, which is unspecified, for none.
fn optional<T: WireEnum>(value: Option<T>) -> i32 {
    value.map_or(0, WireEnum::to_wire)
}
