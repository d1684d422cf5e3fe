//! The store's own rates in the same run: what the road above it is measured against.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use bytes::Bytes;
use domain::ids::{CommandId, EventId, TenantId};
use domain::time::Timestamp;
use event_log::{
    Category, Commit, EmbeddedSettings, Entity, EventLog, Expected, JetStreamSettings, NewEvent, Settings,
};
use testkit::nats::NatsServer;
use tokio::task::JoinSet;

use crate::target::Log;

/// What the store does without anything above it, in appends per second.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Grouped appends at the given concurrency.
    pub grouped: f64,
    /// One message an event: no grouping possible, because one append waits for the last. JetStream only.
    pub one_by_one: Option<f64>,
}

/// Measures both.
pub async fn rates(log: Log, body_bytes: usize, concurrency: usize, length: Duration) -> Result<Rates> {
    let directory = tempfile::tempdir()?;
    match log {
        Log::Embedded => {
            let settings = EmbeddedSettings::new(directory.path());
            let log = EventLog::open(Settings::Embedded(settings)).await?;
            Ok(Rates { grouped: appends(&log, body_bytes, concurrency, length).await?, one_by_one: None })
        }
        Log::Nats => {
            let server = NatsServer::start(testkit::nats::Options::default()).await?;
            let mut settings = JetStreamSettings::new(server.url());
            settings.monitoring_url = Some(server.monitoring_url());
            let grouped = EventLog::open(Settings::JetStream(settings.clone())).await?;
            let grouped = appends(&grouped, body_bytes, concurrency, length).await?;
            settings.group_appends = false;
            let single = EventLog::open(Settings::JetStream(settings)).await?;
            let single = appends(&single, body_bytes, concurrency, length).await?;
            Ok(Rates { grouped, one_by_one: Some(single) })
        }
    }
}

async fn appends(log: &EventLog, body_bytes: usize, concurrency: usize, length: Duration) -> Result<f64> {
    let tenant: TenantId = "load".parse()?;
    let payload = Bytes::from(vec![b'x'; body_bytes]);
    let (sequence, end) = (Arc::new(AtomicU64::new(0)), Instant::now() + length);
    let mut workers = JoinSet::new();
    for _ in 0..concurrency {
        let (log, tenant, payload, sequence) = (log.clone(), tenant.clone(), payload.clone(), sequence.clone());
        workers.spawn(async move {
            let mut done = 0u64;
            while Instant::now() < end {
                let number = sequence.fetch_add(1, Ordering::Relaxed);
                let entity = Entity::new(Category::Intake, &tenant, format!("raw-{number}"))
                    .map_err(|error| anyhow!("entity: {error}"))?;
                log.append(&entity, Expected::Absent, commit(number, payload.clone())).await?;
                done += 1;
            }
            anyhow::Ok(done)
        });
    }
    let start = Instant::now();
    let mut total = 0;
    while let Some(done) = workers.join_next().await {
        total += done??;
    }
    Ok(total as f64 / start.elapsed().as_secs_f64())
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
