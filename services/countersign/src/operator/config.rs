//! The configuration: every mistake at once, or its schema.

use std::process::ExitCode;

use anyhow::Result;
use runtime::clock::Clock;
use runtime::config::{Environment, SharedConfiguration};
use serde_json::json;

use super::args::Check;
use crate::compose::adapters::{self, RULES};
use crate::terminal::{Terminal, Tone};

/// Names every mistake.
///
/// # Errors
/// Never; mistakes are an exit code.
pub fn check(check: &Check) -> Result<ExitCode> {
    let terminal = Terminal::new(check.json);
    let file = check.file.display();
    let configuration = match SharedConfiguration::from_file(&check.file, &RULES, Environment::of_process()) {
        Ok(configuration) => configuration,
        Err(error) => {
            for mistake in &error.mistakes {
                terminal.line(format_args!("{} {mistake}", terminal.toned(Tone::Bad, "✗")));
                terminal.object(&json!({
                    "ok": false, "code": mistake.code, "path": mistake.path, "line": mistake.line,
                    "what": mistake.what, "mend": mistake.mend,
                }));
            }
            let count = error.mistakes.len();
            terminal.line(format_args!("\n{file}: {count} to mend; each code has a page in docs/errors"));
            return Ok(ExitCode::FAILURE);
        }
    };
    let unusable = adapters::unusable(&configuration, &Clock::system());
    for (connection, why) in &unusable {
        terminal.line(format_args!("{} connections.{connection}: {why}", terminal.toned(Tone::Bad, "✗")));
        let path = format!("connections.{connection}");
        terminal.object(&json!({"ok": false, "path": path, "what": why}));
    }
    if !unusable.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    for (connection, what) in adapters::warnings(&configuration.current()) {
        terminal.line(format_args!("{} connections.{connection}.{what}", terminal.toned(Tone::Bad, "!")));
        let path = format!("connections.{connection}");
        terminal.object(&json!({"ok": true, "warning": true, "path": path, "what": what}));
    }
    let loaded = configuration.current();
    let (connections, flows) = (loaded.configuration().connections.len(), loaded.flows().len());
    terminal.line(format_args!(
        "{} {file}: {connections} connections, {flows} flows",
        terminal.toned(Tone::Good, "✓")
    ));
    terminal.object(&json!({"ok": true, "connections": connections, "flows": flows}));
    Ok(ExitCode::SUCCESS)
}

/// Prints the JSON Schema.
pub fn schema() {
    Terminal::new(false).raw(&format!("{:#}", runtime::config::schema()));
}
