//! `GET /varz` of a server's monitoring port: the only place that tells when it syncs.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::Request;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::timeout;

const ANSWER_MAX: Duration = Duration::from_secs(5);
/// What is said of an address that takes longer than [`ANSWER_MAX`].
pub(super) const SILENT: &str = "the monitoring address does not answer";
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// When a server syncs what it acknowledges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sync {
    /// Before the acknowledgement.
    Always,
    /// Now and then; the interval for the message.
    Every(String),
}

/// Asks one server.
pub(super) async fn sync(url: &str) -> Result<Sync, String> {
    let body = timeout(ANSWER_MAX, get(url)).await.map_err(|_| SILENT)??;
    parse(&body)
}

async fn get(url: &str) -> Result<Bytes, String> {
    let address = url
        .strip_prefix("http://")
        .map(|rest| rest.trim_end_matches('/'))
        .filter(|address| !address.contains('/') && !address.contains('@'))
        .ok_or("the monitoring address must look like http://host:8222")?;
    let with_port = if address.contains(':') { address.to_owned() } else { format!("{address}:80") };
    let stream = TcpStream::connect(with_port).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let request = Request::get("/varz").header("host", address).body(Empty::<Bytes>::new());
    let exchange = async {
        let answer = sender.send_request(request.map_err(|error| error.to_string())?).await;
        let answer = answer.map_err(|error| error.to_string())?;
        if !answer.status().is_success() {
            return Err(format!("/varz answers {}", answer.status()));
        }
        let body = Limited::new(answer.into_body(), BODY_BYTES_MAX).collect().await;
        Ok(body.map_err(|error| error.to_string())?.to_bytes())
    };
    tokio::select! {
        body = exchange => body,
        Err(error) = connection => Err(error.to_string()),
    }
}

#[derive(Deserialize)]
struct Varz {
    jetstream: Option<VarzJetStream>,
}

#[derive(Deserialize)]
struct VarzJetStream {
    config: Option<VarzConfig>,
}

#[derive(Deserialize)]
struct VarzConfig {
    #[serde(default)]
    sync_always: bool,
    #[serde(default)]
    sync_interval: u64,
}

fn parse(body: &[u8]) -> Result<Sync, String> {
    let varz: Varz = serde_json::from_slice(body).map_err(|_| "/varz is not what a nats-server answers")?;
    let config =
        varz.jetstream.and_then(|jetstream| jetstream.config).ok_or("/varz says nothing about JetStream")?;
    if config.sync_always {
        return Ok(Sync::Always);
    }
    Ok(Sync::Every(format!("{:?}", Duration::from_nanos(config.sync_interval))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_real_servers_answer_is_understood() {
        // Cut from nats-server 2.15.1: with `always` the interval is still reported.
        let always =
            r#"{"jetstream":{"config":{"sync_interval":120000000000,"sync_always":true,"strict":true}}}"#;
        assert_eq!(parse(always.as_bytes()), Ok(Sync::Always));
        let lazy = r#"{"jetstream":{"config":{"max_memory":1,"sync_interval":120000000000,"strict":true}}}"#;
        assert_eq!(parse(lazy.as_bytes()), Ok(Sync::Every("120s".to_owned())));
        for silent in ["{}", r#"{"jetstream":{}}"#, "<html>"] {
            assert!(parse(silent.as_bytes()).is_err(), "{silent}");
        }
    }
}
