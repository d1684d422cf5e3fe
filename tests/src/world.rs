//! The vendors, in the test's own process, and the configuration that fits them.
//!
//! The vendors outlive the process under test: it can be killed, stopped for hours of their time and started again
//! on the same ports with the same data.

use std::net::TcpListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::Client;
use secrecy::SecretString;
use simulation::Running;
use tokio::net::TcpListener;

use crate::http::client;
use crate::process::{Answer, operator};

/// Every secret of the world, by the name of its file.
const SECRETS: [&str; 8] = [
    "atlas-api-key",
    "atlas-endpoint-secret",
    "pandadoc-api-key",
    "pandadoc-shared-key",
    "pandadoc-client-secret",
    "pandadoc-refresh-token",
    "hubspot-token",
    "hubspot-client-secret",
];

/// How much faster than life everybody is, and what differs from the vendors' usual ways.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Our own waiting for the vendors.
    pub services: f64,
    /// Atlas.
    pub atlas: f64,
    /// PandaDoc. It tries only four times: a scenario with short outages keeps it slow enough to meet the
    /// restarted process.
    pub pandadoc: f64,
    /// HubSpot.
    pub hubspot: f64,
    /// Automatic retries of a PandaDoc webhook, 0 to 3.
    pub pandadoc_retries: u8,
}

impl Default for Pace {
    fn default() -> Self {
        Self { services: 600.0, atlas: 600.0, pandadoc: 10.0, hubspot: 600.0, pandadoc_retries: 3 }
    }
}

/// The vendors and what they are told.
pub struct World {
    /// For people and for looks at the vendors.
    pub http: Client,
    /// The first provider.
    pub atlas: Running,
    /// The second provider.
    pub pandadoc: Running,
    /// The CRM.
    pub hubspot: Running,
    /// The configuration file of every process.
    pub configuration: PathBuf,
    /// Where the services listen.
    pub ports: Ports,
    /// Holds the configuration, the secrets and the places of processes; gone with the world.
    pub directory: tempfile::TempDir,
    pace: Pace,
}

/// Where the services listen: the same over all their lives.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// HTTP for webhooks.
    pub ingress: u16,
    /// gRPC.
    pub verification: u16,
    /// gRPC.
    pub orchestrator: u16,
    /// gRPC.
    pub crm_sync: u16,
    /// HTTP for health and metrics.
    pub admin: u16,
}

/// The secret of a name: the same in every world, worth nothing.
pub fn secret(name: &str) -> String {
    format!("fault-{name}-0000000001")
}

impl World {
    /// Starts the vendors and writes the configuration.
    ///
    /// # Errors
    /// When a vendor cannot start or a file cannot be written.
    pub async fn start(pace: Pace) -> Result<World> {
        let directory = tempfile::tempdir()?;
        let ports = Ports::free()?;
        let ingress = format!("http://127.0.0.1:{}", ports.ingress);
        let hook = |connection: &str| format!("{ingress}/v1/hooks/{connection}").parse();
        let shared = |name: &str| SecretString::from(secret(name));
        let atlas = providers::atlas::simulator::start(
            TcpListener::bind("127.0.0.1:0").await?,
            providers::atlas::simulator::Settings {
                api_keys: vec![shared("atlas-api-key")],
                credits: 1_000_000,
                time_factor: pace.atlas,
                ..Default::default()
            },
        )?;
        let pandadoc = providers::pandadoc::simulator::start(
            TcpListener::bind("127.0.0.1:0").await?,
            providers::pandadoc::simulator::Settings {
                api_keys: vec![shared("pandadoc-api-key")],
                oauth: Some(providers::pandadoc::simulator::OAuthApp {
                    client_id: "countersign".to_owned(),
                    client_secret: shared("pandadoc-client-secret"),
                    refresh_token: shared("pandadoc-refresh-token"),
                }),
                subscription: Some((hook("pandadoc-sales")?, shared("pandadoc-shared-key"))),
                time_factor: pace.pandadoc,
                switches: providers::pandadoc::simulator::Switches {
                    retries: pace.pandadoc_retries,
                    ..Default::default()
                },
                ..Default::default()
            },
        )?;
        let hubspot = crms::hubspot::simulator::start(
            TcpListener::bind("127.0.0.1:0").await?,
            crms::hubspot::simulator::Settings {
                access_tokens: vec![shared("hubspot-token")],
                client_secret: shared("hubspot-client-secret"),
                webhook_url: Some(hook("hubspot-main")?),
                time_factor: pace.hubspot,
                webhook_answer_within: Duration::from_secs(5),
                ..Default::default()
            },
        )?;
        for name in SECRETS {
            std::fs::write(directory.path().join(name), secret(name))?;
        }
        let configuration = directory.path().join("countersign.yaml");
        let text = include_str!("../../services/countersign/src/compose/simulators.yaml")
            .replace("$SECRETS", &directory.path().display().to_string())
            .replace("$ATLAS", &atlas.url())
            .replace("$PANDADOC", &pandadoc.url())
            .replace("$HUBSPOT", &hubspot.url())
            .replace("$INGRESS", &ingress);
        std::fs::write(&configuration, text)?;
        Ok(World { http: client(), atlas, pandadoc, hubspot, configuration, ports, directory, pace })
    }

