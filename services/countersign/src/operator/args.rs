//! The words of the operator's verbs, with their help.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::jobs::JobsVerb;
use super::ledger::LedgerArgs;
use super::quarantine_args::QuarantineVerb;
use super::subscription::AtVendor;

/// What an operator can ask or wish for.
#[derive(Clone, Debug, Subcommand)]
pub enum OperatorVerb {
    /// Checks a configuration, or prints the schema it must fit.
    Config {
        /// Which.
        #[command(subcommand)]
        verb: ConfigVerb,
    },
    /// Shows envelopes, sends, reminds, cancels, tells their timeline.
    Envelope {
        /// Which.
        #[command(subcommand)]
        verb: EnvelopeVerb,
    },
    /// Counts what came in and what became of it, and fails if a signal is unaccounted for.
    Ledger(LedgerArgs),
    /// Shows deliveries that were not believed, releases those that verify after all, gives others up.
    Quarantine {
        /// Which.
        #[command(subcommand)]
        verb: QuarantineVerb,
    },
    /// Shows work that was given up; tries it again or forgets it.
    DeadLetters {
        /// Which.
        #[command(subcommand)]
        verb: DeadLettersVerb,
    },
    /// Shows connections, their keys, when each was last of use and whether it is safe to remove.
    Connections {
        /// Which.
        #[command(subcommand)]
        verb: ConnectionsVerb,
    },
    /// Shows the work that comes round by itself (sweeps, health checks, recovery of gaps) and runs it now.
    Jobs {
        /// Which.
        #[command(subcommand)]
        verb: JobsVerb,
    },
    /// Looks whether everything is well, and says what to do where it is not.
    Doctor(Ask),
}

/// Where services are found, and who reads the answer.
#[derive(Clone, Debug, Args)]
pub struct Ask {
    /// Verification is found here.
    #[arg(long, default_value = "http://127.0.0.1:50051", env = "COUNTERSIGN_VERIFICATION_ENDPOINT")]
    pub verification_endpoint: String,
    /// The orchestrator is found here.
    #[arg(long, default_value = "http://127.0.0.1:50052", env = "COUNTERSIGN_ORCHESTRATOR_ENDPOINT")]
    pub orchestrator_endpoint: String,
    /// crm-sync is found here.
    #[arg(long, default_value = "http://127.0.0.1:50053", env = "COUNTERSIGN_CRM_SYNC_ENDPOINT")]
    pub crm_sync_endpoint: String,
    /// Health is found here.
    #[arg(long, default_value = "http://127.0.0.1:9090", env = "COUNTERSIGN_ADMIN_ENDPOINT")]
    pub admin_endpoint: String,
    /// Prints JSON lines instead of tables.
    #[arg(long)]
    pub json: bool,
}

/// Verbs of the configuration.
#[derive(Clone, Debug, Subcommand)]
pub enum ConfigVerb {
    /// Names every mistake in a configuration, with its line and its mend.
    Check(Check),
    /// Prints the JSON Schema of the configuration.
    Schema,
}

/// Settings of `config check`.
#[derive(Clone, Debug, Args)]
pub struct Check {
    /// The file.
    #[arg(default_value = "countersign.yaml", env = "COUNTERSIGN_CONFIG")]
    pub file: PathBuf,
    /// Prints JSON lines instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Verbs of envelopes.
#[derive(Clone, Debug, Subcommand)]
pub enum EnvelopeVerb {
    /// Lists envelopes, newest first.
    List(List),
    /// Shows one envelope.
    Get(One),
    /// Tells what happened to one envelope, from its evidence.
    Timeline(One),
    /// Sends a reviewed envelope to its first signer.
    Send(Wish),
    /// Nudges the signer whose turn it is.
    Remind(Wish),
    /// Takes an envelope back to draft, where the provider can, so that it can be changed there and sent again;
    /// signatures are lost.
    Reopen(Wish),
    /// Cancels an envelope.
    Void(Wish),
    /// Lists signals that came before their envelope was known, and when the provider will be asked about each.
    Early {
        /// Only this connection.
        #[arg(long, default_value = "")]
        connection: String,
        /// Where to ask.
        #[command(flatten)]
        ask: Ask,
    },
}

/// Settings of `envelope list`.
#[derive(Clone, Debug, Args)]
pub struct List {
    /// Only this stage, for example `in_review`; may be repeated.
    #[arg(long)]
    pub stage: Vec<String>,
    /// Only this flow.
    #[arg(long, default_value = "")]
    pub flow: String,
    /// Only the envelope with this id at the provider.
    #[arg(long, default_value = "")]
    pub provider_id: String,
    /// Most envelopes shown, at most 1000.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// Where to ask.
    #[command(flatten)]
    pub ask: Ask,
}

/// One envelope is meant.
#[derive(Clone, Debug, Args)]
pub struct One {
    /// Its id, `env_` and 32 digits.
    pub id: String,
    /// Where to ask.
    #[command(flatten)]
    pub ask: Ask,
}

/// Something is to be done with one envelope.
#[derive(Clone, Debug, Args)]
pub struct Wish {
    /// Its id, `env_` and 32 digits.
    pub id: String,
    /// Repeating a wish with the same id is one wish; chosen if left out.
    #[arg(long)]
    pub request_id: Option<String>,
    /// Where to ask.
    #[command(flatten)]
    pub ask: Ask,
}

/// Verbs of dead letters.
#[derive(Clone, Debug, Subcommand)]
pub enum DeadLettersVerb {
    /// Lists work that was given up, oldest first.
    List(Ask),
    /// Tries one once more.
    Retry(Letter),
    /// Forgets one.
    Discard {
        /// Which.
        #[command(flatten)]
        letter: Letter,
        /// Why; no personal data.
        #[arg(long)]
        reason: String,
    },
}

/// One dead letter is meant.
#[derive(Clone, Debug, Args)]
pub struct Letter {
    /// The follower that gave it up.
    pub consumer: String,
    /// Position of the commit.
    pub position: u64,
    /// Where to ask.
    #[command(flatten)]
    pub ask: Ask,
}

/// Verbs of connections.
#[derive(Clone, Debug, Subcommand)]
pub enum ConnectionsVerb {
    /// Lists connections with their keys.
    List(Ask),
    /// Makes the subscription by which the vendor reports to the connection's webhook_url, and keeps its key.
    Subscribe {
        /// Which.
        #[command(flatten)]
        at: AtVendor,
        /// What it is called at the vendor.
        #[arg(long, default_value = "countersign")]
        name: String,
    },
    /// Has the vendor sign with a new key; the one before counts on until --finish.
    RotateKey {
        /// Which.
        #[command(flatten)]
        at: AtVendor,
        /// Ends the overlap: only the newest key counts from now on.
        #[arg(long)]
        finish: bool,
    },
    /// Says how many credits are left, and when they run out.
    Credits {
        /// Only this connection.
        #[arg(long, default_value = "")]
        connection: String,
        /// Where to ask.
        #[command(flatten)]
        ask: Ask,
    },
}
