//! The CRM of each connection, made once and made anew when the configuration changes.

use std::collections::HashMap;
use std::sync::Arc;

use crms::Crm;
use domain::ids::ConnectionId;
use parking_lot::RwLock;
use runtime::clock::Clock;
use runtime::config::{Connection, Loaded, SharedConfiguration};
use secrecy::SecretString;

type Table = HashMap<ConnectionId, Arc<dyn Crm>>;
/// The CRMs of one version of the configuration.
type Built = (Arc<Loaded>, Arc<Table>);

/// Every CRM of the configuration in force. Cheap to clone.
#[derive(Clone)]
pub struct Adapters {
    configuration: SharedConfiguration,
    clock: Clock,
    /// Whether CRMs may be at private or loopback addresses: only with simulators.
    allow_private_addresses: bool,
    built: Arc<RwLock<Option<Built>>>,
    /// Given instead of made; stays whatever the configuration says.
    given: Option<Arc<Table>>,
}

impl Adapters {
    /// Nothing is connected yet.
    pub fn new(configuration: SharedConfiguration, clock: Clock, allow_private_addresses: bool) -> Self {
        Self { configuration, clock, allow_private_addresses, built: Arc::default(), given: None }
    }

    /// These CRMs and no others, whatever the configuration says of their kinds and addresses.
    #[must_use]
    pub fn given(self, crms: impl IntoIterator<Item = (ConnectionId, Arc<dyn Crm>)>) -> Self {
        Self { given: Some(Arc::new(crms.into_iter().collect())), ..self }
    }

    /// The CRM of one connection; `None` if it is not a CRM or cannot be used.
    pub fn get(&self, connection: &ConnectionId) -> Option<Arc<dyn Crm>> {
        self.current().get(connection).cloned()
    }

    /// Whether CRMs may be at private or loopback addresses.
    pub const fn allow_private_addresses(&self) -> bool {
        self.allow_private_addresses
    }

    fn current(&self) -> Arc<Table> {
        if let Some(given) = &self.given {
            return given.clone();
        }
        let loaded = self.configuration.current();
        if let Some((from, table)) = self.built.read().as_ref()
            && Arc::ptr_eq(from, &loaded)
        {
            return table.clone();
        }
        let connections = &loaded.configuration().connections;
        let crms = connections
            .iter()
            .filter_map(|(id, connection)| Some((id.clone(), self.connect(id, connection)?)));
        let table: Arc<Table> = Arc::new(crms.collect());
        *self.built.write() = Some((loaded, table.clone()));
        table
    }

    fn connect(&self, id: &ConnectionId, connection: &Connection) -> Option<Arc<dyn Crm>> {
        if !crms::kinds().contains(&connection.kind.as_str()) {
            return None;
        }
        let settings = crms::ConnectionSettings {
            connection: id.clone(),
            base_url: connection.base_url.parse().ok()?,
            access_token: self.token(id),
            options: connection.options.clone().into_iter().collect(),
            allow_private_addresses: self.allow_private_addresses,
        };
        match crms::connect(&connection.kind, settings) {
            Ok(crm) => Some(crm),
            Err(error) => {
                tracing::error!(connection = %id, %error, "the connection cannot be used");
                None
            }
        }
    }

    /// The token in force at the moment of the call; empty (and so refused by the CRM) when there is none.
    fn token(&self, id: &ConnectionId) -> crms::Tokens {
        let (configuration, clock, id) = (self.configuration.clone(), self.clock.clone(), id.clone());
        Arc::new(move || {
            let loaded = configuration.current();
            let key = loaded.credentials(&id).and_then(|credentials| credentials.call_key(clock.now()));
            key.unwrap_or_else(|| SecretString::from(String::new()))
        })
    }
}
