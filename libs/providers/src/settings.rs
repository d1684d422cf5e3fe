//! What an adapter needs to know of its connection.

use std::sync::Arc;

use domain::ids::ConnectionId;
use outbound::OutboundError;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use url::Url;

use crate::OAuth;

/// Yields the key that calls are made with now, so that a reloaded key counts at once.
pub type CurrentKey = Arc<dyn Fn() -> SecretString + Send + Sync>;

/// One connection, as the configuration describes it.
#[derive(Clone)]
pub struct ConnectionSettings {
    /// The connection's key in the configuration.
    pub connection: ConnectionId,
    /// Where the vendor's API lives.
    pub base_url: Url,
    /// The key for calls.
    pub key: CurrentKey,
    /// Access by OAuth instead of the key, where the vendor offers it.
    pub oauth: Option<OAuth>,
    /// Where the vendor shall report, if an order does not say otherwise.
    pub webhook_url: Option<Url>,
    /// What only this vendor knows; an unknown option is refused.
    pub options: Map<String, Value>,
    /// Whether calls may go to loopback and private addresses (simulators).
    pub allow_private_addresses: bool,
}

impl ConnectionSettings {
    /// Refuses access by OAuth, at a vendor that does not offer it.
    pub(crate) fn without_oauth(&self) -> Result<(), ConnectError> {
        match self.oauth {
            None => Ok(()),
            Some(_) => Err(ConnectError::NoOAuth { connection: self.connection.clone() }),
        }
    }

    /// The options as the vendor's own type.
    pub(crate) fn options<T: DeserializeOwned>(&self) -> Result<T, ConnectError> {
        serde_json::from_value(Value::Object(self.options.clone())).map_err(|source| ConnectError::Options {
            connection: self.connection.clone(),
            reason: source.to_string(),
        })
    }
}

/// Why a connection cannot be used. `Display` names the connection and the mend.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No vendor of that name.
    #[error("no signature provider of kind {kind:?}; known kinds: {}", crate::kinds().join(", "))]
    UnknownKind {
        /// What the configuration says.
        kind: String,
    },
    /// An option is unknown or has a wrong value.
    #[error("connection {connection}: options: {reason}")]
    Options {
        /// The connection.
        connection: ConnectionId,
        /// Which option, and what is allowed.
        reason: String,
    },
    /// Access by OAuth is configured, but this vendor does not offer it.
    #[error("connection {connection}: oauth: this kind of connection is called with a key")]
    NoOAuth {
        /// The connection.
        connection: ConnectionId,
    },
    /// The base address cannot be extended by paths.
    #[error("connection {connection}: base_url must be an http or https address")]
    BaseUrl {
        /// The connection.
        connection: ConnectionId,
    },
    /// The HTTP client cannot be made.
    #[error("connection {connection}: the HTTP client cannot be made")]
    Client {
        /// The connection.
        connection: ConnectionId,
        /// Why.
        source: OutboundError,
    },
}