    /// A directory of its own for one process.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn place(&self, name: &str) -> Result<PathBuf> {
        let place = self.directory.path().join(name);
        std::fs::create_dir_all(&place)?;
        Ok(place)
    }

    /// The arguments of every process: which configuration, and where everything listens.
    pub fn arguments(&self) -> Vec<String> {
        let Ports { ingress, verification, orchestrator, crm_sync, admin: _ } = self.ports;
        let pairs = [
            ("--config", self.configuration.display().to_string()),
            ("--time-factor", self.pace.services.to_string()),
            ("--ingress-listen", format!("127.0.0.1:{ingress}")),
            ("--verification-listen", format!("127.0.0.1:{verification}")),
            ("--orchestrator-listen", format!("127.0.0.1:{orchestrator}")),
            ("--crm-sync-listen", format!("127.0.0.1:{crm_sync}")),
            ("--verification-endpoint", self.verification()),
            ("--orchestrator-endpoint", self.orchestrator()),
        ];
        let pairs = pairs.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]);
        pairs.chain(["--simulators-elsewhere".to_owned()]).collect()
    }

    /// The same for a process that runs every role: the admin port is its own.
    pub fn arguments_of_one(&self) -> Vec<String> {
        let admin = ["--admin-listen".to_owned(), format!("127.0.0.1:{}", self.ports.admin)];
        self.arguments().into_iter().chain(admin).collect()
    }

    /// Changes the text of the configuration file; running processes see it within two seconds.
    ///
    /// # Errors
    /// When the file cannot be read or written, or `from` does not stand in it.
    pub fn edit_configuration(&self, from: &str, to: &str) -> Result<()> {
        let text = std::fs::read_to_string(&self.configuration)?;
        anyhow::ensure!(text.contains(from), "the configuration does not say {from:?}");
        // Replaced at once: nobody reads half a file.
        let fresh = self.directory.path().join("countersign.yaml.new");
        std::fs::write(&fresh, text.replace(from, to))?;
        Ok(std::fs::rename(fresh, &self.configuration)?)
    }

    /// Asks the running services as an operator does: `countersign <words> --json`.
    ///
    /// # Errors
    /// When the binary is missing or does not end in time.
    pub async fn operator(&self, words: &[&str]) -> Result<Answer> {
        let endpoints = [
            ("COUNTERSIGN_VERIFICATION_ENDPOINT", self.verification()),
            ("COUNTERSIGN_ORCHESTRATOR_ENDPOINT", self.orchestrator()),
            ("COUNTERSIGN_CRM_SYNC_ENDPOINT", format!("http://127.0.0.1:{}", self.ports.crm_sync)),
            ("COUNTERSIGN_ADMIN_ENDPOINT", self.admin()),
        ];
        operator(words, &endpoints).await
    }

    /// Where the orchestrator is found.
    pub fn orchestrator(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.orchestrator)
    }

    /// Where verification is found.
    pub fn verification(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.verification)
    }

    /// Where health and metrics of a process with every role are found.
    pub fn admin(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.admin)
    }

    /// Where vendors report to a connection.
    pub fn hook(&self, connection: &str) -> String {
        format!("http://127.0.0.1:{}/v1/hooks/{connection}", self.ports.ingress)
    }
}

impl Ports {
    /// Free ports below the range from which the system takes those of outgoing connections: a killed process
    /// must find its own ports free again. No two worlds of this process get the same.
    fn free() -> Result<Ports> {
        static TAKEN: AtomicU16 = AtomicU16::new(0);
        // Processes that start together have neighbouring ids.
        let first = 12_000 + u16::try_from(std::process::id().wrapping_mul(61) % 8_000)?;
        let next = || {
            let tries = (0..1_000).map(|_| first + TAKEN.fetch_add(1, Ordering::Relaxed));
            let mut free = tries.filter(|port| StdListener::bind(("127.0.0.1", *port)).is_ok());
            free.next().context("no free port")
        };
        Ok(Ports {
            ingress: next()?,
            verification: next()?,
            orchestrator: next()?,
            crm_sync: next()?,
            admin: next()?,
        })
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
