//! The numbers of jobs.

use domain::job::JobStanding;
use domain::time::Timestamp;

use crate::Job;

/// A run ended.
pub fn ended(job: &Job, outcome: &'static str, found: u64) {
    let connection = job.connection.to_string();
    metrics::counter!("jobs_runs_total", "job" => job.name, "connection" => connection.clone(), "outcome" => outcome)
        .increment(1);
    metrics::counter!("jobs_findings_total", "job" => job.name, "connection" => connection).increment(found);
}

/// How the job stands now: alert on both.
pub fn stands(job: &Job, standing: &JobStanding, planned_at: Timestamp, now: Timestamp) {
    let never_planned = planned_at == Timestamp::default();
    let since = standing.succeeded_at.unwrap_or(if never_planned { now } else { planned_at });
    let attention = standing.last.as_ref().is_some_and(|run| run.attention);
    let connection = job.connection.to_string();
    metrics::gauge!("jobs_success_age_seconds", "job" => job.name, "connection" => connection.clone())
        .set(now.since(since).as_secs_f64());
    metrics::gauge!("jobs_attention", "job" => job.name, "connection" => connection).set(if attention {
        1.0
    } else {
        0.0
    });
}
