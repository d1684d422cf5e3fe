//! From a message to the fact of the intake.

use domain::intake::Refusal;
use domain::time::Timestamp;

use crate::DecodeError;
use crate::fields::{WireEnum as _, digest, parse, required};
use crate::seal::EventOpener;
use crate::wire::verification as wire;
use crate::wire::verification::intake_event::Fact;

use super::{Accepted, Duplicated, IntakeEvent, Quarantined, meaning, raw};

pub(super) fn event(fact: Fact, open: EventOpener<'_>) -> Result<IntakeEvent, DecodeError> {
    Ok(match fact {
        Fact::SignalAccepted(fact) => IntakeEvent::Accepted(Box::new(accepted(fact, open)?)),
        Fact::SignalDuplicated(fact) => IntakeEvent::Duplicated(duplicated(fact)?),
        Fact::DeliveryQuarantined(fact) => IntakeEvent::Quarantined(quarantined(fact, open)?),
    })
}

fn accepted(fact: wire::SignalAccepted, open: EventOpener<'_>) -> Result<Accepted, DecodeError> {
    Ok(Accepted {
        connection: parse(&fact.connection, "connection")?,
        delivery_id: fact.delivery_id,
        key_id: fact.key_id,
        event: fact.event,
        dedupe: digest(&fact.dedupe_digest, "dedupe_digest")?,
        subject: fact.subject,
        occurred_at: fact.occurred_at_ms.map(Timestamp),
        received_at: Timestamp(fact.received_at_ms),
        meaning: meaning::from_wire(required(fact.meaning, "meaning")?, open)?,
        replayed: fact.replayed,
        raw: raw::from_wire(required(fact.raw, "raw")?, "raw", open)?,
    })
}

fn duplicated(fact: wire::SignalDuplicated) -> Result<Duplicated, DecodeError> {
    Ok(Duplicated {
        connection: parse(&fact.connection, "connection")?,
        delivery_id: fact.delivery_id,
        key_id: fact.key_id,
        dedupe: digest(&fact.dedupe_digest, "dedupe_digest")?,
        received_at: Timestamp(fact.received_at_ms),
        times: fact.times,
    })
}

fn quarantined(fact: wire::DeliveryQuarantined, open: EventOpener<'_>) -> Result<Quarantined, DecodeError> {
    Ok(Quarantined {
        connection: parse(&fact.connection, "connection")?,
        reason: Refusal::from_wire(fact.reason, "reason")?,
        bytes: fact.bytes,
        sha256: digest(&fact.sha256, "sha256")?,
        received_at: Timestamp(fact.received_at_ms),
        delivery: fact.delivery.map(|delivery| raw::from_wire(delivery, "delivery", open)).transpose()?,
    })
}
