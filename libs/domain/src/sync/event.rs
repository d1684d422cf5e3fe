//! What became of the writes, and the state that follows. Total, like the envelope's.

use std::collections::BTreeMap;

use super::plan::SkipReason;
use super::trigger::TriggerIgnored;
use super::{LinkState, Phase, Planned, SyncState, Taken};
use crate::ids::{ConnectionId, FlowName};
use crate::intake::RecordRef;
use crate::time::Timestamp;

/// A fact about one record and one envelope. No values, only their hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyncEvent {
    /// A change of the record asked for an envelope, and it was requested.
    TriggerTaken {
        /// The record.
        record: RecordRef,
        /// The flow that asked.
        flow: FlowName,
        /// The envelope, its key and its generation.
        taken: Taken,
        /// When.
        at: Timestamp,
    },
    /// A sweep found a change of the record that asks for an envelope and that nobody had told; the envelope is asked
    /// for next.
    TriggerFound {
        /// The record.
        record: RecordRef,
        /// The flow that asks.
        flow: FlowName,
        /// When the record changed, by the CRM's clock.
        changed_at: Timestamp,
        /// When it was found.
        at: Timestamp,
    },
    /// A change of the record looked like a trigger and was none.
    TriggerIgnored {
        /// The record.
        record: RecordRef,
        /// The flow that did not act.
        flow: FlowName,
        /// Why.
        reason: TriggerIgnored,
        /// When.
        at: Timestamp,
    },
    /// A write is about to be made. Its hashes are the ledger of our own writes.
    Planned {
        /// What will be written.
        planned: Planned,
        /// When; the echo is told by it.
        at: Timestamp,
    },
    /// The CRM took the write that was planned.
    Applied {
        /// The envelope's version the record says now.
        version: u64,
        /// Over which connection; the first versions did not say.
        connection: Option<ConnectionId>,
        /// When.
        at: Timestamp,
    },
    /// A read showed that the record names the envelope already.
    LinkSeen {
        /// When.
        at: Timestamp,
    },
    /// Nothing had to be written for this version.
    Skipped {
        /// The envelope's version.
        version: u64,
        /// How far life had come at it.
        phase: Phase,
        /// Why.
        reason: SkipReason,
        /// When.
        at: Timestamp,
    },
    /// The write failed; it may be tried again.
    Failed {
        /// The envelope's version it would have brought.
        version: u64,
        /// Reaction class (crm.md §7), a stable name.
        class: String,
        /// The vendor's stable code, or empty.
        code: String,
        /// Whether it may have landed nevertheless.
        in_doubt: bool,
        /// When.
        at: Timestamp,
    },
    /// Trying ended without success; a person decides.
    DeadLettered {
        /// The envelope's version that could not be brought.
        version: u64,
        /// Reaction class (crm.md §7), a stable name.
        class: String,
        /// The vendor's stable code, or empty.
        code: String,
        /// When.
        at: Timestamp,
    },
    /// The record is gone at the CRM, and no successor is known.
    Orphaned {
        /// When.
        at: Timestamp,
    },
}

/// The state after one more fact.
pub fn evolve(mut state: SyncState, event: &SyncEvent) -> SyncState {
    match event {
        SyncEvent::TriggerTaken { taken, .. } => state.taken = Some(taken.clone()),
        SyncEvent::TriggerIgnored { .. } | SyncEvent::TriggerFound { .. } => {}
        SyncEvent::Planned { planned, at: _ } => {
            // The one before may have landed without our hearing of it.
            if let Some(before) = state.planned.take() {
                state.doubt(before);
            }
            state.planned = Some(planned.clone());
        }
        SyncEvent::Applied { version, .. } => {
            if let Some(planned) = state.planned.take_if(|planned| planned.version == *version) {
                state.settle(planned);
            }
        }
        SyncEvent::LinkSeen { at: _ } => state.link_state = state.link_state.max(LinkState::Linked),
        SyncEvent::Skipped { version, phase, reason, at: _ } => match reason {
            SkipReason::Unchanged => {
                state.applied_version = state.applied_version.max(*version);
                state.link_state = brought(state.link_state, *phase);
            }
            SkipReason::Older | SkipReason::Orphaned => {}
        },
        SyncEvent::Failed { version, in_doubt, .. } => {
            state.failures = state.failures.saturating_add(1);
            if let Some(planned) = state.planned.take_if(|planned| planned.version == *version)
                && *in_doubt
            {
                state.doubt(planned);
            }
        }
        SyncEvent::DeadLettered { version, .. } => state.dead_lettered = Some(*version),
        SyncEvent::Orphaned { at: _ } => {
            state.orphaned = true;
            state.planned = None;
        }
    }
    state
}

/// The state after all these facts.
pub fn replay<'a>(events: impl IntoIterator<Item = &'a SyncEvent>) -> SyncState {
    events.into_iter().fold(SyncState::default(), evolve)
}

/// A record that does not name its envelope cannot have been brought further.
fn brought(link_state: LinkState, phase: Phase) -> LinkState {
    match (link_state, phase) {
        (LinkState::Unlinked, _) => LinkState::Unlinked,
        (LinkState::Linked | LinkState::SentMarked | LinkState::Final, Phase::Open) => LinkState::Linked,
        (LinkState::Linked | LinkState::SentMarked | LinkState::Final, Phase::Sent) => LinkState::SentMarked,
        (LinkState::Linked | LinkState::SentMarked | LinkState::Final, Phase::Final) => LinkState::Final,
    }
}

impl SyncState {
    fn doubt(&mut self, planned: Planned) {
        for (field, hash) in planned.fields {
            self.in_doubt.entry(field).or_default().insert(hash);
        }
    }

    fn settle(&mut self, planned: Planned) {
        if planned.includes_link {
            self.link_state = self.link_state.max(LinkState::Linked);
        }
        self.link_state = brought(self.link_state, planned.phase);
        self.applied_version = self.applied_version.max(planned.version);
        self.failures = 0;
        self.dead_lettered = self.dead_lettered.filter(|given_up| *given_up > planned.version);
        let written: BTreeMap<_, _> = planned.fields;
        for field in written.keys() {
            self.in_doubt.remove(field);
        }
        self.last_written.extend(written);
    }
}
