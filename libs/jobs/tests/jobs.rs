//! Jobs on a real state store, with a clock moved by hand.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::job::{JobOutcome, JobStanding};
use domain::time::Timestamp;
use event_log::{EmbeddedSettings, EventLog};
use jobs::{Failure, Job, Jobs, Report, Run, Settings, Work};
use parking_lot::Mutex;
use runtime::clock::Clock;
use runtime::tasks::Tasks;
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(600);
const SOON: Duration = Duration::from_secs(20);

/// Work that does as it is told, and remembers where each run began.
#[derive(Default)]
struct Scripted {
    runs: Mutex<Vec<Option<String>>>,
    script: Mutex<VecDeque<Step>>,
    gate: Notify,
}

enum Step {
    Fail,
    Hang,
    /// Keeps this place, then waits at the gate.
    KeepAndWait(&'static str),
    More,
}

#[async_trait]
impl Work for Scripted {
    async fn run(&self, run: &Run) -> Result<Report, Failure> {
        self.runs.lock().push(run.cursor.clone());
        let step = self.script.lock().pop_front();
        match step {
            None => Ok(Report { looked: 3, found: 1, ..Report::default() }),
            Some(Step::More) => Ok(Report { more: true, ..Report::default() }),
            Some(Step::Fail) => Err(Failure::new("the provider does not answer")),
            Some(Step::Hang) => std::future::pending().await,
            Some(Step::KeepAndWait(place)) => {
                run.keep(place).await?;
                self.gate.notified().await;
                run.keep("after the gate").await?;
                Ok(Report::default())
            }
        }
    }
}

struct World {
    _dir: TempDir,
    log: EventLog,
    clock: Clock,
    work: Arc<Scripted>,
}

/// One process.
struct Replica {
    jobs: Jobs,
    tasks: Tasks,
}

impl World {
    async fn new(script: impl IntoIterator<Item = Step>) -> World {
        let dir = TempDir::new().expect("a directory");
        let settings = event_log::Settings::Embedded(EmbeddedSettings::in_dir(dir.path()));
        let log = EventLog::open(settings).await.expect("the log opens");
        let work = Scripted { script: Mutex::new(script.into_iter().collect()), ..Scripted::default() };
        let clock = Clock::manual(Timestamp(1_800_000_000_000));
        World { _dir: dir, log, clock, work: Arc::new(work) }
    }

    fn jobs(&self) -> Jobs {
        let job = Job {
            name: "sweep",
            connection: "main".parse().expect("a name"),
            every: EVERY,
            run_max: Duration::from_millis(500),
            work: self.work.clone(),
        };
        let settings = Settings {
            lease_ttl: Duration::from_millis(300),
            look_pause: Duration::from_millis(20),
            at_once: 4,
        };
        Jobs::new("test", self.log.state(), self.clock.clone(), Arc::new(move || vec![job.clone()]), settings)
    }

    fn replica(&self) -> Replica {
        let (jobs, tasks) = (self.jobs(), Tasks::new());
        let (this, token) = (jobs.clone(), tasks.shutdown_token());
        tasks.spawn("jobs", async move { this.run(token).await });
        Replica { jobs, tasks }
    }

    fn runs(&self) -> usize {
        self.work.runs.lock().len()
    }

    async fn until_runs(&self, wanted: usize) {
        until(|| async { self.runs() >= wanted }).await;
    }
}

impl Replica {
    async fn standing(&self) -> JobStanding {
        self.jobs.list().await.expect("the store answers").remove(0)
    }

    async fn until(&self, fits: impl Fn(&JobStanding) -> bool) -> JobStanding {
        until(|| async { fits(&self.standing().await) }).await;
        self.standing().await
    }

    async fn ask(&self, request_id: &str) -> bool {
        let connection = "main".parse().expect("a name");
        let asked = self.jobs.ask(&connection, "sweep", request_id).await.expect("there is such a job");
        let (_, ended) = self.jobs.wait(&connection, "sweep", asked, SOON).await.expect("an answer");
        ended
    }

