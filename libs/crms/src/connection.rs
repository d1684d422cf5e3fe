//! What a connection needs from the configuration.

use std::sync::Arc;

use domain::ids::ConnectionId;
use secrecy::SecretString;
use serde_json::{Map, Value};
use url::Url;

/// Yields the access token in force now, so that a reloaded secret counts from the next call on.
pub type Tokens = Arc<dyn Fn() -> SecretString + Send + Sync>;

/// What an adapter is made from.
#[derive(Clone)]
pub struct ConnectionSettings {
    /// The connection's key in the configuration.
    pub connection: ConnectionId,
    /// Where the vendor's API is, without the path of an object.
    pub base_url: Url,
    /// The access token.
    pub access_token: Tokens,
    /// Settings of this vendor only, as they stand in the configuration.
    pub options: Map<String, Value>,
    /// Whether the API may be at a private or loopback address (simulators).
    pub allow_private_addresses: bool,
}

impl std::fmt::Debug for ConnectionSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectionSettings").field("connection", &self.connection).finish_non_exhaustive()
    }
}

/// What a webhook scheme is made from.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// The connection's key in the configuration.
    pub connection: ConnectionId,
    /// The public address the vendor calls, as it is registered there.
    pub webhook_url: Option<Url>,
    /// The CRM account (portal, organisation) the connection belongs to; events of others have no effect.
    pub account: Option<String>,
    /// Settings of this vendor only, as they stand in the configuration.
    pub options: Map<String, Value>,
}

/// Why a connection cannot be made from its settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// No CRM of this kind is known; [`crate::kinds`] lists them.
    #[error("unknown kind of CRM {kind:?}; known are: {}", crate::kinds().join(", "))]
    UnknownKind {
        /// The kind asked for.
        kind: String,
    },
    /// A setting is missing or cannot be used.
    #[error("{setting}: {problem}")]
    Setting {
        /// The setting's name in the configuration.
        setting: &'static str,
        /// What is wrong, and what would be right.
        problem: &'static str,
    },
}
