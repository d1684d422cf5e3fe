//! The log that the command line asks for.

use anyhow::{Context, Result};
use event_log::{EmbeddedSettings, EventLog, JetStreamSettings, Settings};
use secrecy::ExposeSecret as _;

use crate::cli::{LogArgs, LogKind};

/// Monitoring port of a NATS server, if nobody says otherwise.
const MONITORING_PORT: u16 = 8222;

/// Opens the log.
///
/// # Errors
/// When it does not open; the message has the code of the page in `docs/errors`.
pub async fn open(arguments: &LogArgs) -> Result<EventLog> {
    let settings = match arguments.log {
        LogKind::Embedded => Settings::Embedded(EmbeddedSettings::in_dir(&arguments.data_dir)),
        LogKind::Nats => Settings::JetStream(JetStreamSettings {
            url: arguments.nats_url.expose_secret().to_owned(),
            monitoring_url: arguments
                .nats_monitoring_url
                .clone()
                .or_else(|| monitoring(arguments.nats_url.expose_secret())),
            replicas: arguments.nats_replicas,
            accept_risks: arguments.accept_risk.clone(),
            one_by_one: arguments.nats_one_by_one,
            ..JetStreamSettings::default()
        }),
    };
    EventLog::open(settings).await.context("the log does not open")
}

/// The usual monitoring address of the first server.
fn monitoring(nats_url: &str) -> Option<String> {
    let first = nats_url.split(',').next()?;
    let address = first.rsplit_once("://").map_or(first, |(_, address)| address);
    let address = address.rsplit_once('@').map_or(address, |(_, address)| address);
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    Some(format!("http://{host}:{MONITORING_PORT}"))
}

#[cfg(test)]
mod tests {
    use super::monitoring;

    #[test]
    fn the_monitoring_address_is_on_the_first_servers_host_and_without_its_password() {
        let address = monitoring("nats://user:secret@nats-0:4222,nats://nats-1:4222");
        assert_eq!(address.as_deref(), Some("http://nats-0:8222"));
    }
}
