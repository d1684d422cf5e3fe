//! What a CRM that lists changes can be asked: which records changed, and when a property of theirs did.

use domain::intake::Actor;
use domain::personal::Personal;
use domain::time::Timestamp;

/// Most records whose last changes are asked for at once.
pub const IDS_MAX: usize = 50;

/// Which records are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Kind of object, lower case, for example `deal`.
    pub object_type: String,
    /// A property that they have.
    pub property: String,
    /// The values of it that are wanted; empty for any value but none.
    pub values: Vec<String>,
}

/// How far a list was walked: by the time of change, and not by page numbers, because a record that changes meanwhile
/// moves to the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Changes at this time or later, by the CRM's clock.
    pub since: Timestamp,
    /// Only those of exactly that time that come after this one in the vendor's order of ids: more than a page of them
    /// changed at once. `None` for all.
    pub beyond: Option<String>,
}

impl Place {
    /// Everything from this time on.
    pub const fn since(since: Timestamp) -> Self {
        Self { since, beyond: None }
    }
}

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Ids of the records, at most [`IDS_MAX`].
    pub ids: Vec<String>,
    /// The newest change among them, of any property.
    pub newest: Option<Timestamp>,
    /// Where the list goes on; `None` at its end.
    pub next: Option<Place>,
}

/// What a CRM told about the last changes of some records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastChanges {
    /// The changes, in no order; of a record that is gone or never had the property, none.
    pub found: Vec<LastChange>,
    /// Ids of the records that could not be read now and may well be there.
    pub failed: Vec<String>,
}

/// How a property got the value it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastChange {
    /// The record.
    pub object_id: String,
    /// The value. May hold personal data.
    pub value: Personal,
    /// When, by the CRM's clock: the same time that its webhook tells.
    pub changed_at: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// The CRM's id of who did it.
    pub actor_id: String,
}
