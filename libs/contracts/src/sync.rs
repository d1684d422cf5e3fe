//! Events of the category sync: what was asked of us by records, and what was written to them.
//!
//! Values stand in them as hashes only, so nothing is sealed and erasing a person needs no key here.

use domain::sync::{LinkState, Phase, SkipReason, SyncEvent, TriggerIgnored};
use prost::Message as _;

use crate::fields::wire_enum;
use crate::wire::crmsync as wire;
use crate::{DecodeError, Encoded};

mod decode;
mod encode;

/// The schema that is written.
const SCHEMA: u32 = 1;

wire_enum!(Phase = wire::Phase { Open, Sent, Final });
wire_enum!(SkipReason = wire::SkipReason { Older, Unchanged, Orphaned });
wire_enum!(
    TriggerIgnored = wire::TriggerIgnoredReason {
        Echo,
        Actor,
        Overtaken,
        AlreadyTaken,
        InputMissing,
        RecordGone,
        Discarded
    }
);
wire_enum!(LinkState = wire::LinkState { Unlinked, Linked, SentMarked, Final });

/// How far a record has come, as gRPC shows it: a [`wire::LinkState`].
pub fn link_state(state: LinkState) -> i32 {
    crate::fields::WireEnum::to_wire(state)
}

/// The event as the log takes it.
pub fn encode_plain(event: &SyncEvent) -> Encoded {
    Encoded { kind: kind(event), schema: SCHEMA, payload: encode::event(event).encode_to_vec() }
}

/// The event that the log gave back.
///
/// # Errors
/// When a newer version wrote it, or a field is missing or unknown.
pub fn decode_plain(kind: &str, schema: u32, payload: &[u8]) -> Result<SyncEvent, DecodeError> {
    if !kind.starts_with("sync.") {
        return Err(DecodeError::UnknownKind(kind.to_owned()));
    }
    if schema != SCHEMA {
        return Err(DecodeError::UnknownSchema { kind: kind.to_owned(), schema });
    }
    let event = decode::event(wire::SyncEvent::decode(payload)?, kind)?;
    let found = self::kind(&event);
    if found != kind {
        return Err(DecodeError::KindMismatch { kind: kind.to_owned(), found });
    }
    Ok(event)
}

/// The kind an event is stored under.
pub const fn kind(event: &SyncEvent) -> &'static str {
    match event {
        SyncEvent::TriggerTaken { .. } => "sync.trigger_taken",
        SyncEvent::TriggerFound { .. } => "sync.trigger_found",
        SyncEvent::TriggerIgnored { .. } => "sync.trigger_ignored",
        SyncEvent::Planned { .. } => "sync.planned",
        SyncEvent::Applied { .. } => "sync.applied",
        SyncEvent::LinkSeen { .. } => "sync.link_seen",
        SyncEvent::Skipped { .. } => "sync.skipped",
        SyncEvent::Failed { .. } => "sync.failed",
        SyncEvent::DeadLettered { .. } => "sync.dead_lettered",
        SyncEvent::Orphaned { .. } => "sync.orphaned",
    }
}
