//! The composition root: the only crate that knows every service.
//!
//! `up` wires any set of roles in one process over loopback gRPC, exactly as they are wired between pods: there
//! is no second wiring. With `--simulators` the vendors run in the process as well, and a configuration is
//! written that fits them. `demo` does the same, then lets people work: deals move, envelopes are reviewed,
//! signed, declined, and every journey is held against what the simulators saw.
//!
//! The other verbs ask running services over gRPC, for tables on a terminal or JSON lines for a program. Nothing
//! is decided here; a rule that is not about wiring or about showing belongs into another room.

pub mod cli;
pub mod compose;
mod demo;
pub mod journeys;
pub mod operator;
pub mod sheets;
pub mod terminal;
pub mod up;

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::{Cli, Verb};

/// Runs one verb to its end.
///
/// # Errors
/// What went wrong, with its causes; the caller prints it.
pub async fn run(cli: Cli) -> Result<ExitCode> {
    match cli.verb {
        Verb::Demo(demo) => demo::run(demo).await,
        Verb::Up(up) => up::run(*up).await,
        Verb::Operator(verb) => operator::run(verb).await,
    }
}

/// Starts logs and spans: to a collector when `OTEL_EXPORTER_OTLP_ENDPOINT` names one. `filter` is what is logged
/// unless `RUST_LOG` says otherwise; absent, the usual.
#[expect(
    clippy::disallowed_methods,
    reason = "the variables of OpenTelemetry and of the log filter are read here, once"
)]
fn telemetry(as_json: bool, filter: Option<&str>) -> Result<runtime::telemetry::Guard> {
    let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    let settings = runtime::telemetry::Settings {
        service_name: variable("OTEL_SERVICE_NAME").unwrap_or_else(|| "countersign".to_owned()),
        service_instance_id: variable("COUNTERSIGN_INSTANCE_ID")
            .unwrap_or_else(|| hex::encode(runtime::random::new_id())),
        json: as_json,
        otlp_endpoint: variable("OTEL_EXPORTER_OTLP_ENDPOINT"),
        filter: variable("RUST_LOG").or_else(|| filter.map(str::to_owned)),
    };
    Ok(runtime::telemetry::start(&settings)?)
}
