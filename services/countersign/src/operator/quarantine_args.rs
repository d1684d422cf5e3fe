//! The words of the quarantine's verbs, with their help.

use clap::{Args, Subcommand};

use super::args::Ask;

/// Verbs of the quarantine.
#[derive(Clone, Debug, Subcommand)]
pub enum QuarantineVerb {
    /// Lists deliveries that were not believed and wait, newest first.
    List {
        /// Only this connection.
        #[arg(long, default_value = "")]
        connection: String,
        /// Where to ask.
        #[command(flatten)]
        ask: Ask,
    },
    /// Shows one with its body. The body may hold personal data.
    Show(OneDelivery),
    /// Says which would verify now, after a key was mended. Changes nothing.
    Verify(Deliveries),
    /// Releases those that verify now, in the order of their receipt, as if they had verified at once.
    Release(Deliveries),
    /// Gives one up and erases its content.
    Discard {
        /// Which.
        #[command(flatten)]
        one: OneDelivery,
        /// Why; no personal data.
        #[arg(long)]
        reason: String,
    },
}

/// One delivery is meant.
#[derive(Clone, Debug, Args)]
pub struct OneDelivery {
    /// Its connection.
    pub connection: String,
    /// Its id.
    pub id: String,
    /// Where to ask.
    #[command(flatten)]
    pub ask: Ask,
}

/// One delivery is meant, or all of a connection.
#[derive(Clone, Debug, Args)]
pub struct Deliveries {
    /// Their connection.
    pub connection: String,
    /// Only the one with this id; all that wait if left out.
    pub id: Option<String>,
    /// Where to ask.
    #[command(flatten)]
    pub ask: Ask,
}
