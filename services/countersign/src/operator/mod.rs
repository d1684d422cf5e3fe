//! The operator's verbs: questions to running services and wishes for them, over gRPC.
//!
//! Tables for a person, JSON lines for a program. Names, addresses and links of signers are not shown: a terminal
//! remembers. A service that does not answer is named with the flag that finds it elsewhere.

pub mod args;
mod config;
mod connections;
mod credits;
mod dead_letters;
mod doctor;
mod envelope;
mod jobs;
pub mod ledger;
mod quarantine;
mod quarantine_args;
mod quarantine_release;
mod services;
mod subscription;

use std::process::ExitCode;

use anyhow::Result;
use args::{ConfigVerb, OperatorVerb};

/// Runs one verb to its end.
///
/// # Errors
/// What a service refused, or why it could not be asked.
pub async fn run(verb: OperatorVerb) -> Result<ExitCode> {
    match verb {
        OperatorVerb::Config { verb: ConfigVerb::Check(check) } => return config::check(&check),
        OperatorVerb::Config { verb: ConfigVerb::Schema } => config::schema(),
        OperatorVerb::Envelope { verb } => envelope::run(verb).await?,
        OperatorVerb::Ledger(args) => return ledger::run(&args).await,
        OperatorVerb::Quarantine { verb } => quarantine::run(verb).await?,
        OperatorVerb::DeadLetters { verb } => dead_letters::run(verb).await?,
        OperatorVerb::Connections { verb } => connections::run(verb).await?,
        OperatorVerb::Jobs { verb } => jobs::run(verb).await?,
        OperatorVerb::Doctor(ask) => return doctor::run(&ask).await,
    }
    Ok(ExitCode::SUCCESS)
}

/// A time of the wire for a person: UTC, to the second; nothing for "not yet".
fn time(ms: i64) -> String {
    if ms == 0 {
        return String::new();
    }
    jiff::Timestamp::from_millisecond(ms).map(|at| format!("{at:.0}")).unwrap_or_default()
}

/// A wish of its own: asked again, it would be another.
fn request_id() -> String {
    format!("cli-{}", hex::encode(runtime::random::new_id()))
}

/// A name of the wire for a person: `STAGE_IN_REVIEW` is `in_review`.
fn word(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::{time, word};

    #[test]
    fn wire_values_are_shown_as_a_person_reads_them() {
        assert_eq!(word("STAGE_IN_REVIEW", "STAGE_"), "in_review");
        assert_eq!(time(0), "");
        assert_eq!(time(1_700_000_000_123), "2023-11-14T22:13:20Z");
    }
}
