//! Events of the category intake: what came in and was believed, came again, or was not believed.
//!
//! One signal is one entity, so that a batch splits into signals and a duplicate meets its own entity. A
//! signal's personal data is sealed under the key of its group; [`group`] names it before anything is opened.

use domain::envelope::Digest;
use domain::ids::{ConnectionId, EventId};
use domain::intake::{Meaning, Refusal};
use domain::time::Timestamp;
use prost::Message as _;
use sha2::{Digest as _, Sha256};

use crate::fields::wire_enum;
use crate::seal::{Opener, Sealer};
use crate::wire::verification as wire;
use crate::wire::verification::intake_event::Fact;
use crate::{DecodeError, Encoded};

mod decode;
mod delivery;
mod encode;
mod meaning;
mod raw;

pub use delivery::{delivery_from_wire, delivery_to_wire};
pub use raw::{RAW_INLINE_BYTES_MAX, Raw};
pub(crate) use raw::{from_wire as raw_from_wire, to_wire as raw_to_wire};

/// The schema that is written.
const SCHEMA: u32 = 1;

/// A fact of the category intake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntakeEvent {
    /// A verified signal that was not known.
    Accepted(Box<Accepted>),
    /// A verified signal that was known.
    Duplicated(Duplicated),
    /// A delivery that was not believed.
    Quarantined(Quarantined),
    /// A quarantined delivery verified after all.
    Released(Released),
    /// A quarantined delivery was given up, and its content erased.
    Discarded(Discarded),
    /// Deliveries that were not believed, and of which only the number is kept.
    Refused(Refused),
    /// One more name of a signal.
    Named(Named),
}

/// A verified signal that was not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Connection it came over.
    pub connection: ConnectionId,
    /// Delivery it came in: what all signals of one delivery share; at most 100 bytes.
    pub delivery_id: String,
    /// Id of the key that verified it.
    pub key_id: String,
    /// The vendor's own name for it; at most 100 bytes.
    pub event: String,
    /// SHA-256 of its dedupe key.
    pub dedupe: Digest,
    /// Whose personal data it may hold: the provider's envelope id or the CRM record.
    pub subject: String,
    /// When it happened, if the vendor says so.
    pub occurred_at: Option<Timestamp>,
    /// When it had been read.
    pub received_at: Timestamp,
    /// What it means.
    pub meaning: Meaning,
    /// Whether it did not arrive by itself: it was fetched from the vendor's list of missed deliveries.
    pub replayed: bool,
    /// The exact bytes of it.
    pub raw: Raw,
}

/// A verified signal that was known. Nothing of its content is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicated {
    /// Connection it came over.
    pub connection: ConnectionId,
    /// Delivery it came in.
    pub delivery_id: String,
    /// Id of the key that verified it.
    pub key_id: String,
    /// SHA-256 of its dedupe key.
    pub dedupe: Digest,
    /// When it had been read.
    pub received_at: Timestamp,
    /// How many times it came, at least 1: repetitions may be counted together.
    pub times: u32,
}

/// One more name of a signal: whoever comes by it is led to where the signal stands. Counts nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Connection it came over.
    pub connection: ConnectionId,
    /// SHA-256 of this name.
    pub dedupe: Digest,
    /// SHA-256 of the dedupe key under which the signal stands.
    pub signal: Digest,
    /// When the delivery that brought it had been read.
    pub received_at: Timestamp,
}

/// A delivery that was not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// Connection named in the path.
    pub connection: ConnectionId,
    /// Why.
    pub reason: Refusal,
    /// Size of the body in bytes.
    pub bytes: u64,
    /// SHA-256 of the body.
    pub sha256: Digest,
    /// When it had been read.
    pub received_at: Timestamp,
    /// The whole delivery, encoded; `None` when the quarantine was full.
    pub delivery: Option<Raw>,
    /// Group of the key its content is sealed under: [`quarantined_group`] of its own, or, in the first version,
    /// [`quarantine_group`] of its connection.
    pub key_group: String,
    /// Size of the content kept, in bytes; 0 when none is, and unknown (0) in the first version.
    pub content_bytes: u64,
}

/// A quarantined delivery verified after all: its signals stand in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// Connection it came over.
    pub connection: ConnectionId,
    /// Id of the key that verified it.
    pub key_id: String,
    /// How many of its signals were new.
    pub signals_new: u32,
    /// How many of its signals were known already.
    pub signals_known: u32,
    /// When it had been read.
    pub received_at: Timestamp,
    /// When it was released.
    pub at: Timestamp,
    /// Size of the content that was kept of it, in bytes.
    pub content_bytes: u64,
}

