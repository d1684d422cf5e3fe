//! How fast the log appends and replays, as ratios to what its stores can do at best in the same run.
//!
//! `cargo bench -p event-log` prints, beside criterion's own numbers, the lines that begin with `ratio`.
//! Without `target/tools/nats-server` the server's part is skipped, and says so.
#![expect(clippy::unwrap_used, reason = "a bench ends where it cannot go on")]
#![expect(clippy::print_stdout, reason = "the ratios are its result")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_nats::jetstream::context::ContextBuilder;
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use domain::ids::CommandId;
use domain::time::Timestamp;
use event_log::{
    Category, Commit, EmbeddedSettings, Entity, EventLog, Expected, JetStreamSettings, NewEvent, Position,
    Settings, Tailed, TraceContext, event_id,
};
use fjall::{Database, KeyspaceCreateOptions, PersistMode};
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use testkit::nats::{NatsOptions, NatsServer};
use tokio::runtime::Runtime;

const BYTES: usize = 1_024;
const ROUNDS: usize = 5;

/// Runs `total` times `one()` with `hands` tasks at once; gives the calls per second.
async fn rate<F, Fut>(hands: u64, total: u64, one: F) -> f64
where
    F: Fn() -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    let next = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..hands {
        let (next, one) = (next.clone(), one.clone());
        tasks.spawn(async move {
            while next.fetch_add(1, Ordering::Relaxed) < total {
                one().await;
            }
        });
    }
    tasks.join_all().await;
    total as f64 / started.elapsed().as_secs_f64()
}

fn command(number: u64) -> CommandId {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    CommandId::from_bytes(bytes)
}

/// A new entity with one event of 1 KiB: what a webhook becomes.
async fn append(log: EventLog, payload: Bytes) {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
    let command_id = command(NUMBERS.fetch_add(1, Ordering::Relaxed));
    let event = NewEvent {
        id: event_id(&command_id, 0),
        kind: "bench.happened".to_owned(),
        schema: 1,
        occurred_at: Timestamp(1),
        payload,
    };
    let commit = Commit {
        command_id,
        correlation_id: "bench".to_owned(),
        causation_id: None,
        trace: TraceContext::default(),
        events: vec![event],
    };
    let one = Entity::new(Category::Intake, &"acme".parse().unwrap(), command_id.to_string()).unwrap();
    log.append(&one, Expected::Absent, commit).await.unwrap();
}

fn appending(
    log: &EventLog,
    payload: &Bytes,
) -> impl Fn() -> BoxFuture<'static, ()> + Clone + Send + 'static {
    let (log, payload) = (log.clone(), payload.clone());
    move || append(log.clone(), payload.clone()).boxed()
}

/// Bytes that do not compress, as sealed personal data does not.
fn payload() -> Bytes {
    let mut bytes = vec![0; BYTES];
    getrandom::fill(&mut bytes).unwrap();
    bytes.into()
}

/// The store by itself: one writer, groups of at most 512, one sync per group; no check, no head, no chain.
#[derive(Clone)]
struct RawFjall(tokio::sync::mpsc::Sender<tokio::sync::oneshot::Sender<()>>);

impl RawFjall {
    fn open(dir: &std::path::Path, payload: Bytes) -> RawFjall {
        let database = Database::builder(dir).cache_size(64 << 20).worker_threads(1).open().unwrap();
        let options = || KeyspaceCreateOptions::default().max_memtable_size(16 << 20);
        let keyspace = database.keyspace("log", options).unwrap();
        let (sender, mut queue) = tokio::sync::mpsc::channel(4_096);
        std::thread::spawn(move || {
            let (mut position, mut group) = (0_u64, Vec::new());
            while queue.blocking_recv_many(&mut group, 512) > 0 {
                let mut batch = database.batch().durability(Some(PersistMode::SyncData));
                for _ in &group {
                    position += 1;
                    batch.insert(&keyspace, position.to_be_bytes(), payload.as_ref());
                }
                batch.commit().unwrap();
                for reply in group.drain(..) {
                    let reply: tokio::sync::oneshot::Sender<()> = reply;
                    reply.send(()).unwrap();
                }
            }
        });
        RawFjall(sender)
    }

    async fn append(self) {
        let (reply, answer) = tokio::sync::oneshot::channel();
        self.0.send(reply).await.unwrap();
        answer.await.unwrap();
    }
}

