//! What to write, if anything (crm.md §6.3–§6.5).

use std::collections::BTreeMap;

use super::event::SyncEvent;
use super::value::{ValueHash, norm};
use super::{Desired, Link, LinkState, Phase, Planned, SyncState};
use crate::personal::Personal;
use crate::time::Timestamp;

/// What a desired content calls for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Nothing is to be written. Worth a [`SyncEvent::Skipped`] only when unchanged: that moves the version.
    Nothing(SkipReason),
    /// One write of one record.
    Write(Write),
    /// Not yet; a later version of the envelope will bring what is missing.
    Wait(WaitReason),
}

/// Why nothing is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SkipReason {
    /// The record says this version or a newer one.
    Older,
    /// The record says exactly this already.
    Unchanged,
    /// The record is gone.
    Orphaned,
}

/// Why a write must wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WaitReason {
    /// The provider's id is not known, so the record could not name the envelope.
    LinkUnknown,
}

/// One atomic write of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The envelope's version it brings.
    pub version: u64,
    /// How far it brings the record.
    pub phase: Phase,
    /// Values by field.
    pub fields: BTreeMap<String, Personal>,
    /// Hash of the normalised value, by field: what the record says after it, so also what it says already.
    pub hashes: BTreeMap<String, ValueHash>,
    /// Whether the record names the envelope after it.
    pub includes_link: bool,
}

impl Write {
    /// The fact to append before the call.
    pub fn planned(&self, at: Timestamp) -> SyncEvent {
        let planned = Planned {
            version: self.version,
            phase: self.phase,
            includes_link: self.includes_link,
            fields: self.hashes.clone(),
        };
        SyncEvent::Planned { planned, at }
    }
}

/// Works out the write that brings the record from what it says to what it should say.
///
/// Only what changed is written. As long as the record does not name the envelope, the link goes with whatever is
/// written, whole and in the same write. Erased values are left alone. `hash` gets normalised values.
pub fn plan(state: &SyncState, desired: &Desired, hash: impl Fn(&str) -> ValueHash) -> Plan {
    if state.orphaned {
        return Plan::Nothing(SkipReason::Orphaned);
    }
    if desired.version <= state.applied_version {
        return Plan::Nothing(SkipReason::Older);
    }
    let unlinked = state.link_state == LinkState::Unlinked;
    let link = match &desired.link {
        Link::Unknown if unlinked => return Plan::Wait(WaitReason::LinkUnknown),
        Link::Unknown | Link::Never => None,
        Link::Known(fields) => Some(fields),
    };
    let mut write = Write {
        version: desired.version,
        phase: desired.phase,
        fields: BTreeMap::new(),
        hashes: BTreeMap::new(),
        includes_link: unlinked && link.is_some(),
    };
    let mut add = |field: &String, value: &Personal, always: bool| {
        let Some(text) = value.reveal() else { return };
        let hashed = hash(&norm(text));
        if always || !state.says(field, &hashed) {
            write.fields.insert(field.clone(), value.clone());
            write.hashes.insert(field.clone(), hashed);
        }
    };
    for (field, value) in &desired.fields {
        add(field, value, false);
    }
    // The link comes last: a mapping that names one field twice must not lose it.
    for (field, value) in link.into_iter().flatten() {
        add(field, value, unlinked);
    }
    if write.fields.is_empty() { Plan::Nothing(SkipReason::Unchanged) } else { Plan::Write(write) }
}

impl SyncState {
    /// Whether the record surely says this; after a lost answer nothing is sure.
    fn says(&self, field: &str, hashed: &ValueHash) -> bool {
        let in_flight = self.planned.as_ref().is_some_and(|planned| planned.fields.contains_key(field));
        !in_flight && !self.in_doubt.contains_key(field) && self.last_written.get(field) == Some(hashed)
    }
}

/// A write after a look at the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guarded {
    /// What remains to be written; its fields may be empty.
    pub write: Write,
    /// Fields left out because somebody else changed them since we wrote them.
    pub conflicts: Vec<String>,
}

/// Takes out of a write what the record says already, and what somebody changed after us (§6.5: never over a
/// human). `shared` tells the fields people may change as well, such as the stage; our own fields are repaired.
///
/// For a field we surely never wrote, `stands` tells whether a value is the one that triggered the flow (`None`:
/// the trigger says nothing of this field, and it is written).
pub fn guard(
    state: &SyncState,
    mut write: Write,
    remote: &BTreeMap<String, Option<String>>,
    shared: impl Fn(&str) -> bool,
    stands: impl Fn(&str, &str) -> Option<bool>,
    hash: impl Fn(&str) -> ValueHash,
) -> Guarded {
    let mut conflicts = Vec::new();
    for (field, value) in remote {
        let Some(wanted) = write.hashes.get(field) else { continue };
        let text = value.as_deref().unwrap_or_default();
        let present = hash(&norm(text));
        let sure = [state.last_written.get(field), state.in_flight(field)].contains(&Some(&present));
        let ours = sure || state.in_doubt.get(field).is_some_and(|values| values.contains(&present));
        // A write in doubt may never have landed: only what surely stood there once can have been changed by others.
        let surely_written = state.last_written.contains_key(field);
        let changed_by_others = !ours && (surely_written || stands(field, text) == Some(false));
        let conflict = present != *wanted && shared(field) && changed_by_others;
        if conflict {
            conflicts.push(field.clone());
        }
        if conflict || present == *wanted {
            write.fields.remove(field);
        }
        // What the record says already stays among the hashes: once told, it is sure again.
        if conflict {
            write.hashes.remove(field);
        }
    }
    Guarded { write, conflicts }
}

impl SyncState {
    fn in_flight(&self, field: &str) -> Option<&ValueHash> {
        self.planned.as_ref().and_then(|planned| planned.fields.get(field))
    }
}
