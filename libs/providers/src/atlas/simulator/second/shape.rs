//! Envelopes in the words of generation 2.

use domain::time::Timestamp;
use serde_json::{Value, json};

use super::super::shared::written;
use super::super::state::{Detection, Envelope, Party, Standing, Status};

/// The envelope, its participants and its fields.
pub(super) fn graph(envelope: &Envelope, now: Timestamp) -> Value {
    let ready = envelope.detection_at(now) == Detection::Ready;
    let fields = if ready { json!(envelope.fields) } else { json!([]) };
    json!({"envelope": core(envelope, now), "participants": participants(envelope), "fields": fields})
}

/// The envelope alone, as lists show it.
pub(super) fn core(envelope: &Envelope, now: Timestamp) -> Value {
    json!({
        "id": envelope.id, "organizationId": envelope.org, "version": envelope.version,
        "originalFilename": envelope.title, "sourceFormat": "pdf", "sizeBytes": envelope.document.len(),
        "status": word(envelope, now), "metadata": envelope.metadata,
        "createdAt": written(Some(envelope.created_at)), "sentAt": written(envelope.sent_at),
        "completedAt": written(envelope.signed_at), "declinedAt": written(envelope.declined_at),
        "voidedAt": written(envelope.voided_at), "expiredAt": written(envelope.expired_at), "scheduledSendAt": null,
    })
}

fn word(envelope: &Envelope, now: Timestamp) -> &'static str {
    match envelope.status {
        Status::Draft if envelope.detection_at(now) == Detection::Pending => "detecting",
        Status::Draft => "review",
        Status::Pending => "in_progress",
        Status::Signed => "completed",
        Status::Declined | Status::Voided | Status::Expired => envelope.status.word(),
    }
}

/// In signing order. Where they stand is told by times alone.
pub(in super::super) fn participants(envelope: &Envelope) -> Value {
    let shown = |(place, party): (usize, &Party)| {
        let declined = (party.standing == Standing::Declined).then_some(envelope.declined_at).flatten();
        json!({"id": format!("par_{}_{}", envelope.id, party.order), "envelopeId": envelope.id, "orderIndex": place,
               "name": party.name, "email": party.email, "signedAt": written(party.signed_at), "lastViewedAt": written(party.viewed_at),
               "declinedAt": written(declined), "declineReason": declined.and(envelope.reason.as_ref())})
    };
    envelope.parties.iter().enumerate().map(shown).collect()
}
