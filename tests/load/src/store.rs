//! The store's own rates in the same run: what the road above it is measured against.

use std::time::{Duration, Instant};

use anyhow::Result;
use async_nats::jetstream;
use bytes::Bytes;
use domain::ids::{CommandId, EventId, TenantId};
use domain::time::Timestamp;
use event_log::{
    Category, Commit, EmbeddedSettings, Entity, EventLog, Expected, JetStreamSettings, NewEvent, Settings,
};
use testkit::nats::NatsServer;
use tokio::task::JoinSet;

use crate::target::{self, Log};

/// What the store does without anything above it, in appends per second.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Our log at the given concurrency: appends are grouped.
    pub grouped: f64,
    /// One message an event, as many at once: what JetStream does without grouping. JetStream only.
    pub one_by_one: Option<f64>,
}

/// Measures both.
pub async fn rates(log: Log, body_bytes: usize, concurrency: usize, length: Duration) -> Result<Rates> {
    match log {
        Log::Embedded => {
            let directory = tempfile::tempdir()?;
            let log = EventLog::open(Settings::Embedded(EmbeddedSettings::in_dir(directory.path()))).await?;
            Ok(Rates { grouped: appends(&log, body_bytes, concurrency, length).await?, one_by_one: None })
        }
        Log::Nats => {
            let server = target::nats_server().await?;
            let single = single_messages(&server, body_bytes, concurrency, length).await?;
            let settings = JetStreamSettings {
                url: server.url().to_owned(),
                monitoring_url: Some(server.monitoring_url().to_owned()),
                ..JetStreamSettings::default()
            };
            let log = EventLog::open(Settings::JetStream(settings)).await?;
            let grouped = appends(&log, body_bytes, concurrency, length).await?;
            Ok(Rates { grouped, one_by_one: Some(single) })
        }
    }
}

/// One message an event: every one waits for its own acknowledgement, `concurrency` of them at once.
async fn single_messages(
    server: &NatsServer,
    body_bytes: usize,
    concurrency: usize,
    length: Duration,
) -> Result<f64> {
    let context = jetstream::context::ContextBuilder::new()
        .max_ack_inflight(concurrency.max(1))
        .build(async_nats::connect(server.url()).await?);
    let subjects = vec!["single.>".to_owned()];
    let stream = jetstream::stream::Config { name: "SINGLE".to_owned(), subjects, ..Default::default() };
    context.create_stream(stream).await?;
    let payload = Bytes::from(vec![b'x'; body_bytes]);
    let append = |number: u64| {
        let (context, payload) = (context.clone(), payload.clone());
        async move {
            // What any event log asks for: stored as the next of its entity, and so at most once.
            let message = jetstream::message::PublishMessage::build()
                .payload(payload)
                .expected_last_subject_sequence(0);
            context.send_publish(format!("single.{number}"), message).await?.await?;
            Ok(())
        }
    };
    rate(concurrency, length, append).await
}

async fn appends(log: &EventLog, body_bytes: usize, concurrency: usize, length: Duration) -> Result<f64> {
    let tenant: TenantId = "load".parse()?;
    let payload = Bytes::from(vec![b'x'; body_bytes]);
    let append = |number: u64| {
        let (log, tenant, payload) = (log.clone(), tenant.clone(), payload.clone());
        async move {
            let entity = Entity::new(Category::Intake, &tenant, format!("raw-{number}"))?;
            log.append(&entity, Expected::Absent, commit(number, payload)).await?;
            Ok(())
        }
    };
    rate(concurrency, length, append).await
}

/// Calls `one` with ever new numbers, `concurrency` at once; gives the calls per second.
async fn rate<F>(concurrency: usize, length: Duration, one: impl Fn(u64) -> F) -> Result<f64>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let (start, mut number, mut done) = (Instant::now(), 0, 0_u64);
    let mut calls = JoinSet::new();
    while start.elapsed() < length || !calls.is_empty() {
        while calls.len() < concurrency && start.elapsed() < length {
            calls.spawn(one(number));
            number += 1;
        }
        if let Some(call) = calls.join_next().await {
            call??;
            done += 1;
        }
    }
    Ok(done as f64 / start.elapsed().as_secs_f64())
}

fn commit(number: u64, payload: Bytes) -> Commit {
    let mut id = [0; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    Commit {
        command_id: CommandId::from_bytes(id),
        correlation_id: String::new(),
        causation_id: None,
        trace: event_log::TraceContext::default(),
        events: vec![NewEvent {
            id: EventId::from_bytes(id),
            kind: "load.appended".to_owned(),
            schema: 1,
            occurred_at: Timestamp(0),
            payload,
        }],
    }
}
