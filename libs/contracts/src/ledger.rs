//! Events of the loss ledger: what became of every signal, told by whoever handled it.
//!
//! They stand in the category of the service that settles (envelopes, sync) on entities of their own, so that who
//! follows envelopes or writes passes them by. Nothing in them is personal, so nothing is sealed.

use domain::ids::{ConnectionId, ProviderEnvelopeId};
use domain::time::Timestamp;
use prost::Message as _;

use crate::fields::{WireEnum as _, parse, wire_enum};
use crate::wire::ledger as wire;
use crate::wire::ledger::ledger_event::Fact;
use crate::{DecodeError, Encoded};

/// The schema that is written.
const SCHEMA: u32 = 1;

/// What every kind of event of the ledger begins with.
pub const KIND_PREFIX: &str = "ledger.";

/// A fact of the loss ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerEvent {
    /// A signal waits for its envelope to become known.
    Parked(Parked),
    /// It is decided what became of a signal.
    Settled(Settled),
}

/// A signal that came before anybody knew its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// Connection it came over.
    pub connection: ConnectionId,
    /// The provider's id of the envelope it speaks of.
    pub provider_id: ProviderEnvelopeId,
    /// Whether it names an envelope of ours; else a create call is under way over its connection.
    pub named: bool,
    /// When it had been read.
    pub received_at: Timestamp,
    /// Entity of the signal in the category intake.
    pub intake_entity: String,
    /// Position of the signal in the category intake.
    pub intake_position: u64,
    /// Since when it waits.
    pub at: Timestamp,
}

/// What became of one signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Connection it came over.
    pub connection: ConnectionId,
    /// When it had been read: the hour it is counted in.
    pub received_at: Timestamp,
    /// What became of it.
    pub settlement: Settlement,
    /// Stable code of the reason, lower case, at most 40 bytes; empty for what was applied.
    pub reason: String,
    /// When that was decided.
    pub at: Timestamp,
}

/// What became of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Settlement {
    /// It changed something: an envelope, or a record's wish became an envelope.
    Applied,
    /// It was understood and changed nothing.
    Ignored,
    /// It belongs to no envelope of ours.
    Unmatched,
    /// It could not be carried out.
    Refused,
    /// A person discarded it as a dead letter.
    Discarded,
}

wire_enum!(Settlement = wire::Settlement { Applied, Ignored, Unmatched, Refused, Discarded });

impl Settlement {
    /// The stable code, as it stands in the ledger.
    pub const fn code(self) -> &'static str {
        match self {
            Settlement::Applied => "applied",
            Settlement::Ignored => "ignored",
            Settlement::Unmatched => "unmatched",
            Settlement::Refused => "refused",
            Settlement::Discarded => "discarded",
        }
    }
}

/// The event as the log takes it.
pub fn encode(event: &LedgerEvent) -> Encoded {
    let (at, fact) = match event {
        LedgerEvent::Parked(parked) => {
            let fact = wire::SignalParked {
                connection: parked.connection.to_string(),
                provider_id: parked.provider_id.to_string(),
                named: parked.named,
                received_at_ms: parked.received_at.0,
                intake_entity: parked.intake_entity.clone(),
                intake_position: parked.intake_position,
            };
            (parked.at, Fact::SignalParked(fact))
        }
        LedgerEvent::Settled(settled) => {
            let fact = wire::SignalSettled {
                connection: settled.connection.to_string(),
                received_at_ms: settled.received_at.0,
                settlement: settled.settlement.to_wire(),
                reason: settled.reason.clone(),
            };
            (settled.at, Fact::SignalSettled(fact))
        }
    };
    let payload = wire::LedgerEvent { at_ms: at.0, fact: Some(fact) }.encode_to_vec();
    Encoded { kind: kind(event), schema: SCHEMA, payload }
}

/// The event that the log gave back.
///
/// # Errors
/// When a newer version wrote it, or a field is missing or unknown.
pub fn decode(kind: &str, schema: u32, payload: &[u8]) -> Result<LedgerEvent, DecodeError> {
    if !kind.starts_with(KIND_PREFIX) {
        return Err(DecodeError::UnknownKind(kind.to_owned()));
    }
    if schema != SCHEMA {
        return Err(DecodeError::UnknownSchema { kind: kind.to_owned(), schema });
    }
    let event = wire::LedgerEvent::decode(payload)?;
    let at = Timestamp(event.at_ms);
    let event = match event.fact.ok_or_else(|| DecodeError::UnknownKind(kind.to_owned()))? {
        Fact::SignalParked(fact) => LedgerEvent::Parked(Parked {
            connection: parse(&fact.connection, "connection")?,
            provider_id: parse(&fact.provider_id, "provider_id")?,
            named: fact.named,
            received_at: Timestamp(fact.received_at_ms),
            intake_entity: fact.intake_entity,
            intake_position: fact.intake_position,
            at,
        }),
        Fact::SignalSettled(fact) => LedgerEvent::Settled(Settled {
            connection: parse(&fact.connection, "connection")?,
            received_at: Timestamp(fact.received_at_ms),
            settlement: Settlement::from_wire(fact.settlement, "settlement")?,
            reason: fact.reason,
            at,
        }),
    };
    let found = self::kind(&event);
    if found != kind {
        return Err(DecodeError::KindMismatch { kind: kind.to_owned(), found });
    }
    Ok(event)
}

/// The kind an event is stored under.
pub const fn kind(event: &LedgerEvent) -> &'static str {
    match event {
        LedgerEvent::Parked(_) => "ledger.signal_parked",
        LedgerEvent::Settled(_) => "ledger.signal_settled",
    }
}
