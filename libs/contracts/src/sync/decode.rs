//! From a message to the fact of the sync.

use domain::ids::EnvelopeId;
use domain::sync::{Phase, Planned, SkipReason, SyncEvent, Taken, TriggerIgnored, ValueHash};
use domain::time::Timestamp;

use crate::DecodeError;
use crate::fields::{WireEnum as _, digest, parse, record, required};
use crate::wire::crmsync as wire;
use crate::wire::crmsync::sync_event::Fact;

pub(super) fn event(event: wire::SyncEvent, kind: &str) -> Result<SyncEvent, DecodeError> {
    let at = Timestamp(event.at_ms);
    // A fact of a newer version is skipped by the protobuf reader and shows as none at all.
    let fact = event.fact.ok_or_else(|| DecodeError::UnknownKind(kind.to_owned()))?;
    Ok(match fact {
        Fact::TriggerTaken(fact) => SyncEvent::TriggerTaken {
            record: record(required(fact.record, "record")?)?,
            flow: parse(&fact.flow, "flow")?,
            taken: Taken {
                envelope: envelope_id(&fact.envelope_id)?,
                operation_key: parse(&fact.operation_key, "operation_key")?,
                generation: fact.generation,
            },
            at,
        },
        Fact::TriggerFound(fact) => SyncEvent::TriggerFound {
            record: record(required(fact.record, "record")?)?,
            flow: parse(&fact.flow, "flow")?,
            changed_at: Timestamp(fact.changed_at_ms),
            at,
        },
        Fact::TriggerIgnored(fact) => SyncEvent::TriggerIgnored {
            record: record(required(fact.record, "record")?)?,
            flow: parse(&fact.flow, "flow")?,
            reason: TriggerIgnored::from_wire(fact.reason, "reason")?,
            at,
        },
        Fact::Planned(fact) => SyncEvent::Planned { planned: planned(fact)?, at },
        Fact::Applied(fact) => {
            let connection = match fact.connection.as_str() {
                "" => None,
                connection => Some(parse(connection, "connection")?),
            };
            SyncEvent::Applied { version: fact.version, connection, at }
        }
        Fact::LinkSeen(wire::LinkSeen {}) => SyncEvent::LinkSeen { at },
        Fact::Skipped(fact) => SyncEvent::Skipped {
            version: fact.version,
            phase: Phase::from_wire(fact.phase, "phase")?,
            reason: SkipReason::from_wire(fact.reason, "reason")?,
            at,
        },
        Fact::Failed(fact) => SyncEvent::Failed {
            version: fact.version,
            class: fact.class,
            code: fact.code,
            in_doubt: fact.in_doubt,
            at,
        },
        Fact::DeadLettered(fact) => {
            SyncEvent::DeadLettered { version: fact.version, class: fact.class, code: fact.code, at }
        }
        Fact::Orphaned(wire::Orphaned {}) => SyncEvent::Orphaned { at },
    })
}

fn planned(fact: wire::Planned) -> Result<Planned, DecodeError> {
    let field = |one: wire::FieldHash| Ok((one.field, ValueHash(digest(&one.hash, "fields.hash")?.0)));
    Ok(Planned {
        version: fact.version,
        phase: Phase::from_wire(fact.phase, "phase")?,
        includes_link: fact.includes_link,
        fields: fact.fields.into_iter().map(field).collect::<Result<_, DecodeError>>()?,
    })
}

fn envelope_id(bytes: &[u8]) -> Result<EnvelopeId, DecodeError> {
    let bytes = bytes.try_into().map_err(|_| DecodeError::Invalid {
        field: "envelope_id".to_owned(),
        rule: "an envelope id has 16 bytes".to_owned(),
    })?;
    Ok(EnvelopeId::from_bytes(bytes))
}
