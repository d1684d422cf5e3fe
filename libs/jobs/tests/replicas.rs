//! Jobs of several processes on one server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use event_log::{EventLog, JetStreamSettings};
use jobs::{Failure, Job, Jobs, Report, Run, Settings, Work};
use runtime::clock::Clock;
use runtime::tasks::Tasks;
use testkit::nats::{NatsOptions, NatsServer};

const SOON: Duration = Duration::from_secs(30);

/// Counts how many run at once, and hands a number on from run to run.
#[derive(Default)]
struct Counting {
    at_once: AtomicUsize,
    overlaps: AtomicUsize,
    runs: AtomicUsize,
    last: AtomicUsize,
}

#[async_trait]
impl Work for Counting {
    async fn run(&self, run: &Run) -> Result<Report, Failure> {
        if self.at_once.fetch_add(1, Ordering::SeqCst) > 0 {
            self.overlaps.fetch_add(1, Ordering::SeqCst);
        }
        let number: usize = run.cursor.as_deref().and_then(|text| text.parse().ok()).unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        run.keep(&(number + 1).to_string()).await?;
        self.runs.fetch_add(1, Ordering::SeqCst);
        self.last.store(number + 1, Ordering::SeqCst);
        Ok(Report::default())
    }
}

#[tokio::test]
async fn processes_on_one_server_take_turns_and_hand_the_place_on() {
    let server = NatsServer::start(NatsOptions::default()).await.expect("a server");
    let work = Arc::new(Counting::default());
    let tasks = Tasks::new();
    for _ in 0..3 {
        let settings = JetStreamSettings {
            url: server.url().to_owned(),
            monitoring_url: Some(server.monitoring_url().to_owned()),
            ..JetStreamSettings::default()
        };
        let log = EventLog::open(event_log::Settings::JetStream(settings)).await.expect("the log opens");
        let job = Job {
            name: "sweep",
            connection: "main".parse().expect("a name"),
            every: Duration::from_millis(50),
            run_max: SOON,
            work: work.clone(),
        };
        let settings = Settings { look_pause: Duration::from_millis(30), ..Settings::default() };
        let table = Arc::new(move || vec![job.clone()]);
        let jobs = Jobs::new("test", log.state(), Clock::system(), table, settings);
        let token = tasks.shutdown_token();
        tasks.spawn("jobs", async move { jobs.run(token).await });
    }
    let waited = tokio::time::timeout(SOON, async {
        while work.runs.load(Ordering::SeqCst) < 12 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    waited.await.expect("the job comes round");
    tasks.stop(SOON).await.expect("the tasks end well");
    assert_eq!(work.overlaps.load(Ordering::SeqCst), 0);
    assert_eq!(
        work.last.load(Ordering::SeqCst),
        work.runs.load(Ordering::SeqCst),
        "each went on from the last"
    );
}
