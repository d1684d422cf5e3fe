//! The connection: bounded waits, endless reconnects.

use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions};

use super::REQUEST_MAX;
use crate::JetStreamSettings;
use crate::error::OpenError;
use crate::patience::patiently;

const CONNECT_MAX: Duration = Duration::from_secs(5);
const PAUSE_MS_MIN: u64 = 50;
const PAUSE_MS_MAX: u64 = 1_000;

pub(super) async fn connect(settings: &JetStreamSettings) -> Result<Client, OpenError> {
    let pause = |tries: usize| {
        let doublings = u32::try_from(tries).unwrap_or(u32::MAX).min(10);
        Duration::from_millis((PAUSE_MS_MIN << doublings).min(PAUSE_MS_MAX))
    };
    let servers: Vec<String> = settings.url.split(',').map(|url| url.trim().to_owned()).collect();
    let connect = || {
        ConnectOptions::new()
            .name("countersign")
            .connection_timeout(CONNECT_MAX)
            .request_timeout(Some(REQUEST_MAX))
            .max_reconnects(None)
            .reconnect_delay_callback(pause)
            .connect(servers.clone())
    };
    // A wrong address is said at once; a server that is only slow is waited for.
    let slow = |error: &ConnectError| error.kind() == ConnectErrorKind::TimedOut;
    patiently("the connection to NATS", slow, connect)
        .await
        .map_err(|error| OpenError::Unreachable { url: printable(&settings.url), reason: error.to_string() })
}

pub(super) fn context(client: &Client) -> Context {
    ContextBuilder::new().timeout(REQUEST_MAX).ack_timeout(REQUEST_MAX).build(client.clone())
}

/// The addresses without user and password.
fn printable(url: &str) -> String {
    let bare = |url: &str| match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        (None, Some((_, host))) => host.to_owned(),
        (_, None) => url.to_owned(),
    };
    url.split(',').map(|url| bare(url.trim())).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn an_address_is_printed_without_its_password() {
        assert_eq!(
            printable("nats://user:secret@one:4222, nats://two:4222"),
            "nats://one:4222,nats://two:4222"
        );
        assert_eq!(printable("user:secret@one:4222"), "one:4222");
    }
}
