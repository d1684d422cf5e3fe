//! What did not arrive: whether the vendors' subscriptions still deliver, and which deliveries they could not make.
//!
//! Both are jobs: they come round by themselves, run once however many replicas there are, and can be asked for. A
//! delivery that was missed is fetched and goes the same way as one that arrived, marked `replayed`; nothing else of
//! the log is touched.

mod gaps;
mod health;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use domain::ids::ConnectionId;
use event_log::EventLog;
use jobs::{Job, Jobs};
use projection::Projection;
use providers::Provider;
use runtime::clock::Clock;

use crate::intake::Intake;
use crate::ledger::LedgerView;

/// The adapter of a connection; `None` when the configuration has no such provider connection.
pub type Providers = Arc<dyn Fn(&ConnectionId) -> Option<Arc<dyn Provider>> + Send + Sync>;

/// Name of the job that looks whether a subscription delivers.
const HEALTH: &str = "subscription-health";
/// Name of the job that fetches what did not arrive.
const GAPS: &str = "gap-recovery";
/// What the jobs' records are kept under.
const SERVICE: &str = "verification";
/// Jobs come round no more often than this, however fast the provider lives.
const EVERY_MIN: Duration = Duration::from_secs(1);

/// How often, how far back, how long.
#[derive(Clone, Debug)]
pub struct Tuning {
    /// How many times faster than life the provider is: 1 in production. At least 0.01.
    pub time_factor: f64,
    /// A subscription is looked at this often, in the provider's time.
    pub health_every: Duration,
    /// After so long without a delivery that arrived, the vendor turns a subscription off, in its own time.
    pub deactivated_after: Duration,
    /// A person should look once deliveries have failed for this part of that time.
    pub failing_warning: Duration,
    /// What did not arrive is fetched this often, in the provider's time; in any case after a subscription was turned
    /// on again.
    pub gaps_every: Duration,
    /// How far the list of missed deliveries looks back before the newest that was seen.
    pub gaps_overlap: Duration,
    /// How far the first list of a connection looks back: vendors keep them no longer.
    pub gaps_first_window: Duration,
    /// A run ends after this time and goes on in the next.
    pub run_max: Duration,
    /// How jobs are looked after.
    pub jobs: jobs::Settings,
}

impl Default for Tuning {
    fn default() -> Self {
        let (minute, day) = (Duration::from_secs(60), Duration::from_secs(86_400));
        Self {
            time_factor: 1.0,
            health_every: 10 * minute,
            deactivated_after: 7 * day,
            failing_warning: day,
            gaps_every: 15 * minute,
            gaps_overlap: 10 * minute,
            gaps_first_window: 15 * day,
            run_max: 10 * minute,
            jobs: jobs::Settings::default(),
        }
    }
}

/// What the jobs work with.
struct Reconciler {
    clock: Clock,
    intake: Arc<Intake>,
    view: Arc<Projection<LedgerView>>,
    providers: Providers,
    tuning: Tuning,
    /// The jobs themselves: one asks for another. Set right after they are made.
    jobs: OnceLock<Jobs>,
}

/// No jobs.
pub fn none(log: &EventLog, clock: &Clock) -> Jobs {
    Jobs::new(SERVICE, log.state(), clock.clone(), Arc::new(Vec::new), jobs::Settings::default())
}

/// The jobs of every provider connection that can tell what did not arrive.
pub fn jobs(
    log: &EventLog,
    clock: &Clock,
    intake: Arc<Intake>,
    view: Arc<Projection<LedgerView>>,
    providers: Providers,
    tuning: Tuning,
) -> Jobs {
    let settings = tuning.jobs;
    let (clock, jobs) = (clock.clone(), OnceLock::new());
    let this = Arc::new(Reconciler { clock: clock.clone(), intake, view, providers, tuning, jobs });
    let table = this.clone();
    let jobs = Jobs::new(SERVICE, log.state(), clock, Arc::new(move || table.table()), settings);
    let _ = this.jobs.set(jobs.clone());
    jobs
}

impl Reconciler {
    fn table(self: &Arc<Self>) -> Vec<Job> {
        let mut table = Vec::new();
        for connection in self.intake.connections().current().keys() {
            let Some(provider) = (self.providers)(connection) else { continue };
            let job = |name, every: Duration, work| Job {
                name,
                connection: connection.clone(),
                every: every.div_f64(self.tuning.time_factor.max(0.01)).max(EVERY_MIN),
                run_max: self.tuning.run_max.saturating_mul(2),
                work,
            };
            if provider.capabilities().subscriptions {
                let health = health::Health { reconciler: self.clone(), connection: connection.clone() };
                table.push(job(HEALTH, self.tuning.health_every, Arc::new(health)));
            }
            if provider.capabilities().replays_deliveries {
                let gaps = gaps::Gaps { reconciler: self.clone(), connection: connection.clone() };
                table.push(job(GAPS, self.tuning.gaps_every, Arc::new(gaps)));
            }
        }
        table
    }

    fn provider(&self, connection: &ConnectionId) -> Result<Arc<dyn Provider>, jobs::Failure> {
        (self.providers)(connection).ok_or_else(|| jobs::Failure::new("the connection is not configured"))
    }

    /// When a delivery last arrived by itself and verified.
    fn last_arrival(
        &self,
        connection: &ConnectionId,
    ) -> Result<Option<domain::time::Timestamp>, jobs::Failure> {
        let Some(known) = self.intake.connections().get(connection) else { return Ok(None) };
        crate::keys::last_arrival(&known, &self.view, connection).map_err(jobs::Failure::new)
    }
}
