//! Who runs what, and when.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use domain::ids::ConnectionId;
use domain::job::{JobOutcome, JobRun, JobStanding, next_run};
use domain::time::Timestamp;
use event_log::{ReadError, State, StateError};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use runtime::clock::Clock;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::hold::{Hold, Seen, Watch, decode};
use crate::job::note;
use crate::record::{Record, key, key_of, prefix};
use crate::{Failure, Job, Report, Run, metric};

/// Most tries of a wish against other writers.
const TRIES_MAX: usize = 16;
/// How often somebody who waits for a run looks.
const WAIT_PAUSE: Duration = Duration::from_millis(50);
/// How long runs may take to give their leases back at the end.
const GOODBYE_MAX: Duration = Duration::from_secs(5);

/// The jobs of the configuration in force; asked again at every look.
pub type Table = Arc<dyn Fn() -> Vec<Job> + Send + Sync>;

/// How jobs are looked after.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long a lease outlives its last beat.
    pub lease_ttl: Duration,
    /// How often the records are looked at.
    pub look_pause: Duration,
    /// Jobs that run at once in this process.
    pub at_once: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { lease_ttl: Duration::from_secs(10), look_pause: Duration::from_secs(2), at_once: 4 }
    }
}

/// The jobs of one service. A cheap handle.
#[derive(Clone)]
pub struct Jobs(Arc<Shared>);

struct Shared {
    service: &'static str,
    state: State,
    clock: Clock,
    table: Table,
    settings: Settings,
    me: String,
    woken: Notify,
}

/// Why a run could not be asked for.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// There is no such job.
    #[error("there is no job {name} for connection {connection}; known are: {known}")]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The connection.
        connection: String,
        /// `connection/name` of all jobs.
        known: String,
    },
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StateError),
}

/// What a look found.
struct Due {
    job: Job,
    key: String,
    seen: Seen,
}

type Running<'a> = FuturesUnordered<BoxFuture<'a, String>>;

impl Jobs {
    /// The jobs of `service` (part of their keys: it never changes). Nothing runs yet.
    pub fn new(service: &'static str, state: State, clock: Clock, table: Table, settings: Settings) -> Jobs {
        let me = hex::encode(runtime::random::new_id());
        Jobs(Arc::new(Shared { service, state, clock, table, settings, me, woken: Notify::new() }))
    }

    /// Runs what is due until `shutdown`; then cuts off what is running and gives the leases back.
    pub async fn run(&self, shutdown: CancellationToken) {
        let (mut running, mut busy) = (Running::new(), HashSet::new());
        let mut watch = Watch::default();
        while !shutdown.is_cancelled() {
            let next = match self.look(&mut watch, &busy).await {
                Ok((due, next)) => {
                    let free = self.0.settings.at_once.saturating_sub(running.len());
                    for due in due.into_iter().take(free) {
                        self.begin(due, &mut running, &mut busy, &shutdown).await;
                    }
                    next
                }
                Err(error) => {
                    tracing::debug!(%error, "the records of the jobs cannot be read");
                    None
                }
            };
            let wake_at = async {
                match next {
                    Some(at) => self.0.clock.wait_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                Some(ended) = running.next(), if !running.is_empty() => {
                    busy.remove(&ended);
                }
                () = self.0.woken.notified() => {}
                () = tokio::time::sleep(self.0.settings.look_pause) => {}
                () = wake_at => {}
            }
        }
        let goodbye = async { while running.next().await.is_some() {} };
        if tokio::time::timeout(GOODBYE_MAX, goodbye).await.is_err() {
            tracing::debug!("a job did not give its lease back; it is taken over after the lease's time");
        }
    }

    /// How every job stands, by connection and name.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn list(&self) -> Result<Vec<JobStanding>, ReadError> {
        let records = self.records().await?;
        let standing = |job: &Job| {
            let (record, _) = records.get(&key(self.0.service, job)).cloned().unwrap_or_default();
            record.standing(job.name, &job.connection, job.every)
        };
        let mut all: Vec<JobStanding> = (self.0.table)().iter().map(standing).collect();
        all.sort_by(|a, b| (&a.connection, &a.name).cmp(&(&b.connection, &b.name)));
        Ok(all)
    }

