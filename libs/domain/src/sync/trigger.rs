//! From a change of a record to the one envelope it may make (crm.md §6.2).

use crate::envelope::Stage;
use crate::ids::{FlowName, TenantId};

/// What the trigger key is made of: the same change, however often and from wherever it is told, has the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger<'a> {
    /// The tenant.
    pub tenant: &'a TenantId,
    /// The CRM's kind, as the configuration writes it.
    pub provider: &'a str,
    /// The CRM account (portal, organisation).
    pub account: &'a str,
    /// Kind of object in the CRM's words.
    pub object_type: &'a str,
    /// The record's id.
    pub object_id: &'a str,
    /// The flow.
    pub flow: &'a FlowName,
    /// Which life of this record and flow it is, from 1; see [`generation`].
    pub generation: u32,
}

impl Trigger<'_> {
    /// The text whose SHA-256 is the key: `trg_` and the first 40 hexadecimal digits. Hashing is done outside.
    pub fn key_text(&self) -> String {
        let Trigger { tenant, provider, account, object_type, object_id, flow, generation } = self;
        format!("v1|{tenant}|{provider}|{account}|{object_type}|{object_id}|{flow}|{generation}")
    }
}

/// Why a change that fits a flow made no envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TriggerIgnored {
    /// It is the echo of our own write.
    Echo,
    /// An integration or an import did it; only people and workflows trigger.
    Actor,
    /// The record has moved on since: a read shows another value.
    Overtaken,
    /// An envelope of this record and flow is under way or was completed.
    AlreadyTaken,
    /// A required input is missing or malformed on the record.
    InputMissing,
    /// The record is gone.
    RecordGone,
    /// It could not be dealt with, and a person discarded it.
    Discarded,
}

impl TriggerIgnored {
    /// The stable code, as it stands in events and metrics.
    pub const fn code(self) -> &'static str {
        match self {
            TriggerIgnored::Echo => "echo",
            TriggerIgnored::Actor => "actor",
            TriggerIgnored::Overtaken => "overtaken",
            TriggerIgnored::AlreadyTaken => "already_taken",
            TriggerIgnored::InputMissing => "input_missing",
            TriggerIgnored::RecordGone => "record_gone",
            TriggerIgnored::Discarded => "discarded",
        }
    }
}

/// Which life a record and flow are in: 1, and one more for each earlier envelope that ended without a contract.
///
/// Creation that failed counts too: its key stands for a request that will never succeed, and whoever mends the
/// record and asks again asks for something else.
pub fn generation(earlier: impl IntoIterator<Item = Stage>) -> u32 {
    let ended = earlier
        .into_iter()
        .filter(|stage| {
            use Stage::{Declined, Deleted, Expired, Failed, Voided};
            matches!(stage, Voided | Declined | Expired | Failed | Deleted)
        })
        .count();
    u32::try_from(ended).unwrap_or(u32::MAX - 1).saturating_add(1)
}
