//! Events of the category parked: deliveries that wait until verification takes them.

use domain::ids::{ConnectionId, EventId};
use domain::time::Timestamp;
use prost::Message as _;

use crate::fields::{parse, required};
use crate::intake::{Raw, raw_from_wire, raw_to_wire};
use crate::seal::{Opener, Sealer};
use crate::wire::ingress as wire;
use crate::wire::ingress::parked_event::Fact;
use crate::{DecodeError, Encoded};

/// The verdict on a delivery whose key was erased while it waited: there was nothing left to hand over.
pub const ERASED: &str = "erased";

/// The schema that is written.
const SCHEMA: u32 = 1;

/// A fact of the category parked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParkedEvent {
    /// A delivery is kept until verification takes it.
    Parked(Parked),
    /// It waits no more: verification took it, or refused it for good, or it was erased.
    HandedOver {
        /// Name of the verdict, for example `verdict_accepted`, or [`ERASED`].
        verdict: String,
        /// When.
        at: Timestamp,
    },
}

/// A delivery that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// Connection named in the path.
    pub connection: ConnectionId,
    /// Size of the body in bytes.
    pub bytes: u64,
    /// When it had been read.
    pub received_at: Timestamp,
    /// The whole delivery: an encoded [`crate::wire::verification::Delivery`].
    pub delivery: Raw,
}

/// The data subject group of what is parked for a connection.
pub fn key_group(connection: &ConnectionId) -> String {
    format!("parked-{connection}")
}

/// The group whose key opens this event, to be looked up before [`decode`]; `None` if nothing in it is sealed.
///
/// # Errors
/// As [`decode`].
pub fn group(kind: &str, schema: u32, payload: &[u8]) -> Result<Option<String>, DecodeError> {
    Ok(match fact(kind, schema, payload)? {
        Fact::DeliveryParked(fact) => Some(key_group(&parse(&fact.connection, "connection")?)),
        Fact::DeliveryHandedOver(_) => None,
    })
}

/// The event as the log takes it. `id` is the id it is appended under: sealed fields are bound to it.
pub fn encode(event: &ParkedEvent, id: &EventId, sealer: &Sealer) -> Encoded {
    let fact = match event {
        ParkedEvent::Parked(parked) => Fact::DeliveryParked(wire::DeliveryParked {
            connection: parked.connection.to_string(),
            bytes: parked.bytes,
            received_at_ms: parked.received_at.0,
            delivery: Some(raw_to_wire(&parked.delivery, "delivery", sealer.within(id))),
        }),
        ParkedEvent::HandedOver { verdict, at } => {
            Fact::DeliveryHandedOver(wire::DeliveryHandedOver { verdict: verdict.clone(), at_ms: at.0 })
        }
    };
    let payload = wire::ParkedEvent { fact: Some(fact) }.encode_to_vec();
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
) -> Result<ParkedEvent, DecodeError> {
    let event = match fact(kind, schema, payload)? {
        Fact::DeliveryParked(fact) => {
            let delivery = required(fact.delivery, "delivery")?;
            ParkedEvent::Parked(Parked {
                connection: parse(&fact.connection, "connection")?,
                bytes: fact.bytes,
                received_at: Timestamp(fact.received_at_ms),
                delivery: raw_from_wire(delivery, "delivery", opener.within(id))?,
            })
        }
        Fact::DeliveryHandedOver(fact) => {
            ParkedEvent::HandedOver { verdict: fact.verdict, at: Timestamp(fact.at_ms) }
        }
    };
    let found = self::kind(&event);
    if found != kind {
        return Err(DecodeError::KindMismatch { kind: kind.to_owned(), found });
    }
    Ok(event)
}

/// The kind an event is stored under.
pub const fn kind(event: &ParkedEvent) -> &'static str {
    match event {
        ParkedEvent::Parked(_) => "parked.delivery_parked",
        ParkedEvent::HandedOver { .. } => "parked.delivery_handed_over",
    }
}

fn fact(kind: &str, schema: u32, payload: &[u8]) -> Result<Fact, DecodeError> {
    if !kind.starts_with("parked.") {
        return Err(DecodeError::UnknownKind(kind.to_owned()));
    }
    if schema != SCHEMA {
        return Err(DecodeError::UnknownSchema { kind: kind.to_owned(), schema });
    }
    wire::ParkedEvent::decode(payload)?.fact.ok_or_else(|| DecodeError::UnknownKind(kind.to_owned()))
}
