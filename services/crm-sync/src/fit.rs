//! One change of a record and one flow that it fits: who may have made it, and the key of the envelope it asks for.

use contracts::intake::Accepted;
use contracts::wire::envelope::Stage as WireStage;
use domain::ids::TenantId;
use domain::intake::{Actor, RecordChange, RecordRef};
use domain::sync::{SyncEvent, Trigger};
use domain::time::Timestamp;
use event_log::{Recorded, RecordedEvent, TraceContext};
use runtime::config::{Connection, Flow, Loaded};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::context;
use crate::stands::KEY_PREFIX;
use crate::stop::Stop;
use crate::story::{Cause, Story};

/// An envelope that was asked for so much later than a record changed answers that change, in milliseconds: more than
/// clocks of a CRM differ from ours.
pub const ANSWERED_AFTER_MS: i64 = 120_000;
/// Hexadecimal digits of a trigger key's hash that are kept.
const KEY_DIGITS: usize = 40;

/// One change and one flow that it fits.
pub struct Fit<'a> {
    pub loaded: &'a Loaded,
    pub flow: &'a Flow,
    pub tenant: TenantId,
    pub kind: &'a str,
    pub record: RecordRef,
    pub change: &'a RecordChange,
    pub context: Value,
    /// When we heard of it.
    pub heard_at: Timestamp,
    /// Whether nobody told us: a sweep found it.
    pub found: bool,
    pub cause: Cause,
}

/// When a sweep found the change of this story, if one did.
pub fn found_at(story: &Story) -> Option<Timestamp> {
    story.events.iter().find_map(|event| match event {
        SyncEvent::TriggerFound { at, .. } => Some(*at),
        SyncEvent::TriggerTaken { .. }
        | SyncEvent::TriggerIgnored { .. }
        | SyncEvent::Planned { .. }
        | SyncEvent::Applied { .. }
        | SyncEvent::LinkSeen { .. }
        | SyncEvent::Skipped { .. }
        | SyncEvent::Failed { .. }
        | SyncEvent::DeadLettered { .. }
        | SyncEvent::Orphaned { .. } => None,
    })
}

/// A change that a signal told.
pub struct Told<'a> {
    pub loaded: &'a Loaded,
    pub connection: &'a Connection,
    pub event: &'a RecordedEvent,
    pub recorded: &'a Recorded,
    pub signal: &'a Accepted,
    pub change: &'a RecordChange,
}

impl<'a> Told<'a> {
    /// The change beside each flow that waits for changes of its kind.
    pub fn fits(&self) -> impl Iterator<Item = Fit<'a>> {
        let Told { loaded, connection, event, recorded, signal, change } = *self;
        let context = context::of_change(&signal.event, change);
        let waits =
            |flow: &&Flow| flow.when.connection == signal.connection && flow.when.event == signal.event;
        loaded.flows().iter().filter(waits).map(move |flow| Fit {
            loaded,
            flow,
            tenant: connection.tenant.clone(),
            kind: &connection.kind,
            record: RecordRef {
                connection: signal.connection.clone(),
                object_type: change.object_type.clone(),
                object_id: change.object_id.clone(),
            },
            change,
            context: context.clone(),
            heard_at: signal.received_at,
            found: false,
            cause: Cause {
                event: Some(event.id),
                correlation_id: recorded.correlation_id.clone(),
                trace: TraceContext::current(),
            },
        })
    }
}

impl Fit<'_> {
    /// Only people and workflows trigger.
    pub const fn may_trigger(&self) -> bool {
        matches!(self.change.actor, Actor::Human | Actor::Workflow | Actor::Unknown)
    }

    /// Whether the flow's condition holds.
    pub fn holds(&self) -> Result<bool, Stop> {
        let Some(condition) = &self.flow.when.condition else { return Ok(true) };
        let held = self.loaded.expressions().condition(condition, &self.context);
        Ok(held?)
    }

    /// The key of the envelope, in this life of the record and the flow.
    pub fn key(&self, generation: u32) -> String {
        let trigger = Trigger {
            tenant: &self.tenant,
            provider: self.kind,
            account: &self.change.account,
            object_type: &self.record.object_type,
            object_id: &self.record.object_id,
            flow: &self.flow.name,
            generation,
        };
        let mut digits = hex::encode(Sha256::digest(trigger.key_text()));
        digits.truncate(KEY_DIGITS);
        format!("{KEY_PREFIX}{digits}")
    }
}

/// There is no contract and there will be none: the record may ask again, in a new life. Any other envelope is
/// what the record asked for.
pub fn ended_without_contract(stage: WireStage) -> bool {
    use WireStage::{Declined, Deleted, Expired, Failed, Voided};
    matches!(stage, Declined | Voided | Expired | Failed | Deleted)
}
