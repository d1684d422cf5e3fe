//! From a message to the fact of the intake.

use domain::intake::Refusal;
use domain::time::Timestamp;

use crate::DecodeError;
use crate::fields::{WireEnum as _, digest, parse, required};
use crate::seal::EventOpener;
use crate::wire::verification as wire;
use crate::wire::verification::intake_event::Fact;

use super::{
    Accepted, DiscardCause, Discarded, Duplicated, IntakeEvent, Named, Quarantined, Refused, Released,
    meaning, quarantined_key_group, raw,
};

pub(super) fn event(fact: Fact, open: EventOpener<'_>) -> Result<IntakeEvent, DecodeError> {
    Ok(match fact {
        Fact::SignalAccepted(fact) => IntakeEvent::Accepted(Box::new(accepted(fact, open)?)),
        Fact::SignalDuplicated(fact) => IntakeEvent::Duplicated(duplicated(fact)?),
        Fact::DeliveryQuarantined(fact) => IntakeEvent::Quarantined(quarantined(fact, open)?),
        Fact::DeliveryReleased(fact) => IntakeEvent::Released(released(fact)?),
        Fact::DeliveryDiscarded(fact) => IntakeEvent::Discarded(discarded(fact)?),
        Fact::DeliveriesRefused(fact) => IntakeEvent::Refused(refused(fact)?),
        Fact::SignalNamed(fact) => IntakeEvent::Named(named(fact)?),
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
        key_group: quarantined_key_group(fact.key_group, &fact.connection)?,
        content_bytes: fact.content_bytes,
    })
}

fn released(fact: wire::DeliveryReleased) -> Result<Released, DecodeError> {
    Ok(Released {
        connection: parse(&fact.connection, "connection")?,
        key_id: fact.key_id,
        signals_new: fact.signals_new,
        signals_known: fact.signals_known,
        received_at: Timestamp(fact.received_at_ms),
        at: Timestamp(fact.at_ms),
        content_bytes: fact.content_bytes,
    })
}

fn discarded(fact: wire::DeliveryDiscarded) -> Result<Discarded, DecodeError> {
    Ok(Discarded {
        connection: parse(&fact.connection, "connection")?,
        cause: DiscardCause::from_wire(fact.cause, "cause")?,
        reason: fact.reason,
        received_at: Timestamp(fact.received_at_ms),
        at: Timestamp(fact.at_ms),
        content_bytes: fact.content_bytes,
    })
}

fn refused(fact: wire::DeliveriesRefused) -> Result<Refused, DecodeError> {
    Ok(Refused {
        connection: parse(&fact.connection, "connection")?,
        reason: Refusal::from_wire(fact.reason, "reason")?,
        times: fact.times,
        received_at: Timestamp(fact.received_at_ms),
        at: Timestamp(fact.at_ms),
    })
}

fn named(fact: wire::SignalNamed) -> Result<Named, DecodeError> {
    Ok(Named {
        connection: parse(&fact.connection, "connection")?,
        dedupe: digest(&fact.dedupe_digest, "dedupe_digest")?,
        signal: digest(&fact.signal_digest, "signal_digest")?,
        received_at: Timestamp(fact.received_at_ms),
    })
}
