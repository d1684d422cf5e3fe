//! From a fact of the intake to its message.

use crate::fields::WireEnum as _;
use crate::seal::EventSealer;
use crate::wire::verification as wire;
use crate::wire::verification::intake_event::Fact;

use super::{Accepted, Duplicated, IntakeEvent, Quarantined, meaning, raw};

pub(super) fn event(event: &IntakeEvent, seal: EventSealer<'_>) -> wire::IntakeEvent {
    let fact = match event {
        IntakeEvent::Accepted(accepted) => Fact::SignalAccepted(self::accepted(accepted, seal)),
        IntakeEvent::Duplicated(duplicated) => Fact::SignalDuplicated(self::duplicated(duplicated)),
        IntakeEvent::Quarantined(refused) => Fact::DeliveryQuarantined(quarantined(refused, seal)),
    };
    wire::IntakeEvent { fact: Some(fact) }
}

fn accepted(accepted: &Accepted, seal: EventSealer<'_>) -> wire::SignalAccepted {
    wire::SignalAccepted {
        connection: accepted.connection.to_string(),
        delivery_id: accepted.delivery_id.clone(),
        key_id: accepted.key_id.clone(),
        event: accepted.event.clone(),
        dedupe_digest: accepted.dedupe.0.to_vec(),
        subject: accepted.subject.clone(),
        occurred_at_ms: accepted.occurred_at.map(|time| time.0),
        received_at_ms: accepted.received_at.0,
        meaning: Some(meaning::to_wire(&accepted.meaning, seal)),
        raw: Some(raw::to_wire(&accepted.raw, "raw", seal)),
        replayed: accepted.replayed,
    }
}

fn duplicated(duplicated: &Duplicated) -> wire::SignalDuplicated {
    wire::SignalDuplicated {
        connection: duplicated.connection.to_string(),
        delivery_id: duplicated.delivery_id.clone(),
        key_id: duplicated.key_id.clone(),
        dedupe_digest: duplicated.dedupe.0.to_vec(),
        received_at_ms: duplicated.received_at.0,
        times: duplicated.times,
    }
}

fn quarantined(refused: &Quarantined, seal: EventSealer<'_>) -> wire::DeliveryQuarantined {
    wire::DeliveryQuarantined {
        connection: refused.connection.to_string(),
        reason: refused.reason.to_wire(),
        bytes: refused.bytes,
        sha256: refused.sha256.0.to_vec(),
        received_at_ms: refused.received_at.0,
        delivery: refused.delivery.as_ref().map(|delivery| raw::to_wire(delivery, "delivery", seal)),
    }
}
