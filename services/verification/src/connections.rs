//! The connections of the configuration in force, each with its scheme and its keys.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crms::WebhookSettings;
use domain::ids::{ConnectionId, TenantId};
use domain::intake::{RawDelivery, Refusal};
use domain::time::Timestamp;
use parking_lot::RwLock;
use runtime::config::{Connection, Credentials, Loaded, QuarantineLimits, SharedConfiguration};
use serde_json::{Map, Value};
use signatures::{VerifyKey, WebhookScheme};

use crate::sources::Sources;

/// One connection, ready to judge deliveries.
pub struct Known {
    /// Whose it is.
    pub tenant: TenantId,
    /// How its deliveries prove their origin and are read.
    pub scheme: Arc<dyn WebhookScheme>,
    /// Every key of it, with its window.
    pub credentials: Credentials,
    /// How much of what is not believed is kept.
    pub quarantine: QuarantineLimits,
    /// How long a key must have verified nothing before it is safe to remove.
    pub key_idle: Duration,
    /// What is allowed although it weakens the proof of origin.
    pub warnings: Vec<&'static str>,
    sources: Sources,
}

impl Known {
    /// Proves a delivery with the keys in force when it was received, or at another time beside it. Returns the name
    /// of the key. Schemes with a timestamp are judged by the time of receipt: a parked delivery may come late, and a
    /// quarantined one be looked at much later.
    ///
    /// # Errors
    /// Why it is not believed. Without a key in force nothing is.
    pub fn prove(
        &self,
        delivery: &RawDelivery,
        peer: Option<IpAddr>,
        also_at: Option<Timestamp>,
    ) -> Result<String, Refusal> {
        let key_id = self.key_of(delivery, delivery.received_at, also_at)?;
        self.sources.judge(&delivery.connection, peer)?;
        Ok(key_id)
    }

    /// Proves a delivery that we fetched from the vendor's list of those that did not arrive, with the keys in force
    /// when it was made and those in force now. No address proves anything here: we called.
    ///
    /// # Errors
    /// As [`Known::prove`].
    pub fn prove_fetched(
        &self,
        delivery: &RawDelivery,
        made_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.key_of(delivery, made_at, Some(now)).map(drop)
    }

    fn key_of(
        &self,
        delivery: &RawDelivery,
        at: Timestamp,
        also_at: Option<Timestamp>,
    ) -> Result<String, Refusal> {
        let counts = |key: &&runtime::config::VerifyKey| {
            key.is_in_force(at) || also_at.is_some_and(|also| key.is_in_force(also))
        };
        let in_force = self.credentials.verify.keys().iter().filter(counts);
        let keys: Vec<VerifyKey> =
            in_force.filter_map(|key| VerifyKey::new(key.id.clone(), key.secret.clone()).ok()).collect();
        let index = self.scheme.verify(delivery, &keys, at)?;
        Ok(keys.into_iter().nth(index).expect("invariant: a scheme names a key it was given").id)
    }
}

type Table = HashMap<ConnectionId, Arc<Known>>;

/// Every connection. Built anew when the configuration is reloaded.
pub struct Connections {
    configuration: SharedConfiguration,
    built: RwLock<(Arc<Loaded>, Arc<Table>)>,
}

impl Connections {
    /// Reads the connections of the configuration in force.
    pub fn new(configuration: SharedConfiguration) -> Self {
        let loaded = configuration.current();
        let table = Arc::new(build(&loaded));
        Self { configuration, built: RwLock::new((loaded, table)) }
    }

    /// All of them, by key.
    pub fn current(&self) -> Arc<Table> {
        let loaded = self.configuration.current();
        {
            let built = self.built.read();
            if Arc::ptr_eq(&built.0, &loaded) {
                return built.1.clone();
            }
        }
        let table = Arc::new(build(&loaded));
        *self.built.write() = (loaded, table.clone());
        table
    }

    /// The address that the vendor of a connection reports to, if the configuration names it.
    pub fn webhook_url(&self, id: &ConnectionId) -> Option<String> {
        self.configuration.current().configuration().connections.get(id)?.webhook_url.clone()
    }

    /// One of them.
    pub fn get(&self, id: &ConnectionId) -> Option<Arc<Known>> {
        self.current().get(id).cloned()
    }
}

fn build(loaded: &Loaded) -> Table {
    let connections = &loaded.configuration().connections;
    let known = connections.iter().filter_map(|(id, connection)| {
        let scheme = scheme(id, connection)?;
        let known = Known {
            tenant: connection.tenant.clone(),
            credentials: loaded.credentials(id).cloned().unwrap_or_default(),
            quarantine: connection.quarantine.clone(),
            key_idle: connection.key_idle.map_or_else(|| scheme.retry_horizon(), |idle| idle.duration()),
            warnings: warnings(connection),
            sources: Sources::of(connection, scheme.as_ref()),
            scheme,
        };
        Some((id.clone(), Arc::new(known)))
    });
    known.collect()
}

fn warnings(connection: &Connection) -> Vec<&'static str> {
    let options = connection.options.clone().into_iter().collect();
    [connection.warnings(), crms::warnings(&connection.kind, &options)].concat()
}

/// Asks both registries; a connection that neither can serve is left out, and said so.
fn scheme(id: &ConnectionId, connection: &Connection) -> Option<Arc<dyn WebhookScheme>> {
    let options: Map<String, Value> = connection.options.clone().into_iter().collect();
    if let Some(scheme) = providers::scheme(&connection.kind, &options) {
        return Some(scheme);
    }
    let settings = WebhookSettings {
        connection: id.clone(),
        webhook_url: connection.webhook_url.as_deref().and_then(|url| url.parse().ok()),
        account: connection.portal_id.clone().or_else(|| connection.account.clone()),
        options,
    };
    match crms::scheme(&connection.kind, settings) {
        Ok(scheme) => Some(scheme),
        Err(error) => {
            tracing::error!(connection = %id, %error, "the connection takes no deliveries");
            None
        }
    }
}
