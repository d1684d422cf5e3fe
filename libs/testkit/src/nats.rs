//! A real nats-server on free ports, in a directory of its own, killed when the test ends.
//!
//! The binary is `target/tools/nats-server` (`./test --tools` puts it there) or what `NATS_SERVER_BIN` names.

mod cluster;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub use self::cluster::NatsCluster;

const START_MAX: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// How the server is set up.
#[derive(Clone, Debug)]
pub struct NatsOptions {
    /// `sync_interval`: `always`, or a time such as `2m`.
    pub sync_interval: String,
    /// Whether JetStream is on.
    pub jetstream: bool,
    /// Further lines of the server's configuration.
    pub extra: String,
    /// Its environment beyond ours, `NAME=value` a line, as in an environment file; `#` begins a comment.
    pub environment: String,
}

impl Default for NatsOptions {
    fn default() -> Self {
        Self {
            sync_interval: "always".to_owned(),
            jetstream: true,
            extra: String::new(),
            environment: String::new(),
        }
    }
}

/// A running server. Its data lives until this is dropped.
pub struct NatsServer {
    binary: PathBuf,
    dir: tempfile::TempDir,
    environment: Vec<(String, String)>,
    process: Option<Child>,
    url: String,
    monitoring_url: String,
    monitoring_address: String,
}

impl NatsServer {
    /// Starts a server and waits until it is healthy.
    ///
    /// # Errors
    /// When the binary is missing, or the server does not become healthy within 20 seconds.
    pub async fn start(options: NatsOptions) -> anyhow::Result<NatsServer> {
        let binary = binary()?;
        let dir = tempfile::tempdir()?;
        let (port, monitoring_port) = (free_port()?, free_port()?);
        let jetstream = format!(
            "jetstream {{ store_dir: {:?}, sync_interval: {} }}\n",
            dir.path().join("data"),
            options.sync_interval
        );
        let config = format!(
            "listen: 127.0.0.1:{port}\nhttp: 127.0.0.1:{monitoring_port}\n{}{}",
            if options.jetstream { &jetstream } else { "" },
            options.extra
        );
        std::fs::write(dir.path().join("nats.conf"), config)?;
        let mut server = NatsServer {
            binary,
            dir,
            environment: variables(&options.environment)?,
            process: None,
            url: format!("nats://127.0.0.1:{port}"),
            monitoring_url: format!("http://127.0.0.1:{monitoring_port}"),
            monitoring_address: format!("127.0.0.1:{monitoring_port}"),
        };
        server.restart().await?;
        Ok(server)
    }

    /// Where clients connect.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where `/varz` and `/healthz` are.
    pub fn monitoring_url(&self) -> &str {
        &self.monitoring_url
    }

    /// Kills the server without warning (SIGKILL) and waits until it is gone. Its data stays.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Both fail only when the process is gone already.
            drop(process.kill());
            drop(process.wait());
        }
    }

    /// Holds the server still (SIGSTOP): its sockets stay open and nobody answers, like behind a disk that hangs.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pause(&self) -> anyhow::Result<()> {
        self.signal("-STOP")
    }

    /// Lets a paused server go on (SIGCONT).
    ///
    /// # Errors
    /// When it does not run.
    pub fn resume(&self) -> anyhow::Result<()> {
        self.signal("-CONT")
    }

    fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let process = self.process.as_ref().context("the server does not run")?;
        let status = Command::new("kill").arg(signal).arg(process.id().to_string()).status()?;
        ensure!(status.success(), "kill {signal} failed");
        Ok(())
    }

    /// Starts the server again, on the same ports and data, and waits until it is healthy.
    ///
    /// # Errors
    /// When it does not become healthy within 20 seconds.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.kill();
        let output =
            std::fs::OpenOptions::new().create(true).append(true).open(self.dir.path().join("nats.log"))?;
        let process = Command::new(&self.binary)
            .arg("-c")
            .arg(self.dir.path().join("nats.conf"))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot run {}", self.binary.display()))?;
        self.process = Some(process);
        let started = Instant::now();
        while !self.healthy().await {
            ensure!(
                started.elapsed() < START_MAX,
                "nats-server is not healthy; its output:\n{}",
                self.output()
            );
            if let Some(status) = self.process.as_mut().and_then(|process| process.try_wait().ok().flatten())
            {
                bail!("nats-server ended with {status}; its output:\n{}", self.output());
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    async fn healthy(&self) -> bool {
        let ask = async {
            let mut stream = TcpStream::connect(&self.monitoring_address).await?;
            stream.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").await?;
            let mut answer = String::new();
            stream.take(4_096).read_to_string(&mut answer).await?;
            std::io::Result::Ok(answer.contains(" 200 "))
        };
        tokio::time::timeout(Duration::from_secs(1), ask).await.is_ok_and(|answer| answer.unwrap_or(false))
    }

    fn output(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("nats.log")).unwrap_or_default()
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn variables(environment: &str) -> anyhow::Result<Vec<(String, String)>> {
    let lines = environment.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let variable = |line: &str| {
        let (name, value) = line.split_once('=').with_context(|| format!("not NAME=value: {line}"))?;
        Ok((name.to_owned(), value.to_owned()))
    };
    lines.map(variable).collect()
}

/// Where the server's binary is.
///
/// # Errors
/// When it is missing; the message says how to get it.
pub fn binary() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os("NATS_SERVER_BIN") {
        return Ok(named.into());
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = here.ancestors().map(|dir| dir.join("target/tools/nats-server")).find(|path| path.is_file());
    found.context("target/tools/nats-server is missing: run `./test --tools`, or name one in NATS_SERVER_BIN")
}

/// A free port below the range from which the system takes those of listeners and of outgoing connections: between the
/// choice and the start, and between two lives of a server, nobody else gets it. No two servers of this process get
/// the same.
fn free_port() -> anyhow::Result<u16> {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    // Above what the system tests take for the services. Processes that start together have neighbouring ids.
    let first = 21_000 + u16::try_from(std::process::id().wrapping_mul(61) % 8_000)?;
    let mut tries = (0..1_000).map(|_| first + TAKEN.fetch_add(1, Ordering::Relaxed));
    tries.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).context("no free port")
}