async fn open_embedded(dir: &std::path::Path) -> EventLog {
    let settings = EmbeddedSettings { free_bytes_min: 1, ..EmbeddedSettings::in_dir(dir) };
    EventLog::open(Settings::Embedded(settings)).await.unwrap()
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

fn embedded(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let (dir, raw_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let payload = payload();
    let log = runtime.block_on(open_embedded(dir.path()));
    let raw = RawFjall::open(raw_dir.path(), payload.clone());
    for (hands, total) in [(1, 1_500), (16, 12_000), (256, 50_000)] {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            theirs.push(runtime.block_on(rate(hands, total, {
                let raw = raw.clone();
                move || raw.clone().append()
            })));
            ours.push(runtime.block_on(rate(hands, total, appending(&log, &payload))));
        }
        let (ours, theirs) = (median(ours), median(theirs));
        println!("ratio embedded/fjall c{hands} = {:.2} ({ours:.0}/s of {theirs:.0}/s)", ours / theirs);
    }
    println!("rate embedded tail = {:.0} commits/s", runtime.block_on(replay(&log)));
    let mut group = criterion.benchmark_group("embedded");
    group.throughput(Throughput::Elements(1)).sample_size(10).measurement_time(Duration::from_secs(3));
    for hands in [1, 16, 256] {
        group.bench_function(format!("append c{hands}"), |bencher| {
            bencher.iter_custom(|count| timed(&runtime, hands, count, &log, &payload));
        });
    }
}

fn timed(runtime: &Runtime, hands: u64, count: u64, log: &EventLog, payload: &Bytes) -> Duration {
    let started = Instant::now();
    runtime.block_on(rate(hands, count, appending(log, payload)));
    started.elapsed()
}

/// Reads the category from its beginning to its end.
async fn replay(log: &EventLog) -> f64 {
    let head = log.head(Category::Intake).await.unwrap();
    let mut tail = log.tail(Category::Intake, Position::ZERO);
    let (started, mut count) = (Instant::now(), 0_u64);
    loop {
        match tail.next().await.unwrap().unwrap() {
            Tailed::Commit(recorded) => {
                count += 1;
                if recorded.position == head {
                    return count as f64 / started.elapsed().as_secs_f64();
                }
            }
            Tailed::CaughtUp(_) => {}
        }
    }
}

fn jetstream(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let server = match runtime.block_on(NatsServer::start(NatsOptions::default())) {
        Ok(server) => server,
        Err(error) => {
            println!("SKIPPED: the JetStream part was not measured: {error:#}");
            return;
        }
    };
    let settings = JetStreamSettings {
        url: server.url().to_owned(),
        monitoring_url: Some(server.monitoring_url().to_owned()),
        ..JetStreamSettings::default()
    };
    let log = runtime.block_on(EventLog::open(Settings::JetStream(settings))).unwrap();
    let payload = payload();
    let context = runtime.block_on(single_messages(server.url()));
    for (hands, total) in [(1, 500), (16, 2_000), (256, 6_000)] {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            theirs.push(runtime.block_on(rate(hands, total, {
                let (context, payload) = (context.clone(), payload.clone());
                move || single(context.clone(), payload.clone())
            })));
            ours.push(runtime.block_on(rate(hands, total, appending(&log, &payload))));
        }
        let (ours, theirs) = (median(ours), median(theirs));
        println!(
            "ratio jetstream grouped/single c{hands} = {:.2} ({ours:.0}/s of {theirs:.0}/s)",
            ours / theirs
        );
    }
    println!("rate jetstream tail = {:.0} commits/s", runtime.block_on(replay(&log)));
    let mut group = criterion.benchmark_group("jetstream");
    group.throughput(Throughput::Elements(1)).sample_size(10).measurement_time(Duration::from_secs(3));
    for hands in [1, 256] {
        group.bench_function(format!("append c{hands}"), |bencher| {
            bencher.iter_custom(|count| timed(&runtime, hands, count, &log, &payload));
        });
    }
}

/// The alternative: one message per event, with message id and expected sequence, on a stream of its own.
async fn single_messages(url: &str) -> Arc<async_nats::jetstream::Context> {
    let client = async_nats::connect(url).await.unwrap();
    let context = ContextBuilder::new().build(client);
    let config = async_nats::jetstream::stream::Config {
        name: "SINGLE".to_owned(),
        subjects: vec!["single.>".to_owned()],
        allow_direct: true,
        ..async_nats::jetstream::stream::Config::default()
    };
    context.create_stream(config).await.unwrap();
    Arc::new(context)
}

async fn single(context: Arc<async_nats::jetstream::Context>, payload: Bytes) {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
    let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
    let message = async_nats::jetstream::message::PublishMessage::build()
        .payload(payload)
        .expected_last_subject_sequence(0);
    context.send_publish(format!("single.{number}"), message).await.unwrap().await.unwrap();
}

criterion_group!(benches, embedded, jetstream);
criterion_main!(benches);
