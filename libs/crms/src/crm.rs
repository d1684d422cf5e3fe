//! What every CRM can do for us.

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::intake::RecordRef;
use domain::retry::Retry;
use domain::time::Timestamp;

use crate::changes::{LastChanges, Listed, Place, Wanted};
use crate::error::{Class, CrmError};

/// One connection to one CRM account. Cheap to share; holds no state of ours.
#[async_trait]
pub trait Crm: Send + Sync {
    /// How this CRM differs from others.
    fn capabilities(&self) -> Capabilities;

    /// Reads one record as it is now, with the properties named (and perhaps others).
    ///
    /// # Errors
    /// See [`CrmError`].
    async fn read(&self, record: &RecordRef, properties: &[String]) -> Result<Record, CrmError>;

    /// Sets properties of one record, all of them or none. Safe to repeat. Nothing to set is no call.
    ///
    /// # Errors
    /// See [`CrmError`]. After [`CrmError::outcome_unknown`] the write may have been applied.
    async fn write(&self, record: &RecordRef, properties: &BTreeMap<String, String>) -> Result<(), CrmError>;

    /// The kind of record that this event's name speaks of, if the event says that a property of a record changed and
    /// [`Capabilities::lists_changes`].
    fn kind_changed_by(&self, event: &str) -> Option<String> {
        let _ = event;
        None
    }

    /// One page of the records that are as wanted now and were changed at this place or later, oldest change first. An
    /// index may answer that lags behind. Only with [`Capabilities::lists_changes`].
    ///
    /// # Errors
    /// See [`CrmError`].
    async fn changed_since(&self, wanted: &Wanted, place: &Place) -> Result<Listed, CrmError> {
        let _ = (wanted, place);
        Err(not_offered())
    }

    /// The last change of one property of each of these records, [`crate::IDS_MAX`] at most; nothing of those that are
    /// gone or never had it, and an id under `failed` of those that could not be read. Only with [`Capabilities::lists_changes`].
    ///
    /// # Errors
    /// See [`CrmError`].
    async fn last_changes(
        &self,
        object_type: &str,
        property: &str,
        ids: &[String],
    ) -> Result<LastChanges, CrmError> {
        let _ = (object_type, property, ids);
        Err(not_offered())
    }
}

/// How CRMs differ from one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether a property can be declared unique, so that a second record with its value is refused.
    pub unique_properties: bool,
    /// Whether our own writes come back as webhooks and must be told apart from people's.
    pub echoes_writes: bool,
    /// Whether it lists records by the time of their change, and says when and by whom a property was last changed:
    /// what no webhook told can be found.
    pub lists_changes: bool,
}

/// What this CRM does not do was asked of it.
fn not_offered() -> CrmError {
    let code = "not_offered".to_owned();
    CrmError { class: Class::Bug, retry: Retry::Never, http: None, code, correlation_id: String::new() }
}

/// A record as it was read. Values may be personal data: printed as names only.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// The record's id; another than the one asked for if it was merged.
    pub id: String,
    /// Properties by name; `None` where the CRM has no value.
    pub properties: BTreeMap<String, Option<String>>,
    /// When it was last changed by anybody, if the CRM says so.
    pub modified_at: Option<Timestamp>,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record")
            .field("id", &self.id)
            .field("properties", &self.properties.keys())
            .field("modified_at", &self.modified_at)
            .finish()
    }
}
