//! From a fact of the sync to its message.

use domain::sync::{Planned, SyncEvent};

use crate::fields::{WireEnum as _, record_to_wire};
use crate::wire::crmsync as wire;
use crate::wire::crmsync::sync_event::Fact;

pub(super) fn event(event: &SyncEvent) -> wire::SyncEvent {
    let (at, fact) = match event {
        SyncEvent::TriggerTaken { record, flow, taken, at } => {
            let fact = wire::TriggerTaken {
                record: Some(record_to_wire(record)),
                flow: flow.to_string(),
                envelope_id: taken.envelope.as_bytes().to_vec(),
                operation_key: taken.operation_key.to_string(),
                generation: taken.generation,
            };
            (at, Fact::TriggerTaken(fact))
        }
        SyncEvent::TriggerFound { record, flow, changed_at, at } => {
            let (record, flow) = (Some(record_to_wire(record)), flow.to_string());
            (at, Fact::TriggerFound(wire::TriggerFound { record, flow, changed_at_ms: changed_at.0 }))
        }
        SyncEvent::TriggerIgnored { record, flow, reason, at } => {
            let record = Some(record_to_wire(record));
            let (flow, reason) = (flow.to_string(), reason.to_wire());
            (at, Fact::TriggerIgnored(wire::TriggerIgnored { record, flow, reason }))
        }
        SyncEvent::Planned { planned, at } => (at, Fact::Planned(self::planned(planned))),
        SyncEvent::Applied { version, connection, at } => {
            let connection = connection.as_ref().map(ToString::to_string).unwrap_or_default();
            (at, Fact::Applied(wire::Applied { version: *version, connection }))
        }
        SyncEvent::LinkSeen { at } => (at, Fact::LinkSeen(wire::LinkSeen {})),
        SyncEvent::Skipped { version, phase, reason, at } => {
            let (phase, reason) = (phase.to_wire(), reason.to_wire());
            (at, Fact::Skipped(wire::Skipped { version: *version, phase, reason }))
        }
        SyncEvent::Failed { version, class, code, in_doubt, at } => {
            let (class, code) = (class.clone(), code.clone());
            (at, Fact::Failed(wire::Failed { version: *version, class, code, in_doubt: *in_doubt }))
        }
        SyncEvent::DeadLettered { version, class, code, at } => {
            let (class, code) = (class.clone(), code.clone());
            (at, Fact::DeadLettered(wire::DeadLettered { version: *version, class, code }))
        }
        SyncEvent::Orphaned { at } => (at, Fact::Orphaned(wire::Orphaned {})),
    };
    wire::SyncEvent { at_ms: at.0, fact: Some(fact) }
}

fn planned(planned: &Planned) -> wire::Planned {
    let fields = planned.fields.iter();
    wire::Planned {
        version: planned.version,
        phase: planned.phase.to_wire(),
        includes_link: planned.includes_link,
        fields: fields
            .map(|(field, hash)| wire::FieldHash { field: field.clone(), hash: hash.0.to_vec() })
            .collect(),
    }
}
