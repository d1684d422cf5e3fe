//! The configuration file: tenants, connections and flows (docs/ARCHITECTURE.md §6).
//!
//! [`parse`] reads the text and says everything that is wrong with it at once, each mistake with its line and
//! its mend. [`Loaded::new`] adds the secrets, which the file names but never holds. [`SharedConfiguration`]
//! hands the services the newest good version; a bad edit is logged and the old version stays in force.
//! This module knows no vendor: what a kind of connection needs is told to it as [`KindRule`]s.

mod connection;
mod flow;
mod limits;
mod loaded;
mod mistake;
mod oauth;
mod places;
mod secret;
mod shared;
mod span;
mod unknown;
mod validate;
mod validate_flow;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use domain::ids::{ConnectionId, TenantId};
use schemars::JsonSchema;
use serde::Deserialize;

pub use connection::{Connection, KindRule, SourceIps, SourceIpsMode};
pub use flow::{EnvelopePlan, Flow, PartyPlan, Send, When, Write};
pub use limits::{Door, Limits, QuarantineLimits};
pub use loaded::{Credentials, Loaded};
pub use mistake::{ConfigurationError, Mistake};
pub use oauth::{OAuth, OAuthCredentials};
pub use secret::{Environment, KeySet, SecretRef, VerifyKey};
pub use shared::SharedConfiguration;
pub use span::Span;

/// Largest configuration file, in bytes.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;

/// The whole file.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// Who works with this installation. Every connection belongs to one tenant.
    #[serde(default, deserialize_with = "span::keyed")]
    #[schemars(with = "BTreeMap<String, Tenant>")]
    pub tenants: BTreeMap<TenantId, Tenant>,
    /// Accounts at signature providers and CRMs. The key is the last part of the webhook path.
    #[serde(default, deserialize_with = "span::keyed")]
    #[schemars(with = "BTreeMap<String, Connection>")]
    pub connections: BTreeMap<ConnectionId, Connection>,
    /// Where deliveries come in.
    #[serde(default)]
    pub ingress: Door,
    /// What leads to an envelope, and what is written back.
    #[serde(default)]
    pub flows: Vec<Flow>,
}

impl Configuration {
    /// The connections that draw on the same credits as this one, in order of their names: those that name the same
    /// pool, else itself alone.
    pub fn sharing_credits_with(&self, connection: &ConnectionId) -> Vec<ConnectionId> {
        let pool = self.connections.get(connection).and_then(|known| known.credit_pool.as_ref());
        let Some(pool) = pool else { return vec![connection.clone()] };
        let same = self.connections.iter().filter(|(_, other)| other.credit_pool.as_ref() == Some(pool));
        same.map(|(id, _)| id.clone()).collect()
    }
}

/// One tenant. Has no settings yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tenant {}

/// The JSON Schema of the file, as `countersign config schema` prints it.
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Configuration);
    schema.insert("title".to_owned(), "Countersign configuration".into());
    schema.to_value()
}

/// Reads and checks a configuration. `rules` says which kinds of connection exist and what they need.
///
/// # Errors
/// Every mistake found, each with its place and its mend.
pub fn parse(text: &str, rules: &[KindRule]) -> Result<Configuration, ConfigurationError> {
    if text.len() > FILE_BYTES_MAX {
        return Err(mistake::unreadable(None, format!("the file is longer than {FILE_BYTES_MAX} bytes")));
    }
    let places = places::Places::read(text)?;
    let mut mistakes = unknown::keys(&places, &schema());
    mistakes.extend(secret::literals(&places));
    // A key that is not known, or a secret in the wrong place, would only be reported a second time below, and
    // there with its value.
    if !mistakes.is_empty() {
        return Err(ConfigurationError::new(mistakes));
    }
    let configuration: Configuration =
        serde_saphyr::from_str(text).map_err(|error| mistake::from_yaml(&error))?;
    mistakes.extend(validate::all(&configuration, rules));
    if mistakes.is_empty() {
        return Ok(configuration);
    }
    Err(ConfigurationError::new(places.locate(mistakes)))
}
