//! What is written to a CRM record about an envelope, and when (crm.md §6).
//!
//! There is one story per (record, envelope): the caller works out what the record should say at some version of
//! the envelope ([`Desired`]), [`plan`] says what is to be written for that, if anything, and [`SyncEvent`]s keep
//! what became of it. The facts are appended around the call: `Planned` before it (its hashes are the ledger by
//! which our own echo is known, and the echo may overtake the answer), `Applied`, `Failed` or `Orphaned` after.
//!
//! Two promises: a record never says "sent" without saying which envelope (link before stage, §6.3), and whatever
//! order versions arrive in, the newest has the last word (§6.4). A write whose answer was lost is planned again;
//! its fields count as unknown until one is applied.

mod echo;
mod event;
mod plan;
mod trigger;
mod value;

pub use echo::{LedgerRow, is_echo};
pub use event::{SyncEvent, evolve, replay};
pub use plan::{Guarded, Plan, SkipReason, WaitReason, Write, guard, plan};
pub use trigger::{Trigger, TriggerIgnored, generation};
pub use value::{ValueHash, norm};

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{EnvelopeId, OperationKey};
use crate::personal::Personal;

/// What a record should say at one version of the envelope. Values as they are to be written, by field name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// The envelope's event number this was worked out from. Newer wins.
    pub version: u64,
    /// The fields that say which envelope it is.
    pub link: Link,
    /// The fields that say how it stands: status, stage, dates, reasons.
    pub fields: BTreeMap<String, Personal>,
    /// How far life has come.
    pub phase: Phase,
}

/// The fields that say which envelope belongs to the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// The provider's id is not known yet; nothing may be said before it is.
    Unknown,
    /// There is none and will be none: creation failed, or the flow links nothing.
    Never,
    /// What to write.
    Known(BTreeMap<String, Personal>),
}

/// How far life has come, as far as the record is concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Not sent yet.
    #[default]
    Open,
    /// Signers have it.
    Sent,
    /// It has ended.
    Final,
}

/// How far the record has been brought (§6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkState {
    /// It does not name the envelope yet.
    #[default]
    Unlinked,
    /// It names the envelope.
    Linked,
    /// It says that it was sent.
    SentMarked,
    /// It says how it ended.
    Final,
}

/// What is known of one record and one envelope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncState {
    /// The trigger that made the envelope, if a trigger did.
    pub taken: Option<Taken>,
    /// How far the record has been brought.
    pub link_state: LinkState,
    /// The version the record says.
    pub applied_version: u64,
    /// Hash of the normalised value last written, by field.
    pub last_written: BTreeMap<String, ValueHash>,
    /// Fields of writes that may or may not have landed, with every value that may stand there.
    pub in_doubt: BTreeMap<String, BTreeSet<ValueHash>>,
    /// The write under way, or the one whose answer was lost.
    pub planned: Option<Planned>,
    /// Failed writes since the last applied one.
    pub failures: u32,
    /// The version that was given up on, until a later one is applied.
    pub dead_lettered: Option<u64>,
    /// The record is gone for good; nothing is written any more.
    pub orphaned: bool,
}

/// A write that was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The envelope's version it brings.
    pub version: u64,
    /// How far it brings the record.
    pub phase: Phase,
    /// Whether the record names the envelope after it.
    pub includes_link: bool,
    /// Hash of the normalised value, by field.
    pub fields: BTreeMap<String, ValueHash>,
}

/// The trigger that made an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The envelope it made.
    pub envelope: EnvelopeId,
    /// The key both were derived from.
    pub operation_key: OperationKey,
    /// Which life of this record and flow it is, from 1.
    pub generation: u32,
}

#[cfg(test)]
mod tests;
