//! Every word of the command line, with its help.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use event_log::Risk;
use secrecy::SecretString;

use crate::operator::args::OperatorVerb;

/// E-signatures between CRM, signature provider and billing: exactly once, provable, nothing lost.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Shows everything at work: vendors, people and services in this process, every journey judged.
    Demo(Demo),
    /// Runs services, and with --simulators the vendors too, until it is asked to stop.
    Up(Box<Up>),
    /// Questions and wishes of an operator.
    #[command(flatten)]
    Operator(OperatorVerb),
}

/// Settings of `demo`.
#[derive(Clone, Debug, Args)]
pub struct Demo {
    /// Where the log stands; the data goes to a fresh directory below --data-dir.
    #[command(flatten)]
    pub log: LogArgs,

    /// Only these journeys, by name; an unknown name lists all.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub only: Vec<String>,

    /// Prints JSON lines instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Settings of `up`.
#[derive(Clone, Debug, Args)]
pub struct Up {
    /// Where the log stands and the data lies.
    #[command(flatten)]
    pub log: LogArgs,

    /// Services to run in this process: `all`, or some of ingress, verification, orchestrator, crm-sync.
    #[arg(long, value_delimiter = ',', default_value = "all", env = "COUNTERSIGN_ROLES")]
    pub roles: Vec<Role>,

    /// The configuration file. With --simulators it may be left out: one is written that fits them.
    #[arg(long, env = "COUNTERSIGN_CONFIG")]
    pub config: Option<PathBuf>,

    /// Runs simulators of the vendors in this process, for trying out and for tests. Not for production.
    #[arg(long)]
    pub simulators: bool,

    /// The vendors of the configuration are simulators of another process: private addresses are allowed,
    /// and waiting for them is as short as with --simulators. Not for production.
    #[arg(long)]
    pub simulators_elsewhere: bool,

    /// How many times faster than life the simulators and our waiting for them are.
    #[arg(long, default_value_t = 600.0)]
    pub time_factor: f64,

    /// Where services listen and find each other.
    #[command(flatten)]
    pub addresses: AddressArgs,

    /// Prints JSON lines instead of text; the first line names every address.
    #[arg(long)]
    pub json: bool,
}

/// Where the log stands.
#[derive(Clone, Debug, Args)]
pub struct LogArgs {
    /// The log: `embedded` keeps it in the data directory, `nats` on a NATS server with JetStream.
    #[arg(long, default_value = "embedded", env = "COUNTERSIGN_LOG")]
    pub log: LogKind,

    /// Address of the NATS server, or several with commas.
    #[arg(
        long,
        default_value = "nats://127.0.0.1:4222",
        env = "COUNTERSIGN_NATS_URL",
        hide_env_values = true
    )]
    pub nats_url: SecretString,

    /// Monitoring address of the NATS server: the only place where it says whether it syncs before it answers.
    /// Left out: port 8222 of the server's host.
    #[arg(long, env = "COUNTERSIGN_NATS_MONITORING_URL")]
    pub nats_monitoring_url: Option<String>,

    /// Copies of every stream on the NATS servers: 1, 3 or 5.
    #[arg(long, default_value_t = 1, env = "COUNTERSIGN_NATS_REPLICAS")]
    pub nats_replicas: usize,

    /// Publishes every commit by itself: to measure what grouping them is worth.
    #[arg(long, hide = true)]
    pub nats_one_by_one: bool,

    /// Accepts a risk by name: `lazy-sync` (acknowledged events may be lost in a power cut), `unchecked-sync`.
    #[arg(long, value_name = "RISK")]
    pub accept_risk: Vec<Risk>,

    /// Directory for everything this process keeps.
    #[arg(long, default_value = "data", env = "COUNTERSIGN_DATA_DIR")]
    pub data_dir: PathBuf,
}

/// Which log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogKind {
    /// In the data directory, on one machine.
    Embedded,
    /// On a NATS server with JetStream.
    Nats,
}

/// A service, or all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Every service.
    All,
    /// Webhooks and triggers over HTTP.
    Ingress,
    /// Proves and stores deliveries.
    Verification,
    /// Drives envelopes at the providers.
    Orchestrator,
    /// Writes CRM records.
    CrmSync,
}

/// Where services listen; port 0 takes a free one.
#[derive(Clone, Debug, Args)]
pub struct AddressArgs {
    /// Ingress listens here for webhooks (HTTP).
    #[arg(long, default_value = "127.0.0.1:8080", env = "COUNTERSIGN_INGRESS_LISTEN")]
    pub ingress_listen: SocketAddr,
    /// Verification listens here (gRPC).
    #[arg(long, default_value = "127.0.0.1:50051", env = "COUNTERSIGN_VERIFICATION_LISTEN")]
    pub verification_listen: SocketAddr,
    /// The orchestrator listens here (gRPC).
    #[arg(long, default_value = "127.0.0.1:50052", env = "COUNTERSIGN_ORCHESTRATOR_LISTEN")]
    pub orchestrator_listen: SocketAddr,
    /// crm-sync listens here (gRPC).
    #[arg(long, default_value = "127.0.0.1:50053", env = "COUNTERSIGN_CRM_SYNC_LISTEN")]
    pub crm_sync_listen: SocketAddr,
    /// Health and metrics are served here (HTTP).
    #[arg(long, default_value = "127.0.0.1:9090", env = "COUNTERSIGN_ADMIN_LISTEN")]
    pub admin_listen: SocketAddr,
    /// Verification is found here when it runs in another process.
    #[arg(long, default_value = "http://127.0.0.1:50051", env = "COUNTERSIGN_VERIFICATION_ENDPOINT")]
    pub verification_endpoint: String,
    /// The orchestrator is found here when it runs in another process.
    #[arg(long, default_value = "http://127.0.0.1:50052", env = "COUNTERSIGN_ORCHESTRATOR_ENDPOINT")]
    pub orchestrator_endpoint: String,
    /// First port of the simulators on 127.0.0.1; 0 takes free ones.
    #[arg(long, default_value_t = 9401, env = "COUNTERSIGN_SIMULATORS_PORT")]
    pub simulators_port: u16,
}