    async fn stop(self) {
        self.tasks.stop(SOON).await.expect("the tasks end well");
    }
}

async fn until<F: Future<Output = bool>>(fits: impl Fn() -> F) {
    let waited = tokio::time::timeout(SOON, async {
        while !fits().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waited.await.expect("it comes true");
}

#[tokio::test]
async fn a_new_job_runs_at_once_and_then_when_it_comes_round() {
    let world = World::new([]).await;
    let replica = world.replica();
    let first = replica.until(|job| job.last.is_some()).await;
    let run = first.last.clone().unwrap();
    assert_eq!((run.outcome, run.looked, run.found), (JobOutcome::Done, 3, 1));
    assert_eq!(first.succeeded_at, Some(run.finished_at));
    let next = first.next_run.unwrap();
    assert!(next > world.clock.now() && next <= world.clock.now().after(EVERY));
    assert_eq!(world.runs(), 1);
    world.clock.advance(EVERY);
    world.until_runs(2).await;
    replica.stop().await;
}

#[tokio::test]
async fn however_many_replicas_there_are_a_job_runs_once() {
    let world = World::new([]).await;
    let replicas: Vec<Replica> = (0..4).map(|_| world.replica()).collect();
    for round in 1..=5 {
        world.until_runs(round).await;
        replicas[0].until(|job| !job.running && job.next_run.is_some_and(|at| at > world.clock.now())).await;
        assert_eq!(world.runs(), round);
        world.clock.advance(EVERY);
    }
    for replica in replicas {
        replica.stop().await;
    }
}

#[tokio::test]
async fn a_run_can_be_asked_for_and_the_same_request_asks_once() {
    let world = World::new([]).await;
    let replica = world.replica();
    replica.until(|job| job.last.is_some()).await;
    assert!(replica.ask("one").await);
    assert!(replica.ask("one").await);
    assert_eq!(world.runs(), 2);
    assert!(replica.ask("two").await);
    assert_eq!(world.runs(), 3);
    replica.stop().await;
}

#[tokio::test]
async fn a_job_that_nobody_knows_is_refused_with_those_that_are_known() {
    let world = World::new([]).await;
    let error = world.jobs().ask(&"main".parse().unwrap(), "swep", "one").await.unwrap_err();
    assert!(error.to_string().contains("main/sweep"), "{error}");
}

#[tokio::test]
async fn after_a_restart_the_run_goes_on_from_its_place() {
    let world = World::new([Step::KeepAndWait("page 7")]).await;
    let replica = world.replica();
    world.until_runs(1).await;
    until(|| async { replica.standing().await.running }).await;
    replica.stop().await;
    let replica = world.replica();
    world.until_runs(2).await;
    assert_eq!(world.work.runs.lock()[1].as_deref(), Some("page 7"));
    replica.until(|job| job.last.is_some()).await;
    replica.stop().await;
}

#[tokio::test]
async fn a_run_that_reached_its_bound_is_followed_by_the_next_at_once() {
    let world = World::new([Step::More, Step::More]).await;
    let replica = world.replica();
    world.until_runs(3).await;
    replica.until(|job| job.last.as_ref().is_some_and(|run| run.outcome == JobOutcome::Done)).await;
    replica.stop().await;
}

#[tokio::test]
async fn a_failure_is_shown_and_tried_again_before_the_interval_is_over() {
    let world = World::new([Step::Fail]).await;
    let replica = world.replica();
    let failed = replica.until(|job| job.failures == 1).await;
    let run = failed.last.unwrap();
    assert_eq!((run.outcome, run.note.as_str()), (JobOutcome::Failed, "the provider does not answer"));
    assert!(failed.next_run.unwrap().since(world.clock.now()) <= Duration::from_secs(5));
    world.clock.advance(Duration::from_secs(5));
    replica.until(|job| job.failures == 0).await;
    replica.stop().await;
}

#[tokio::test]
async fn a_run_that_hangs_is_cut_off() {
    let world = World::new([Step::Hang]).await;
    let replica = world.replica();
    replica.until(|job| job.last.as_ref().is_some_and(|run| run.outcome == JobOutcome::TimedOut)).await;
    replica.stop().await;
}

#[tokio::test]
async fn what_a_dead_replica_held_is_taken_over_and_its_late_word_is_refused() {
    let world = World::new([Step::KeepAndWait("page 3")]).await;
    // The first replica stops living in the middle of its run: nobody polls it any more.
    let dead = world.jobs();
    let mut frozen = Box::pin(dead.run(CancellationToken::new()));
    until_polled(&mut frozen, || world.runs() == 1).await;
    let replica = world.replica();
    world.until_runs(2).await;
    assert_eq!(world.work.runs.lock()[1].as_deref(), Some("page 3"));
    let after = replica.until(|job| job.last.is_some() && !job.running).await;
    // It comes back to life and wants to go on; its place must not be believed.
    world.work.gate.notify_one();
    let _ = tokio::time::timeout(Duration::from_millis(300), &mut frozen).await;
    world.clock.advance(EVERY);
    world.until_runs(3).await;
    assert_eq!(world.work.runs.lock()[2].as_deref(), Some("page 3"));
    assert_eq!(after.failures, 0);
    drop(frozen);
    replica.stop().await;
}

/// Polls a future until something is the case, and then never again.
async fn until_polled(future: &mut (impl Future<Output = ()> + Unpin), fits: impl Fn() -> bool) {
    let waited = tokio::time::timeout(SOON, async {
        while !fits() {
            let _ = tokio::time::timeout(Duration::from_millis(5), &mut *future).await;
        }
        // Let it keep its place.
        let _ = tokio::time::timeout(Duration::from_millis(50), &mut *future).await;
    });
    waited.await.expect("it comes true");
}
