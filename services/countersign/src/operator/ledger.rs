//! The ledger: what came in over each connection, what became of it, and whether that adds up.

use std::process::ExitCode;

use ::ledger::{Sheet, Verdict, names, standings};
use anyhow::{Result, anyhow};
use clap::Args;
use runtime::clock::Clock;
use serde_json::{Map, Value, json};
use tonic::{Response, Status};

use super::args::Ask;
use super::services::{by_crm_sync, by_orchestrator, by_verification};
use super::time;
use crate::sheets::{Desks, Question, Who, read};
use crate::terminal::{Column, Terminal, Tone};

/// What is asked of the ledger.
#[derive(Clone, Debug, Args)]
pub struct LedgerArgs {
    /// Only this connection.
    #[arg(long, default_value = "")]
    pub connection: String,
    /// Also the last hours one by one; at most 2000.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=2000))]
    pub hours: u16,
    /// Where to ask.
    #[command(flatten)]
    pub ask: Ask,
}

/// Runs the verb; a signal that nobody can explain is an exit code.
///
/// # Errors
/// Who did not answer, and why.
pub async fn run(args: &LedgerArgs) -> Result<ExitCode> {
    let since_ms = (args.hours > 0).then(|| {
        let back = i64::from(args.hours - 1) * ::ledger::HOUR_MS;
        ::ledger::hour_of(Clock::system().now()) - back
    });
    let question = Question { connection: args.connection.clone(), since_ms, min_position: 0 };
    let sheets = sheets(&args.ask, &question).await?;
    let terminal = Terminal::new(args.ask.json);
    if sheets.is_empty() {
        terminal.line("nothing has come in yet");
        terminal.object(&json!({"event": "ledger", "balanced": true, "unexplained": 0}));
        return Ok(ExitCode::SUCCESS);
    }
    show(terminal, &sheets);
    // The hours are parts of the whole: counted once.
    let unexplained = worst(&sheets);
    terminal.object(&json!({"event": "ledger", "balanced": unexplained == 0, "unexplained": unexplained}));
    if unexplained == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    terminal.line(terminal.toned(
        Tone::Bad,
        format_args!("CS-LEDGER-001: {unexplained} signals are unaccounted for; docs/errors/CS-LEDGER-001.md says what to do"),
    ));
    Ok(ExitCode::FAILURE)
}

/// The sheets of all services.
///
/// # Errors
/// Who did not answer, with the flag that finds it elsewhere.
pub(super) async fn sheets(ask: &Ask, question: &Question) -> Result<Vec<Sheet>> {
    let desks = Desks {
        verification: ask.verification()?,
        orchestrator: ask.envelopes()?,
        crm_sync: ask.crm_sync()?,
    };
    read(&desks, question).await.map_err(|(who, status)| {
        let answer: Result<Response<()>, Status> = Err(status);
        let heard = match who {
            Who::Verification => by_verification(ask, answer),
            Who::Orchestrator => by_orchestrator(ask, answer),
            Who::CrmSync => by_crm_sync(ask, answer),
        };
        heard.err().unwrap_or_else(|| anyhow!("the ledger cannot be read"))
    })
}

/// How many signals nobody can explain: per connection the larger of all hours together and the hours one by one.
pub(super) fn worst(sheets: &[Sheet]) -> u64 {
    standings(sheets).values().map(|standing| standing.unexplained).sum()
}

/// Shows tables and sums; for a program one object a sheet.
pub fn show(terminal: Terminal, sheets: &[Sheet]) {
    if terminal.is_json() {
        sheets.iter().for_each(|sheet| terminal.object(&object(sheet)));
        return;
    }
    let columns = [
        Column::text("connection"),
        Column::text("hour"),
        Column::count("received"),
        Column::count("accepted"),
        Column::count("duplicate"),
        Column::count("quarantined"),
        Column::count("parked"),
        Column::count("applied"),
        Column::count("ignored"),
        Column::count("unmatched"),
        Column::count("refused"),
        Column::count("waiting"),
        Column::count("reconciled"),
        Column::count("synced"),
    ];
    terminal.table(&columns, &sheets.iter().map(row).collect::<Vec<_>>());
    for sheet in sheets {
        explain(terminal, sheet);
    }
}