    /// Asks for a run, whatever the schedule says; the same request id as the last one asks for nothing new. The
    /// number is for [`Jobs::wait`].
    ///
    /// # Errors
    /// When there is no such job, or the store does not answer.
    pub async fn ask(
        &self,
        connection: &ConnectionId,
        name: &str,
        request_id: &str,
    ) -> Result<u64, AskError> {
        let job = self.find(connection, name)?;
        let key = key(self.0.service, &job);
        for _ in 0..TRIES_MAX {
            let Seen { mut record, revision } = Seen::read(&self.0.state, &key).await?;
            if record.asked > 0 && record.request_id == request_id {
                return Ok(record.asked);
            }
            record.asked += 1;
            request_id.clone_into(&mut record.request_id);
            let asked = record.asked;
            let bytes = serde_json::to_vec(&record).expect("invariant: plain text and numbers become JSON");
            match self.0.state.put(&key, revision, bytes.into()).await {
                Ok(_) => {
                    self.0.woken.notify_one();
                    return Ok(asked);
                }
                Err(StateError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StateError::Conflict.into())
    }

    /// Waits until the run that was asked for has ended, at most `at_most`. Says how the job stands, and whether it
    /// has ended.
    ///
    /// # Errors
    /// As [`Jobs::ask`].
    pub async fn wait(
        &self,
        connection: &ConnectionId,
        name: &str,
        asked: u64,
        at_most: Duration,
    ) -> Result<(JobStanding, bool), AskError> {
        let job = self.find(connection, name)?;
        let deadline = tokio::time::Instant::now() + at_most;
        loop {
            let record = Seen::read(&self.0.state, &key_of(self.0.service, connection, name)).await?.record;
            let ended = record.served >= asked;
            if ended || tokio::time::Instant::now() >= deadline {
                return Ok((record.standing(job.name, connection, job.every), ended));
            }
            tokio::time::sleep(WAIT_PAUSE).await;
        }
    }

    /// The place that a job has kept, for a job beside it that goes by it.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn place(&self, connection: &ConnectionId, name: &str) -> Result<Option<String>, StateError> {
        let key = key_of(self.0.service, connection, name);
        Ok(Seen::read(&self.0.state, &key).await?.record.cursor)
    }

    fn find(&self, connection: &ConnectionId, name: &str) -> Result<Job, AskError> {
        let table = (self.0.table)();
        let found = table.iter().find(|job| job.connection == *connection && job.name == name);
        found.cloned().ok_or_else(|| AskError::Unknown {
            name: name.to_owned(),
            connection: connection.to_string(),
            known: table
                .iter()
                .map(|job| format!("{}/{}", job.connection, job.name))
                .collect::<Vec<_>>()
                .join(", "),
        })
    }

    async fn records(&self) -> Result<HashMap<String, (Record, Option<event_log::Revision>)>, ReadError> {
        let entries = self.0.state.list(&prefix(self.0.service)).await?;
        let read = entries.into_iter().map(|(key, entry)| {
            let record = decode(&key, &entry.value);
            (key, (record, Some(entry.revision)))
        });
        Ok(read.collect())
    }

    /// What is due and may be taken, and when the next job comes round.
    async fn look(
        &self,
        watch: &mut Watch,
        busy: &HashSet<String>,
    ) -> Result<(Vec<Due>, Option<Timestamp>), ReadError> {
        let now = self.0.clock.now();
        let mut records = self.records().await?;
        let (mut due, mut next) = (Vec::new(), None::<Timestamp>);
        for job in (self.0.table)() {
            let key = key(self.0.service, &job);
            let (record, revision) = records.remove(&key).unwrap_or_default();
            let standing = record.standing(job.name, &job.connection, job.every);
            metric::stands(&job, &standing, Timestamp(record.planned_ms), now);
            if busy.contains(&key) {
                continue;
            }
            // What its holder left undone is due, whatever the schedule says.
            let orphaned = record.holder.is_some() && watch.is_dead(&key, &record, self.0.settings.lease_ttl);
            if record.holder.is_none() {
                watch.forget(&key);
            }
            if orphaned || (record.holder.is_none() && record.is_due(now)) {
                due.push(Due { job, key, seen: Seen { record, revision } });
            } else if record.next_run_ms > now.0 {
                let at = Timestamp(record.next_run_ms);
                next = Some(next.map_or(at, |earlier| earlier.min(at)));
            }
        }
        // The longest overdue first: one job of many must not starve.
        due.sort_by_key(|due| due.seen.record.next_run_ms);
        Ok((due, next))
    }

    async fn begin<'a>(
        &'a self,
        Due { job, key, seen }: Due,
        running: &mut Running<'a>,
        busy: &mut HashSet<String>,
        shutdown: &CancellationToken,
    ) {
        let now = self.0.clock.now();
        match Hold::take(self.0.state.clone(), key.clone(), &self.0.me, seen, now).await {
            Ok(Some(hold)) => {
                busy.insert(key.clone());
                let span = tracing::info_span!("job", job = job.name, connection = %job.connection);
                let shutdown = shutdown.clone();
                running.push(Box::pin(
                    async move {
                        self.carry_out(&job, Arc::new(hold), shutdown).await;
                        key
                    }
                    .instrument(span),
                ));
            }
            Ok(None) => {}
            Err(error) => tracing::debug!(job = job.name, %error, "a job could not be taken"),
        }
    }

