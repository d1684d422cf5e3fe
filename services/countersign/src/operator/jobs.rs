//! Work that comes round by itself: shown, and run now.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use contracts::wire::common::{Job, JobOutcome};
use contracts::wire::{crmsync, envelope, verification};

use super::args::Ask;
use super::services::{by_crm_sync, by_orchestrator, by_verification};
use super::{request_id, time, word};
use crate::terminal::{Column, Terminal, Tone};

/// One question waits so long for the end of a run; then the same question is asked again.
const WAIT: Duration = Duration::from_secs(5);

/// Verbs of jobs.
#[derive(Clone, Debug, Subcommand)]
pub enum JobsVerb {
    /// Lists the work that comes round by itself: sweeps, health checks, recovery of gaps.
    List {
        /// Only this connection.
        #[arg(long, default_value = "")]
        connection: String,
        /// Where to ask.
        #[command(flatten)]
        ask: Ask,
    },
    /// Runs a job now, and waits for its end.
    Run(Now),
}

/// A job is to be run.
#[derive(Clone, Debug, Args)]
pub struct Now {
    /// Its connection.
    #[arg(long)]
    pub connection: String,
    /// Its name, as `jobs list` shows it.
    #[arg(long)]
    pub name: String,
    /// Waits so many seconds at most; 0 does not wait.
    #[arg(long, default_value_t = 600)]
    pub wait: u64,
    /// Where to ask.
    #[command(flatten)]
    pub ask: Ask,
}

/// Who looks after a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Orchestrator,
    Verification,
    CrmSync,
}

/// Runs the verb.
///
/// # Errors
/// What a service refuses, or why it could not be asked; a run that did not end well.
pub async fn run(verb: JobsVerb) -> Result<()> {
    match verb {
        JobsVerb::List { connection, ask } => list(&connection, &ask).await,
        JobsVerb::Run(now) => run_now(&now).await,
    }
}

/// Every job of the services, by connection and name.
pub(super) async fn all(connection: &str, ask: &Ask) -> Result<Vec<Job>> {
    Ok(owned(connection, ask).await?.into_iter().map(|(_, job)| job).collect())
}

async fn owned(connection: &str, ask: &Ask) -> Result<Vec<(Owner, Job)>> {
    let request = envelope::ListJobsRequest { connection: connection.to_owned() };
    let swept = by_orchestrator(ask, ask.envelopes()?.list_jobs(request).await)?.jobs;
    let request = verification::ListJobsRequest { connection: connection.to_owned() };
    let listened = by_verification(ask, ask.verification()?.list_jobs(request).await)?.jobs;
    let request = crmsync::ListJobsRequest { connection: connection.to_owned() };
    let asked = by_crm_sync(ask, ask.crm_sync()?.list_jobs(request).await)?.jobs;
    let all = [(Owner::Orchestrator, swept), (Owner::Verification, listened), (Owner::CrmSync, asked)];
    let owned = |(owner, jobs): (Owner, Vec<Job>)| jobs.into_iter().map(move |job| (owner, job));
    let mut jobs: Vec<_> = all.into_iter().flat_map(owned).collect();
    jobs.sort_by(|(_, a), (_, b)| (&a.connection, &a.name).cmp(&(&b.connection, &b.name)));
    Ok(jobs)
}

async fn list(connection: &str, ask: &Ask) -> Result<()> {
    let jobs = all(connection, ask).await?;
    let terminal = Terminal::new(ask.json);
    if jobs.is_empty() {
        terminal.line("no job: no connection that can be asked for anything is configured");
        return Ok(());
    }
    table(terminal, &jobs);
    Ok(())
}

fn table(terminal: Terminal, jobs: &[Job]) {
    let headings = [
        Column::text("connection"),
        Column::text("job"),
        Column::text("every"),
        Column::text("last run"),
        Column::text("outcome"),
        Column::count("looked"),
        Column::count("found"),
        Column::text("next run"),
        Column::count("failures"),
        Column::text("attention"),
        Column::text("note"),
    ];
    terminal.table(&headings, &jobs.iter().map(row).collect::<Vec<_>>());
}

