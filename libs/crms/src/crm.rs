//! What every CRM can do for us.

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::intake::RecordRef;
use domain::time::Timestamp;

use crate::error::CrmError;

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
}

/// How CRMs differ from one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether a property can be declared unique, so that a second record with its value is refused.
    pub unique_properties: bool,
    /// Whether our own writes come back as webhooks and must be told apart from people's.
    pub echoes_writes: bool,
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
