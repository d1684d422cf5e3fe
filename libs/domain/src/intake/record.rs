//! What a CRM says of one of its records, in neutral words.

use crate::ids::ConnectionId;
use crate::personal::Personal;
use crate::time::Timestamp;

/// A record of a CRM: the one that fired, or the one to be written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordRef {
    /// The CRM connection.
    pub connection: ConnectionId,
    /// Kind of object in the CRM's words, lower case, for example `deal`.
    pub object_type: String,
    /// The record's id, always as text.
    pub object_id: String,
}

/// A CRM record changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordChange {
    /// The CRM account (portal, organisation) the event is from.
    pub account: String,
    /// Kind of object, lower case, for example `deal`.
    pub object_type: String,
    /// The record's id, always as text.
    pub object_id: String,
    /// The property that changed; empty when the event is not about one.
    pub property: String,
    /// Its new value, as text. May hold personal data.
    pub value: Personal,
    /// When it changed, by the CRM's clock.
    pub changed_at: Timestamp,
    /// Who changed it.
    pub actor: Actor,
    /// The CRM's id of who changed it (application id or user id), for telling our own writes apart.
    pub actor_id: String,
}

/// Who changed a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Actor {
    /// A person in the CRM's interface.
    Human,
    /// An application over the API, perhaps we ourselves.
    Integration,
    /// A list import.
    Import,
    /// A workflow inside the CRM.
    Workflow,
    /// The CRM does not say, or says something new.
    Unknown,
}

impl Actor {
    /// The stable name, as it stands in events and expressions.
    pub const fn name(self) -> &'static str {
        match self {
            Actor::Human => "human",
            Actor::Integration => "integration",
            Actor::Import => "import",
            Actor::Workflow => "workflow",
            Actor::Unknown => "unknown",
        }
    }
}
