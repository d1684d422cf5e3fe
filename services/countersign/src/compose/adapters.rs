//! What each kind of connection needs, and the signature providers of the configuration in force.

use std::collections::HashMap;
use std::sync::Arc;

use domain::ids::ConnectionId;
use envelope_orchestrator::Providers;
use event_log::EventLog;
use providers::{OAuth, Provider, TokenStore, TokensInMemory};
use runtime::clock::Clock;
use runtime::config::{Connection, KindRule, Loaded, SharedConfiguration};
use secrecy::SecretString;

use super::tokens::TokensBesideLog;

/// Which secrets each kind of connection calls and verifies with.
pub const RULES: [KindRule; 3] = [
    KindRule { kind: "atlas", call: "api_keys", verify: "api_keys", regions: &[] },
    KindRule {
        kind: "pandadoc",
        call: "api_key",
        verify: "shared_keys",
        regions: providers::source_regions("pandadoc"),
    },
    KindRule { kind: "hubspot", call: "access_token", verify: "client_secrets", regions: &[] },
];

/// Connections whose adapters cannot be made, with the reasons: options that do not fit, addresses that are none.
pub fn unusable(configuration: &SharedConfiguration, clock: &Clock) -> Vec<(ConnectionId, String)> {
    let loaded = configuration.current();
    let problem = |id: &ConnectionId, connection: &Connection| {
        let Ok(base_url) = connection.base_url.parse() else {
            return Some("base_url is not an address".to_owned());
        };
        if crms::kinds().contains(&connection.kind.as_str()) {
            let settings = crms::ConnectionSettings {
                connection: id.clone(),
                base_url,
                access_token: Arc::new(|| SecretString::from(String::new())),
                options: connection.options.clone().into_iter().collect(),
                allow_private_addresses: true,
            };
            return crms::connect(&connection.kind, settings).err().map(|error| error.to_string());
        }
        let tokens = || -> Arc<dyn TokenStore> { Arc::new(TokensInMemory::default()) };
        let settings = settings(id, connection, configuration, clock, true, tokens)?;
        providers::connect(&connection.kind, settings).err().map(|error| error.to_string())
    };
    let connections = loaded.configuration().connections.iter();
    connections.filter_map(|(id, connection)| Some((id.clone(), problem(id, connection)?))).collect()
}

/// What is allowed but costs something, by connection.
pub fn warnings(loaded: &Loaded) -> Vec<(ConnectionId, &'static str)> {
    let connections = loaded.configuration().connections.iter();
    let warned = connections.flat_map(|(id, connection)| {
        let options = connection.options.clone().into_iter().collect();
        let of_kind = crms::warnings(&connection.kind, &options);
        connection.warnings().into_iter().chain(of_kind).map(|what| (id.clone(), what))
    });
    warned.collect()
}

type Table = HashMap<ConnectionId, Arc<dyn Provider>>;
/// The adapters of one version of the configuration.
type Built = Option<(Arc<Loaded>, Arc<Table>)>;

/// Finds the adapter of a connection; adapters are made anew when the configuration changes.
pub fn providers(
    configuration: SharedConfiguration,
    clock: Clock,
    log: &EventLog,
    allow_private_addresses: bool,
) -> Providers {
    let log = log.clone();
    let built: std::sync::Mutex<Built> = std::sync::Mutex::new(None);
    Arc::new(move |connection| {
        let loaded = configuration.current();
        let mut built = built.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let table = match &*built {
            Some((from, table)) if Arc::ptr_eq(from, &loaded) => table.clone(),
            Some(_) | None => {
                let table = Arc::new(connect(&loaded, &configuration, &clock, &log, allow_private_addresses));
                *built = Some((loaded, table.clone()));
                table
            }
        };
        table.get(connection).cloned()
    })
}

fn connect(
    loaded: &Loaded,
    configuration: &SharedConfiguration,
    clock: &Clock,
    log: &EventLog,
    allow_private_addresses: bool,
) -> Table {
    let connections = loaded.configuration().connections.iter();
    let wanted = connections.filter(|(_, connection)| providers::kinds().contains(&connection.kind.as_str()));
    let made = wanted.filter_map(|(id, connection)| {
        let tokens =
            || -> Arc<dyn TokenStore> { Arc::new(TokensBesideLog::new(log.clone(), clock.clone(), id)) };
        let settings = settings(id, connection, configuration, clock, allow_private_addresses, tokens)?;
        match providers::connect(&connection.kind, settings) {
            Ok(provider) => Some((id.clone(), provider)),
            Err(error) => {
                tracing::error!(connection = %id, %error, "the connection cannot be used");
                None
            }
        }
    });
    made.collect()
}

fn settings(
    id: &ConnectionId,
    connection: &Connection,
    configuration: &SharedConfiguration,
    clock: &Clock,
    allow_private_addresses: bool,
    tokens: impl FnOnce() -> Arc<dyn TokenStore>,
) -> Option<providers::ConnectionSettings> {
    let loaded = configuration.current();
    let oauth = loaded.credentials(id).and_then(|credentials| credentials.oauth.clone());
    let (shared, clock, key_of) = (configuration.clone(), clock.clone(), id.clone());
    Some(providers::ConnectionSettings {
        connection: id.clone(),
        base_url: connection.base_url.parse().ok()?,
        // The key in force at the moment of the call; empty, and so refused, when there is none.
        key: Arc::new(move || {
            let loaded = shared.current();
            let key = loaded.credentials(&key_of).and_then(|credentials| credentials.call_key(clock.now()));
            key.unwrap_or_else(|| SecretString::from(String::new()))
        }),
        oauth: oauth.map(|oauth| OAuth {
            token_url: oauth.token_url.as_deref().and_then(|url| url.parse().ok()),
            client_id: oauth.client_id,
            client_secret: oauth.client_secret,
            refresh_token: oauth.refresh_token,
            tokens: tokens(),
        }),
        webhook_url: connection.webhook_url.as_deref().and_then(|url| url.parse().ok()),
        options: connection.options.clone().into_iter().collect(),
        allow_private_addresses,
    })
}
