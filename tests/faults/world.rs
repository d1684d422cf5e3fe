//! The vendors, in this process, and the configuration that fits them.

use std::net::TcpListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::Client;
use secrecy::SecretString;
use simulation::Running;
use system_tests::http::client;
use tokio::net::TcpListener;

/// How much faster than life Atlas, HubSpot and our waiting for them are.
pub const TIME_FACTOR: f64 = 600.0;
/// PandaDoc tries only four times, so its retries stay slow enough to meet a restarted process.
const PANDADOC_TIME_FACTOR: f64 = 10.0;

/// The vendors and what they are told.
pub struct World {
    pub http: Client,
    pub atlas: Running,
    pub pandadoc: Running,
    pub hubspot: Running,
    pub configuration: PathBuf,
    pub ports: Ports,
    pub directory: tempfile::TempDir,
}

/// Where the services listen: the same over all their lives.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    pub ingress: u16,
    pub verification: u16,
    pub orchestrator: u16,
    pub crm_sync: u16,
}

impl World {
    pub async fn start() -> Result<World> {
        let directory = tempfile::tempdir()?;
        let ports = Ports::free()?;
        let ingress = format!("http://127.0.0.1:{}", ports.ingress);
        let hook = |connection: &str| format!("{ingress}/v1/hooks/{connection}").parse();
        let secret = |name: &str| SecretString::from(format!("fault-{name}-0000000001"));
        let atlas = providers::atlas::simulator::start(
            TcpListener::bind("127.0.0.1:0").await?,
            providers::atlas::simulator::Settings {
                api_keys: vec![secret("atlas-api-key")],
                credits: 1_000_000,
                time_factor: TIME_FACTOR,
                ..Default::default()
            },
        )?;
        let pandadoc = providers::pandadoc::simulator::start(
            TcpListener::bind("127.0.0.1:0").await?,
            providers::pandadoc::simulator::Settings {
                api_keys: vec![secret("pandadoc-api-key")],
                subscription: Some((hook("pandadoc-sales")?, secret("pandadoc-shared-key"))),
                time_factor: PANDADOC_TIME_FACTOR,
                ..Default::default()
            },
        )?;
        let hubspot = crms::hubspot::simulator::start(
            TcpListener::bind("127.0.0.1:0").await?,
            crms::hubspot::simulator::Settings {
                access_tokens: vec![secret("hubspot-token")],
                client_secret: secret("hubspot-client-secret"),
                webhook_url: Some(hook("hubspot-main")?),
                time_factor: TIME_FACTOR,
                webhook_answer_within: Duration::from_secs(5),
                ..Default::default()
            },
        )?;
        for name in [
            "atlas-api-key",
            "pandadoc-api-key",
            "pandadoc-shared-key",
            "hubspot-token",
            "hubspot-client-secret",
        ] {
            std::fs::write(directory.path().join(name), format!("fault-{name}-0000000001"))?;
        }
        let configuration = directory.path().join("countersign.yaml");
        let text = include_str!("../../services/countersign/src/compose/simulators.yaml")
            .replace("$SECRETS", &directory.path().display().to_string())
            .replace("$ATLAS", &atlas.url())
            .replace("$PANDADOC", &pandadoc.url())
            .replace("$HUBSPOT", &hubspot.url())
            .replace("$INGRESS", &ingress);
        std::fs::write(&configuration, text)?;
        Ok(World { http: client(), atlas, pandadoc, hubspot, configuration, ports, directory })
    }

    /// A directory of its own for one process.
    pub fn place(&self, name: &str) -> Result<PathBuf> {
        let place = self.directory.path().join(name);
        std::fs::create_dir_all(&place)?;
        Ok(place)
    }

    /// The arguments of every process: which configuration, and where everything listens.
    pub fn arguments(&self) -> Vec<String> {
        let Ports { ingress, verification, orchestrator, crm_sync } = self.ports;
        let pairs = [
            ("--config", self.configuration.display().to_string()),
            ("--time-factor", TIME_FACTOR.to_string()),
            ("--ingress-listen", format!("127.0.0.1:{ingress}")),
            ("--verification-listen", format!("127.0.0.1:{verification}")),
            ("--orchestrator-listen", format!("127.0.0.1:{orchestrator}")),
            ("--crm-sync-listen", format!("127.0.0.1:{crm_sync}")),
            ("--verification-endpoint", format!("http://127.0.0.1:{verification}")),
            ("--orchestrator-endpoint", format!("http://127.0.0.1:{orchestrator}")),
        ];
        let pairs = pairs.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]);
        pairs.chain(["--simulators-elsewhere".to_owned()]).collect()
    }

    pub fn orchestrator(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.orchestrator)
    }

    pub fn verification(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.verification)
    }
}

impl Ports {
    /// Free ports below the range from which the system takes those of outgoing connections: a killed process
    /// must find its own ports free again. No two worlds of this process get the same.
    fn free() -> Result<Ports> {
        static TAKEN: AtomicU16 = AtomicU16::new(0);
        let first = 12_000 + u16::try_from(std::process::id() % 8_000)?;
        let next = || {
            let tries = (0..1_000).map(|_| first + TAKEN.fetch_add(1, Ordering::Relaxed));
            let mut free = tries.filter(|port| StdListener::bind(("127.0.0.1", *port)).is_ok());
            free.next().context("no free port")
        };
        Ok(Ports { ingress: next()?, verification: next()?, orchestrator: next()?, crm_sync: next()? })
    }
}

/// What went wrong is easier to see with the last words of the process.
pub fn last_words(directory: &Path) -> String {
    let text = std::fs::read_to_string(directory.join("countersign.log")).unwrap_or_default();
    let telling = text
        .lines()
        .filter(|line| line.contains("ERROR") || line.contains("WARN") || line.contains("panicked"));
    let lines: Vec<&str> = telling.rev().take(30).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
