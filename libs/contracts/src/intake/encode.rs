//! From a fact of the intake to its message.

use crate::fields::WireEnum as _;
use crate::seal::EventSealer;
use crate::wire::verification as wire;
use crate::wire::verification::intake_event::Fact;

use super::{
    Accepted, Discarded, Duplicated, IntakeEvent, Named, Quarantined, Refused, Released, meaning,
    quarantine_group, raw,
};

pub(super) fn event(event: &IntakeEvent, seal: EventSealer<'_>) -> wire::IntakeEvent {
    let fact = match event {
        IntakeEvent::Accepted(accepted) => Fact::SignalAccepted(self::accepted(accepted, seal)),
        IntakeEvent::Duplicated(duplicated) => Fact::SignalDuplicated(self::duplicated(duplicated)),
        IntakeEvent::Quarantined(refused) => Fact::DeliveryQuarantined(quarantined(refused, seal)),
        IntakeEvent::Released(released) => Fact::DeliveryReleased(self::released(released)),
        IntakeEvent::Discarded(discarded) => Fact::DeliveryDiscarded(self::discarded(discarded)),
        IntakeEvent::Refused(refused) => Fact::DeliveriesRefused(self::refused(refused)),
        IntakeEvent::Named(named) => Fact::SignalNamed(self::named(named)),
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
        // As the first version wrote it, so that its bytes stay the same.
        key_group: if refused.key_group == quarantine_group(&refused.connection) {
            String::new()
        } else {
            refused.key_group.clone()
        },
        content_bytes: refused.content_bytes,
    }
}

fn released(released: &Released) -> wire::DeliveryReleased {
    wire::DeliveryReleased {
        connection: released.connection.to_string(),
        key_id: released.key_id.clone(),
        signals_new: released.signals_new,
        signals_known: released.signals_known,
        received_at_ms: released.received_at.0,
        at_ms: released.at.0,
        content_bytes: released.content_bytes,
    }
}

fn discarded(discarded: &Discarded) -> wire::DeliveryDiscarded {
    wire::DeliveryDiscarded {
        connection: discarded.connection.to_string(),
        cause: discarded.cause.to_wire(),
        reason: discarded.reason.clone(),
        received_at_ms: discarded.received_at.0,
        at_ms: discarded.at.0,
        content_bytes: discarded.content_bytes,
    }
}

fn refused(refused: &Refused) -> wire::DeliveriesRefused {
    wire::DeliveriesRefused {
        connection: refused.connection.to_string(),
        reason: refused.reason.to_wire(),
        times: refused.times,
        received_at_ms: refused.received_at.0,
        at_ms: refused.at.0,
    }
}

fn named(named: &Named) -> wire::SignalNamed {
    wire::SignalNamed {
        connection: named.connection.to_string(),
        dedupe_digest: named.dedupe.0.to_vec(),
        signal_digest: named.signal.0.to_vec(),
        received_at_ms: named.received_at.0,
    }
}
