//! What the expressions of a flow see: the trigger, the record, the envelope.

use domain::envelope::{Envelope, Stage};
use domain::ids::EnvelopeId;
use domain::intake::RecordChange;
use domain::personal::Personal;
use domain::time::Timestamp;
use serde_json::{Map, Value, json};

/// What a flow's `if` sees: the event and the change, before anything is read from the CRM.
pub fn of_change(event: &str, change: &RecordChange) -> Value {
    json!({
        "event": event,
        "account": change.account,
        "object_type": change.object_type,
        "object_id": change.object_id,
        "property": change.property,
        "value": change.value.reveal(),
        "actor": change.actor.name(),
    })
}

/// Adds the record's properties as `record.…`; a property without value is null and prints as nothing.
pub fn with_record(mut context: Value, record: &crms::Record) -> Value {
    let properties: Map<String, Value> = record
        .properties
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().map_or(Value::Null, Value::String)))
        .collect();
    context["record"] = Value::Object(properties);
    context
}

/// What the texts of a `write` see of the envelope, as `envelope.…`.
pub fn of_envelope(id: &EnvelopeId, envelope: &Envelope, flow: &str) -> Value {
    let reveal =
        |personal: &Option<Personal>| personal.as_ref().and_then(Personal::reveal).map(str::to_owned);
    json!({"envelope": {
        "id": id.to_string(),
        "provider_id": envelope.provider_id.as_ref().map(ToString::to_string),
        "review_url": reveal(&envelope.review_link),
        "flow": flow,
        "stage": envelope.stage.name(),
        "status": status(envelope.stage),
        "reason": reveal(&envelope.reason),
        "generation": envelope.generation,
        "signed_count": envelope.signed_count(),
        "total": envelope.parties.len(),
        "sent_at": envelope.sent_at.map(iso),
        "viewed_at": envelope.viewed_at.map(iso),
        "completed_at": envelope.completed_at.map(iso),
        "closed_at": envelope.closed_at.map(iso),
    }})
}

/// What the texts of `on_failed` see when there is no envelope because the trigger could not be taken.
pub fn of_refusal(reason: &str) -> Value {
    json!({"envelope": {
        "id": null, "provider_id": null, "review_url": null, "flow": null, "stage": "failed",
        "status": "failed", "reason": reason, "generation": 1, "signed_count": 0, "total": 0,
        "sent_at": null, "viewed_at": null, "completed_at": null, "closed_at": null,
    }})
}

/// The word of crm.md §6.4 for a stage.
const fn status(stage: Stage) -> &'static str {
    match stage {
        Stage::Absent
        | Stage::Requested
        | Stage::Creating
        | Stage::Preparing
        | Stage::InReview
        | Stage::NeedsAttention
        | Stage::AwaitingApproval
        | Stage::Sending => "created",
        Stage::Sent => "sent",
        Stage::Viewed | Stage::PartiallySigned | Stage::AwaitingPayment => "viewed",
        Stage::Completed => "signed",
        Stage::Declined => "declined",
        Stage::Voided | Stage::Deleted => "voided",
        Stage::Expired => "expired",
        Stage::Failed => "failed",
    }
}

/// ISO 8601 in UTC with milliseconds, as every CRM takes it.
fn iso(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.0).map(|at| format!("{at:.3}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_without_reason_shows_null_and_not_an_unknown_name() {
        let context = of_envelope(&EnvelopeId::from_bytes([1; 16]), &Envelope::default(), "order-form");
        assert!(context["envelope"]["reason"].is_null());
        assert!(context["envelope"].as_object().unwrap().contains_key("completed_at"));
    }
}
