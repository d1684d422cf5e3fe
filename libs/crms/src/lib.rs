//! What we know of customer relationship systems, one folder per vendor.
//!
//! To the rest of the house a CRM is three things: a webhook scheme (who says that a record changed, and what exactly),
//! one read of one record, and one atomic write to one record. [`Crm`] names the last two; `signatures::WebhookScheme`
//! the first. One that can list what changed is asked for what no webhook told, too. Everything else about a vendor (its JSON, its errors, its quirks, its simulator) stays in its folder.
//!
//! An adapter keeps no state and never tries twice. It says what a failure means ([`Class`]) and whether a repetition
//! can help ([`domain::retry::Retry`]); the log does the repeating. A write may therefore run twice, and setting the same
//! properties to the same values twice is harmless.
//!
//! Adding a CRM is a folder beside `hubspot` and its lines in this file.

use std::sync::Arc;

use signatures::WebhookScheme;

mod changes;
mod connection;
mod crm;
mod error;
pub mod hubspot;

pub use changes::{IDS_MAX, LastChange, LastChanges, Listed, Place, Wanted};
pub use connection::{ConnectError, ConnectionSettings, Tokens, WebhookSettings};
pub use crm::{Capabilities, Crm, Record};
pub use error::{Class, CrmError};

/// The kinds of CRM a connection may name in the configuration.
pub const fn kinds() -> &'static [&'static str] {
    &[hubspot::KIND]
}

/// The client of one connection. Calls nobody yet.
///
/// # Errors
/// An unknown kind, or a setting that the vendor's adapter cannot work with.
pub fn connect(kind: &str, settings: ConnectionSettings) -> Result<Arc<dyn Crm>, ConnectError> {
    match kind {
        hubspot::KIND => Ok(Arc::new(hubspot::HubSpot::connect(settings)?)),
        _ => Err(ConnectError::UnknownKind { kind: kind.to_owned() }),
    }
}

/// What an operator should know of settings of a connection that are allowed, but that cost something.
pub fn warnings(kind: &str, options: &serde_json::Map<String, serde_json::Value>) -> Vec<&'static str> {
    match kind {
        hubspot::KIND => hubspot::warnings(options),
        _ => Vec::new(),
    }
}

/// How one connection's webhooks are verified and read.
///
/// # Errors
/// As [`connect`].
pub fn scheme(kind: &str, settings: WebhookSettings) -> Result<Arc<dyn WebhookScheme>, ConnectError> {
    match kind {
        hubspot::KIND => Ok(Arc::new(hubspot::Scheme::new(settings)?)),
        _ => Err(ConnectError::UnknownKind { kind: kind.to_owned() }),
    }
}
