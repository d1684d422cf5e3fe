//! The process under load, its configuration and the webhooks it will believe.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use testkit::nats::{NatsOptions, NatsServer};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// The key that signs; made up, used nowhere else.
const KEY: &str = "atlas_live_LoadTestKey000000001";
/// How many envelopes the webhooks speak of: each has a data key of its own.
const ENVELOPES: u64 = 1000;
/// Clock ticks of `/proc`, the same on every Linux.
const TICKS_PER_SECOND: u64 = 100;
/// Longest wait for the process to be ready.
const READY_DEADLINE: Duration = Duration::from_secs(30);

/// Which log is measured.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Log {
    /// fjall, in the process.
    Embedded,
    /// NATS JetStream with `sync_interval: always`.
    Nats,
}

/// A NATS server set up as `deploy/nats` says.
pub async fn nats_server() -> Result<NatsServer> {
    let environment = include_str!("../../../deploy/nats/nats-server.env").to_owned();
    NatsServer::start(NatsOptions { environment, ..NatsOptions::default() }).await
}

/// A running `countersign up --roles ingress,verification`.
pub struct Target {
    /// Host and port of ingress.
    pub ingress: String,
    /// Address of verification (gRPC).
    pub verification: String,
    sequence: Arc<AtomicU64>,
    process: Child,
    _nats: Option<NatsServer>,
    _directory: tempfile::TempDir,
}

impl Target {
    /// Starts it and waits until it says that it is ready.
    pub async fn start(log: Log, countersign: &Path) -> Result<Self> {
        Self::start_with(log, countersign, &[]).await
    }

    /// The same on a NATS server, without grouping: one message an event, all else alike.
    pub async fn start_one_by_one(countersign: &Path) -> Result<Self> {
        Self::start_with(Log::Nats, countersign, &["--nats-one-by-one"]).await
    }

    async fn start_with(log: Log, countersign: &Path, flags: &[&str]) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let configuration = directory.path().join("countersign.yaml");
        std::fs::write(directory.path().join("key"), KEY)?;
        std::fs::write(&configuration, configuration_text(&directory.path().join("key")))?;

        let mut command = Command::new(countersign);
        command
            .args(["up", "--json", "--roles", "ingress,verification", "--ingress-listen", "127.0.0.1:0"])
            .args(["--verification-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .arg("--config")
            .arg(&configuration)
            .arg("--data-dir")
            .arg(directory.path().join("data"));
        command.args(flags);
        let nats = match log {
            Log::Embedded => None,
            Log::Nats => {
                let server = nats_server().await?;
                command.args(["--log", "nats", "--nats-url", server.url()]);
                command.args(["--nats-monitoring-url", server.monitoring_url()]);
                Some(server)
            }
        };
        let mut process =
            command.env("RUST_LOG", "error").stdout(Stdio::piped()).kill_on_drop(true).spawn().with_context(
                || format!("cannot start {}: build it with --release", countersign.display()),
            )?;
        let ready = read_ready(&mut process).await?;
        let ingress = ready["ingress"].as_str().context("the ready line names no ingress")?;
        let ingress = ingress.trim_start_matches("http://").to_owned();
        let verification = ready["verification"].as_str().context("the ready line names no verification")?;
        let verification = verification.to_owned();
        Ok(Self {
            ingress,
            verification,
            sequence: Arc::default(),
            process,
            _nats: nats,
            _directory: directory,
        })
    }

    /// An endless supply of webhooks, no two alike.
    pub fn webhooks(&self, body_bytes: usize) -> Webhooks {
        Webhooks {
            address: self.ingress.clone(),
            body_bytes,
            sequence: self.sequence.clone(),
            is_forged: false,
        }
    }

    /// The same from somebody who does not have the key.
    pub fn forged_webhooks(&self, body_bytes: usize) -> Webhooks {
        Webhooks { is_forged: true, ..self.webhooks(body_bytes) }
    }

    /// Processor time the process has used so far, if the system tells.
    pub fn processor_time(&self) -> Option<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()?)).ok()?;
        // The name in parentheses may hold spaces; user and system time are the 12th and 13th after it.
        let mut fields = stat.rsplit_once(") ")?.1.split_whitespace().skip(11);
        let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
        Some(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
    }

    /// Resident memory of the process in MiB, if the system tells.
    pub fn resident_mebibytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()?)).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
    }
}

async fn read_ready(process: &mut Child) -> Result<serde_json::Value> {
    let output = process.stdout.take().context("no standard output")?;
    let mut lines = BufReader::new(output).lines();
    let line = tokio::time::timeout(READY_DEADLINE, lines.next_line())
        .await
        .context("countersign was not ready in time")??;
    Ok(serde_json::from_str(&line.context("countersign ended before it was ready")?)?)
}

/// Makes signed requests.
#[derive(Clone)]
pub struct Webhooks {
    address: String,
    body_bytes: usize,
    sequence: Arc<AtomicU64>,
    is_forged: bool,
}

impl Webhooks {
    /// Host and port to send them to.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The next one.
    pub fn next(&self) -> Result<Request<Full<Bytes>>> {
        let number = self.sequence.fetch_add(1, Ordering::Relaxed);
        let envelope = number % ENVELOPES;
        let head = format!(
            r#"{{"event":"envelope.viewed","envelope_id":"load-{envelope:06}","metadata":{{"n":"{number:012}"}},"filler":""#
        );
        ensure!(self.body_bytes > head.len() + 2, "a webhook needs at least {} bytes", head.len() + 3);
        let mut body = head.into_bytes();
        body.resize(self.body_bytes - 2, b'x');
        body.extend_from_slice(b"\"}");

        let signature = if self.is_forged {
            // Costs the forger nothing, and every one is different.
            format!("{number:064x}")
        } else {
            hex::encode(signatures::hmac_sha256(KEY.as_bytes(), &[&body]))
        };
        let request = Request::post("/v1/hooks/atlas-load")
            .header("host", "load.invalid")
            .header("content-type", "application/json")
            .header("x-atlas-signature", format!("sha256={signature}"))
            .body(Full::new(Bytes::from(body)))?;
        Ok(request)
    }
}

fn configuration_text(key: &Path) -> String {
    format!(
        "tenants:\n  load: {{}}\nconnections:\n  atlas-load:\n    kind: atlas\n    tenant: load\n    \
         base_url: http://127.0.0.1:9\n    api_keys:\n      - {{id: k1, file: {}}}\nflows: []\n",
        key.display()
    )
}
