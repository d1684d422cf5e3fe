//! Is everything well? And what to do where it is not.

use std::process::ExitCode;
use std::time::Duration;

use ::ledger::names;
use anyhow::{Result, bail};
use contracts::wire::envelope::{EnvelopeFilter, ListEnvelopesRequest, Stage};
use serde_json::{Value, json};

use super::args::Ask;
use super::services::by_orchestrator;
use super::{connections, credits, dead_letters, jobs, ledger};
use crate::journeys::visitor;
use crate::sheets::Question;
use crate::terminal::{Terminal, Tone};

/// Longest wait for the health of a process.
const HEALTH_DEADLINE: Duration = Duration::from_secs(5);

/// Runs of a job that may fail in a row before a person should look.
const FAILURES_MAX: u32 = 3;

/// What one look found.
struct Finding {
    name: &'static str,
    well: bool,
    what: String,
}

impl Finding {
    fn of(name: &'static str, looked: Result<(bool, String)>) -> Self {
        match looked {
            Ok((well, what)) => Self { name, well, what },
            Err(error) => Self { name, well: false, what: format!("{error:#}") },
        }
    }
}

/// Runs the verb; what is not well is an exit code.
///
/// # Errors
/// Never: what cannot be asked is a finding.
pub async fn run(ask: &Ask) -> Result<ExitCode> {
    let (health, intake, keys, envelopes, credits, letters, reconciliation) = tokio::join!(
        health(ask),
        intake(ask),
        connections::keys(ask),
        envelopes(ask),
        credits::look(ask),
        letters(ask),
        reconciliation(ask)
    );
    let findings = [
        Finding::of("process", health),
        Finding::of("intake", intake),
        Finding::of("keys", keys),
        Finding::of("envelopes", envelopes),
        Finding::of("credits", credits),
        Finding::of("dead letters", letters),
        Finding::of("jobs", reconciliation),
    ];
    let terminal = Terminal::new(ask.json);
    for Finding { name, well, what } in &findings {
        let mark = if *well { terminal.toned(Tone::Good, "✓") } else { terminal.toned(Tone::Bad, "✗") };
        terminal.line(format_args!("{mark} {name:<13} {what}"));
        terminal.object(&json!({"name": name, "ok": well, "what": what}));
    }
    let well = findings.iter().all(|finding| finding.well);
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn health(ask: &Ask) -> Result<(bool, String)> {
    let url = format!("{}/readyz", ask.admin_endpoint);
    let request = visitor()?.get(&url).timeout(HEALTH_DEADLINE).send().await;
    let Ok(response) = request else {
        bail!(
            "nothing answers at {}: start `countersign up`, or name the address with --admin-endpoint",
            ask.admin_endpoint
        );
    };
    let said: Value = response.json().await.map_err(reqwest::Error::without_url)?;
    let ready = said["ready"] == true;
    let failures = said["failures"].as_object().into_iter().flatten();
    let failures: Vec<String> =
        failures.map(|(name, why)| format!("{name}: {}", why.as_str().unwrap_or_default())).collect();
    Ok((ready, if ready { "alive and ready".to_owned() } else { failures.join("; ") }))
}

async fn intake(ask: &Ask) -> Result<(bool, String)> {
    let sheets = ledger::sheets(ask, &Question::default()).await?;
    let sum = |name: &str| sheets.iter().map(|sheet| sheet.get(name)).sum::<u64>();
    let (received, waiting) = (sum(names::RECEIVED), sum(names::EARLY) + sum(names::DEAD_LETTER));
    let refused = (sum(names::QUARANTINED) + sum(names::REFUSED)).saturating_sub(sum(names::RELEASED));
    let unexplained = ledger::worst(&sheets);
    let mut what = format!("{received} received over {} connections, {refused} not believed", sheets.len());
    if refused > 0 {
        what.push_str(" (`quarantine list` says why; wrong keys are in `connections list`)");
    }
    if waiting > 0 {
        what.push_str(&format!(", {waiting} wait (`ledger` says for what)"));
    }
    if unexplained > 0 {
        what.push_str(&format!("; {unexplained} ARE UNACCOUNTED FOR (`ledger`)"));
    }
    Ok((unexplained == 0, what))
}

async fn envelopes(ask: &Ask) -> Result<(bool, String)> {
    let filter = EnvelopeFilter { stages: vec![Stage::NeedsAttention.into()], ..Default::default() };
    let request = ListEnvelopesRequest { filter: Some(filter), page_size: 1000, ..Default::default() };
    let waiting = by_orchestrator(ask, ask.envelopes()?.list_envelopes(request).await)?.envelopes.len();
    let what = match waiting {
        0 => "none needs a person".to_owned(),
        count => format!("{count} need a person (`envelope list --stage needs_attention`)"),
    };
    Ok((true, what))
}

async fn letters(ask: &Ask) -> Result<(bool, String)> {
    let letters = dead_letters::all(ask).await?;
    let what = match letters.len() {
        0 => "none".to_owned(),
        count => format!("{count} (`dead-letters list`, then retry or discard)"),
    };
    Ok((letters.is_empty(), what))
}

/// What comes round by itself: sweeps, and whether the vendors still deliver.
async fn reconciliation(ask: &Ask) -> Result<(bool, String)> {
    let jobs = jobs::all("", ask).await?;
    let troubled: Vec<String> = jobs
        .iter()
        .filter(|job| job.failures >= FAILURES_MAX || job.last.as_ref().is_some_and(|run| run.attention))
        .map(|job| {
            let note = job.last.as_ref().map(|run| run.note.as_str()).unwrap_or_default();
            format!("{} of {}: {note}", job.name, job.connection)
        })
        .collect();
    Ok(match troubled.is_empty() {
        true => (true, format!("{} come round by themselves, all well", jobs.len())),
        false => (false, format!("{} (`jobs list` shows all)", troubled.join("; "))),
    })
}