/// A quarantined delivery was given up, and its content erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discarded {
    /// Connection it came over.
    pub connection: ConnectionId,
    /// Who gave it up.
    pub cause: DiscardCause,
    /// Why, in an operator's words; at most 500 bytes, no personal data.
    pub reason: String,
    /// When it had been read.
    pub received_at: Timestamp,
    /// When it was given up.
    pub at: Timestamp,
    /// Size of the content that was kept of it, in bytes.
    pub content_bytes: u64,
}

/// Why a quarantined delivery was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscardCause {
    /// An operator looked at it.
    Operator,
    /// It was older than the quarantine keeps.
    Age,
    /// The quarantine of its connection was full, and it was the oldest.
    Size,
}

wire_enum!(DiscardCause = wire::DiscardCause { Operator, Age, Size });

/// Deliveries that were not believed, and of which only the number is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Connection named in the path.
    pub connection: ConnectionId,
    /// Why.
    pub reason: Refusal,
    /// How many; at least 1.
    pub times: u64,
    /// When the first of them had been read, the others within the same hour (UTC).
    pub received_at: Timestamp,
    /// When they were counted.
    pub at: Timestamp,
}

/// The data subject group of a signal: unlinkable to its subject for who does not know the subject.
pub fn key_group(connection: &ConnectionId, subject: &str) -> String {
    let digest =
        Sha256::new().chain_update(connection.as_str()).chain_update(b"|").chain_update(subject).finalize();
    format!("intake-{}", hex::encode(&digest[..20]))
}

/// The group of one quarantined delivery: destroying its key erases it and nothing else. `quarantine_id` is the id of
/// its entity.
pub fn quarantined_group(quarantine_id: &str) -> String {
    format!("quarantined-{quarantine_id}")
}

/// The group of what strangers sent over a connection in the first version: one key for its whole quarantine.
pub fn quarantine_group(connection: &ConnectionId) -> String {
    format!("quarantine-{connection}")
}

/// The group whose key opens this event, to be looked up before [`decode`]; `None` if nothing in it is sealed.
///
/// # Errors
/// As [`decode`].
pub fn group(kind: &str, schema: u32, payload: &[u8]) -> Result<Option<String>, DecodeError> {
    Ok(match fact(kind, schema, payload)? {
        Fact::SignalAccepted(fact) => {
            Some(key_group(&crate::fields::parse(&fact.connection, "connection")?, &fact.subject))
        }
        Fact::DeliveryQuarantined(fact) => Some(quarantined_key_group(fact.key_group, &fact.connection)?),
        Fact::SignalDuplicated(_)
        | Fact::DeliveryReleased(_)
        | Fact::DeliveryDiscarded(_)
        | Fact::DeliveriesRefused(_)
        | Fact::SignalNamed(_) => None,
    })
}

/// The group as it is written, or the connection's where none is.
fn quarantined_key_group(written: String, connection: &str) -> Result<String, DecodeError> {
    if written.is_empty() {
        return Ok(quarantine_group(&crate::fields::parse(connection, "connection")?));
    }
    Ok(written)
}

/// The event as the log takes it. `id` is the id it is appended under: sealed fields are bound to it.
pub fn encode(event: &IntakeEvent, id: &EventId, sealer: &Sealer) -> Encoded {
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
) -> Result<IntakeEvent, DecodeError> {
    let event = decode::event(fact(kind, schema, payload)?, opener.within(id))?;
    let found = self::kind(&event);
    if found != kind {
        return Err(DecodeError::KindMismatch { kind: kind.to_owned(), found });
    }
    Ok(event)
}

/// The kind an event is stored under.
pub const fn kind(event: &IntakeEvent) -> &'static str {
    match event {
        IntakeEvent::Accepted(_) => "intake.signal_accepted",
        IntakeEvent::Duplicated(_) => "intake.signal_duplicated",
        IntakeEvent::Quarantined(_) => "intake.delivery_quarantined",
        IntakeEvent::Released(_) => "intake.delivery_released",
        IntakeEvent::Discarded(_) => "intake.delivery_discarded",
        IntakeEvent::Refused(_) => "intake.deliveries_refused",
        IntakeEvent::Named(_) => "intake.signal_named",
    }
}

fn fact(kind: &str, schema: u32, payload: &[u8]) -> Result<Fact, DecodeError> {
    if !kind.starts_with("intake.") {
        return Err(DecodeError::UnknownKind(kind.to_owned()));
    }
    if schema != SCHEMA {
        return Err(DecodeError::UnknownSchema { kind: kind.to_owned(), schema });
    }
    wire::IntakeEvent::decode(payload)?.fact.ok_or_else(|| DecodeError::UnknownKind(kind.to_owned()))
}
