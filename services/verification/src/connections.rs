//! The connections of the configuration in force, each with its scheme and its keys.

use std::collections::HashMap;
use std::sync::Arc;

use crms::WebhookSettings;
use domain::ids::{ConnectionId, TenantId};
use domain::time::Timestamp;
use parking_lot::RwLock;
use runtime::config::{Connection, KeySet, Loaded, SharedConfiguration};
use serde_json::{Map, Value};
use signatures::{VerifyKey, WebhookScheme};

/// One connection, ready to judge deliveries.
pub struct Known {
    /// Whose it is.
    pub tenant: TenantId,
    /// How its deliveries prove their origin and are read.
    pub scheme: Arc<dyn WebhookScheme>,
    /// Every key of it, with its window.
    pub keys: KeySet,
}

impl Known {
    /// The keys that verify at `now`, in the order of the configuration. May be empty: then nothing verifies.
    pub fn keys_in_force(&self, now: Timestamp) -> Vec<VerifyKey> {
        let in_force = self.keys.in_force(now).into_iter();
        in_force.filter_map(|(id, secret)| VerifyKey::new(id, secret).ok()).collect()
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

    /// One of them.
    pub fn get(&self, id: &ConnectionId) -> Option<Arc<Known>> {
        self.current().get(id).cloned()
    }
}

fn build(loaded: &Loaded) -> Table {
    let connections = &loaded.configuration().connections;
    let known = connections.iter().filter_map(|(id, connection)| {
        let scheme = scheme(id, connection)?;
        let keys = loaded.credentials(id).map(|credentials| credentials.verify.clone()).unwrap_or_default();
        Some((id.clone(), Arc::new(Known { tenant: connection.tenant.clone(), scheme, keys })))
    });
    known.collect()
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