    /// Runs the work under its lease and reports.
    async fn carry_out(&self, job: &Job, hold: Arc<Hold>, shutdown: CancellationToken) {
        let (started_at, record) = (self.0.clock.now(), hold.record().await);
        let succeeded_at = (record.succeeded_ms != 0).then_some(Timestamp(record.succeeded_ms));
        let run = Run { started_at, cursor: record.cursor, succeeded_at, hold: hold.clone() };
        let outcome = tokio::select! {
            outcome = tokio::time::timeout(job.run_max, job.work.run(&run)) => outcome,
            () = hold.keep_beating(self.0.settings.lease_ttl) => {
                tracing::warn!("another replica takes the job over");
                return;
            }
            () = shutdown.cancelled() => {
                let given_back = hold.change(|record| {
                    record.holder = None;
                    record.begun = record.served;
                });
                if let Err(error) = given_back.await {
                    tracing::debug!(%error, "a lease was not given back");
                }
                return;
            }
        };
        let (outcome, report, why) = match outcome {
            Ok(Ok(report)) if report.more => (JobOutcome::Unfinished, report, None),
            Ok(Ok(report)) => (JobOutcome::Done, report, None),
            Ok(Err(Failure { reason, report })) => (JobOutcome::Failed, report, Some(reason)),
            Err(_) => {
                let why = format!("longer than {} s", job.run_max.as_secs());
                (JobOutcome::TimedOut, Report::default(), Some(why))
            }
        };
        match &why {
            Some(reason) => tracing::warn!(reason, "a job did not end well; it is tried again"),
            None if report.found > 0 => {
                tracing::info!(looked = report.looked, found = report.found, "a job found what nobody told");
            }
            None => tracing::debug!(looked = report.looked, "a job ended"),
        }
        metric::ended(job, outcome.name(), report.found);
        let run = JobRun {
            started_at,
            finished_at: self.0.clock.now(),
            outcome,
            looked: report.looked,
            found: report.found,
            attention: report.attention,
            note: note(&why.unwrap_or(report.note)),
        };
        let jitter = runtime::random::jitter();
        let told = hold.change(|record| {
            record.failures = if outcome.is_well() { 0 } else { record.failures.saturating_add(1) };
            let next = next_run(run.finished_at, job.every, outcome, record.failures, jitter);
            record.finish(&run, next);
        });
        if let Err(error) = told.await {
            tracing::warn!(%error, "the result of a job is lost; it runs again");
        }
    }
}