fn row(sheet: &Sheet) -> Vec<String> {
    let sum = |prefix: &str| sheet.parts(prefix).map(|(_, count)| count).sum::<u64>();
    let shut = (sheet.get(names::QUARANTINED) + sheet.get(names::REFUSED))
        .saturating_sub(sheet.get(names::RELEASED));
    let refused = sum("settled.refused") + sum("settled.discarded");
    let counts = [
        sheet.get(names::RECEIVED),
        sheet.get(names::ACCEPTED),
        sheet.get(names::DUPLICATE),
        shut,
        sheet.get(names::PARKED),
        sum("settled.applied"),
        sum("settled.ignored") + sum(names::NOTHING),
        sum("settled.unmatched"),
        refused,
        sum(names::WAITING),
        sheet.get(names::RECONCILED) + sheet.get(names::REPLAYED),
        sheet.get(names::SYNCED),
    ];
    let hour = if sheet.hour_ms == 0 { "all".to_owned() } else { time(sheet.hour_ms) };
    [sheet.connection.clone(), hour].into_iter().chain(counts.iter().map(u64::to_string)).collect()
}

/// The sums of one sheet, and by name what is ignored, waits, or was given up. Of single hours only what is amiss.
fn explain(terminal: Terminal, sheet: &Sheet) {
    if sheet.hour_ms != 0 && sheet.unexplained() == 0 {
        return;
    }
    let hour = if sheet.hour_ms == 0 { String::new() } else { format!(", {}", time(sheet.hour_ms)) };
    terminal.heading(format_args!("{}{hour}", sheet.connection));
    for line in &sheet.lines {
        let (tone, mark) = match line.verdict {
            Verdict::Balanced => (Tone::Good, "✓"),
            Verdict::Behind(_) => (Tone::Quiet, "…"),
            Verdict::Lost(_) | Verdict::Surplus(_) => (Tone::Bad, "✗"),
        };
        let amiss = match line.verdict {
            Verdict::Balanced => String::new(),
            Verdict::Behind(signals) => {
                format!(": {signals} not looked through or not readable yet; ask again later")
            }
            Verdict::Lost(signals) => format!(": {signals} lost"),
            Verdict::Surplus(signals) => format!(": {signals} too many"),
        };
        let (left, right) = (line.left, line.right);
        terminal.line(format_args!(
            "  {} {} ({left} = {right}){amiss}",
            terminal.toned(tone, mark),
            line.says
        ));
    }
    let named = [
        ("without meaning", names::NOTHING),
        ("ignored", "settled.ignored."),
        ("unmatched", "settled.unmatched."),
        ("refused", "settled.refused."),
        ("discarded", "settled.discarded."),
        ("waiting", names::WAITING),
    ];
    for (title, prefix) in named {
        let parts: Vec<String> = sheet.parts(prefix).map(|(name, count)| format!("{count} {name}")).collect();
        if !parts.is_empty() {
            terminal.line(format_args!("    {title}: {}", parts.join(", ").replace('_', " ")));
        }
    }
    let (kept, released, discarded, counted) = (
        sheet.get(names::QUARANTINED),
        sheet.get(names::RELEASED),
        sheet.get(names::DISCARDED),
        sheet.get(names::REFUSED),
    );
    if kept + counted > 0 {
        let still = kept.saturating_sub(released + discarded);
        terminal.line(format_args!(
            "    quarantine: {kept} entered = {released} released + {discarded} discarded + {still} there; \
             {counted} more only counted"
        ));
    }
}

fn object(sheet: &Sheet) -> Value {
    let counts: Map<String, Value> =
        sheet.counts.iter().map(|(name, count)| (name.clone(), Value::from(*count))).collect();
    let lines: Vec<Value> = sheet
        .lines
        .iter()
        .map(|line| {
            json!({
                "says": line.says, "left": line.left, "right": line.right,
                "unexplained": line.verdict.unexplained(), "verdict": word(line.verdict),
            })
        })
        .collect();
    json!({
        "connection": sheet.connection, "hour_ms": sheet.hour_ms, "counts": counts, "lines": lines,
        "unexplained": sheet.unexplained(),
    })
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Balanced => "balanced",
        Verdict::Lost(_) => "lost",
        Verdict::Surplus(_) => "surplus",
        Verdict::Behind(_) => "behind",
    }
}
