//! The entry of a job in the state store.

use std::time::Duration;

use domain::ids::ConnectionId;
use domain::job::{JobOutcome, JobRun, JobStanding};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Job;

/// Everything about a job that outlives the process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Who runs it now.
    pub holder: Option<String>,
    /// Changes of holder so far; a write of an earlier epoch is refused.
    pub epoch: u64,
    /// Raised by the holder while it lives.
    pub beat: u64,
    /// When the job was first planned, in milliseconds; 0 before.
    pub planned_ms: i64,
    /// When it comes round next, in milliseconds.
    pub next_run_ms: i64,
    /// Runs asked for so far, and the last request's id.
    pub asked: u64,
    #[serde(default)]
    pub request_id: String,
    /// Up to which of them a run has begun, and has ended.
    pub begun: u64,
    pub served: u64,
    /// How far the work has come, in its own words.
    pub cursor: Option<String>,
    /// The last run.
    pub last: Option<Last>,
    /// When a run last ended well, in milliseconds; 0 for never.
    pub succeeded_ms: i64,
    /// Runs in a row that did not.
    pub failures: u32,
}

/// A run that ended, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    started_ms: i64,
    finished_ms: i64,
    outcome: String,
    looked: u64,
    found: u64,
    attention: bool,
    note: String,
}

impl Record {
    /// Whether a run should begin now.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.asked > self.begun.max(self.served) || self.next_run_ms <= now.0
    }

    /// The run that ended.
    pub fn finish(&mut self, run: &JobRun, next: Timestamp) {
        self.served = self.begun;
        self.next_run_ms = next.0;
        self.holder = None;
        if run.outcome.is_well() {
            self.succeeded_ms = run.finished_at.0;
        }
        self.last = Some(Last {
            started_ms: run.started_at.0,
            finished_ms: run.finished_at.0,
            outcome: run.outcome.name().to_owned(),
            looked: run.looked,
            found: run.found,
            attention: run.attention,
            note: run.note.clone(),
        });
    }

    /// How the job stands.
    pub fn standing(&self, name: &str, connection: &ConnectionId, every: Duration) -> JobStanding {
        let time = |ms: i64| (ms != 0).then_some(Timestamp(ms));
        JobStanding {
            name: name.to_owned(),
            connection: connection.clone(),
            every,
            next_run: time(self.planned_ms).map(|_| Timestamp(self.next_run_ms)),
            running: self.holder.is_some(),
            last: self.last.as_ref().map(Last::run),
            succeeded_at: time(self.succeeded_ms),
            failures: self.failures,
        }
    }
}

impl Last {
    fn run(&self) -> JobRun {
        let all = [JobOutcome::Done, JobOutcome::Unfinished, JobOutcome::TimedOut, JobOutcome::Failed];
        JobRun {
            started_at: Timestamp(self.started_ms),
            finished_at: Timestamp(self.finished_ms),
            // A word of a newer version is not called a success.
            outcome: all.into_iter().find(|one| one.name() == self.outcome).unwrap_or(JobOutcome::Failed),
            looked: self.looked,
            found: self.found,
            attention: self.attention,
            note: self.note.clone(),
        }
    }
}

/// What the keys of a service's jobs begin with.
pub fn prefix(service: &str) -> String {
    format!("jobs/{service}/")
}

/// Where the record of a job lies.
pub fn key(service: &str, job: &Job) -> String {
    key_of(service, &job.connection, job.name)
}

/// Where the record of the job of this name lies.
pub fn key_of(service: &str, connection: &ConnectionId, name: &str) -> String {
    format!("{}{}/{name}", prefix(service), plain(connection.as_str()))
}

/// A name that may stand in a key: others become their bytes.
fn plain(text: &str) -> String {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if text.bytes().all(allowed) { text.to_owned() } else { format!("={}", hex::encode(text)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_of_any_name_has_a_key_of_its_own() {
        let key = |text: &str| key_of("s", &text.parse().unwrap(), "sweep");
        assert_eq!(key("main"), "jobs/s/main/sweep");
        assert_ne!(key("a/b"), key("a.b"));
        assert!(!key("a:b").contains(':'));
    }

    #[test]
    fn a_run_that_was_asked_for_is_due_once() {
        let now = Timestamp(5);
        let mut record = Record { next_run_ms: 9, asked: 1, ..Record::default() };
        assert!(record.is_due(now));
        record.begun = 1;
        assert!(!record.is_due(now), "it has begun");
        assert!(record.is_due(Timestamp(9)));
    }
}