fn row(job: &Job) -> Vec<String> {
    let last = job.last.clone().unwrap_or_default();
    let outcome = match (&job.last, job.running) {
        (_, true) => "running".to_owned(),
        (Some(run), false) => word(run.outcome().as_str_name(), "JOB_OUTCOME_"),
        (None, false) => "never ran".to_owned(),
    };
    vec![
        job.connection.clone(),
        job.name.clone(),
        span(job.every_ms),
        time(last.finished_ms),
        outcome,
        last.looked.to_string(),
        last.found.to_string(),
        time(job.next_run_ms),
        job.failures.to_string(),
        if last.attention { "yes" } else { "no" }.to_owned(),
        last.note,
    ]
}

/// An interval for a person: in the largest unit that is whole.
fn span(ms: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")];
    let whole = units.into_iter().find(|(unit, _)| ms >= *unit && ms.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{ms} ms"), |(unit, name)| format!("{} {name}", ms / unit))
}

async fn run_now(now: &Now) -> Result<()> {
    let jobs = owned(&now.connection, &now.ask).await?;
    let Some((owner, _)) = jobs.iter().find(|(_, job)| job.name == now.name) else {
        let known: Vec<&str> = jobs.iter().map(|(_, job)| job.name.as_str()).collect();
        bail!("connection {} has no job {}; it has: {}", now.connection, now.name, known.join(", "));
    };
    let (terminal, request_id) = (Terminal::new(now.ask.json), request_id());
    let deadline = Instant::now() + Duration::from_secs(now.wait);
    loop {
        let left = deadline.saturating_duration_since(Instant::now()).min(WAIT);
        // The same request id: however often it is asked, it is one run.
        let (job, ended) = once(*owner, now, &request_id, left).await?;
        if !ended && Instant::now() < deadline {
            continue;
        }
        table(terminal, std::slice::from_ref(&job));
        let well = matches!(
            job.last.as_ref().map(contracts::wire::common::JobRun::outcome),
            Some(JobOutcome::Done | JobOutcome::Unfinished)
        );
        if !ended {
            terminal.line(terminal.toned(Tone::Quiet, "it has not ended yet; `jobs list` shows when"));
        } else if !well {
            bail!("the run did not end well: {}", job.last.unwrap_or_default().note);
        }
        return Ok(());
    }
}

async fn once(owner: Owner, now: &Now, request_id: &str, wait: Duration) -> Result<(Job, bool)> {
    let (request_id, connection, name) = (request_id.to_owned(), now.connection.clone(), now.name.clone());
    let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(0);
    let (job, ended) = match owner {
        Owner::Orchestrator => {
            let request = envelope::RunJobRequest { request_id, connection, name, wait_ms };
            let answer = by_orchestrator(&now.ask, now.ask.envelopes()?.run_job(request).await)?;
            (answer.job, answer.ended)
        }
        Owner::Verification => {
            let request = verification::RunJobRequest { request_id, connection, name, wait_ms };
            let answer = by_verification(&now.ask, now.ask.verification()?.run_job(request).await)?;
            (answer.job, answer.ended)
        }
        Owner::CrmSync => {
            let request = crmsync::RunJobRequest { request_id, connection, name, wait_ms };
            let answer = by_crm_sync(&now.ask, now.ask.crm_sync()?.run_job(request).await)?;
            (answer.job, answer.ended)
        }
    };
    Ok((job.unwrap_or_default(), ended))
}

#[cfg(test)]
mod tests {
    use contracts::wire::common::JobRun;

    use super::*;

    #[test]
    fn a_job_is_told_in_words_and_one_that_never_ran_says_so() {
        let job = Job { name: "open-envelopes".to_owned(), every_ms: 3_600_000, ..Job::default() };
        let told = row(&job);
        assert_eq!((told[2].as_str(), told[4].as_str(), told[9].as_str()), ("1 h", "never ran", "no"));
        let run = JobRun { outcome: JobOutcome::TimedOut.into(), attention: true, ..JobRun::default() };
        let told = row(&Job { last: Some(run), ..job });
        assert_eq!((told[4].as_str(), told[9].as_str()), ("timed_out", "yes"));
    }
}
