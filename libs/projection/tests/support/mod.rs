//! A log in a directory of its own, and a view that counts.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use domain::ids::{CommandId, TenantId};
use domain::time::Timestamp;
use event_log::{
    Category, Commit, EmbeddedSettings, Entity, EventLog, Expected, NewEvent, Position, Recorded, Settings,
    TraceContext, event_id,
};
use futures::StreamExt as _;
use projection::{Projection, ProjectionError, Rows, View, ViewError};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub const SOON: Duration = Duration::from_secs(30);

pub async fn log(dir: &Path) -> EventLog {
    EventLog::open(Settings::Embedded(EmbeddedSettings::in_dir(dir))).await.unwrap()
}

fn entity(number: u64) -> Entity {
    let tenant: TenantId = "acme".parse().unwrap();
    Entity::new(Category::Envelopes, &tenant, format!("e{number}")).unwrap()
}

/// Appends commits numbered `numbers`, spread over 7 entities, many at a time; returns the last position.
pub async fn append(log: &EventLog, numbers: std::ops::Range<u64>) -> Position {
    let appends = futures::stream::iter(numbers).map(|number| append_one(log, number)).buffer_unordered(64);
    appends.fold(Position::ZERO, |last, position| async move { last.max(position) }).await
}

async fn append_one(log: &EventLog, number: u64) -> Position {
    let mut command = [0; 16];
    command[8..].copy_from_slice(&number.to_be_bytes());
    let command_id = CommandId::from_bytes(command);
    let event = NewEvent {
        id: event_id(&command_id, 0),
        kind: "envelope.sent".to_owned(),
        schema: 1,
        occurred_at: Timestamp(1_760_000_000_000),
        payload: Bytes::from(vec![u8::try_from(number % 251).unwrap(); 300]),
    };
    let commit = Commit {
        command_id,
        correlation_id: "test".to_owned(),
        causation_id: None,
        trace: TraceContext::default(),
        events: vec![event],
    };
    log.append(&entity(number % 7), Expected::Any, commit).await.unwrap().position
}

/// Counts commits by entity, and keeps the last payload and a list of all positions.
pub struct Counting {
    pub version: u32,
    pub applied: Arc<AtomicU64>,
}

impl View for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }

    fn version(&self) -> u32 {
        self.version
    }

    fn apply(&self, recorded: &Recorded, rows: &mut Rows<'_>) -> Result<(), ViewError> {
        self.applied.fetch_add(1, Ordering::Relaxed);
        let id = recorded.entity.id().as_bytes();
        let count = rows.get("count", id)?.map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().unwrap()));
        rows.put("count", id, (count + 1).to_be_bytes())?;
        rows.put("last", id, recorded.events[0].payload.to_vec())?;
        rows.put("position", &recorded.position.0.to_be_bytes(), id)?;
        if count % 2 == 1 { rows.put("odd", id, Vec::new()) } else { rows.remove("odd", id) }
    }
}

/// A projection with its task.
pub struct Running {
    pub projection: Projection<Counting>,
    pub applied: Arc<AtomicU64>,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), ProjectionError>>,
}

pub async fn start(dir: &Path, log: &EventLog, version: u32) -> Running {
    let applied = Arc::new(AtomicU64::new(0));
    let view = Counting { version, applied: applied.clone() };
    let projection = Projection::open(dir, log.clone(), Category::Envelopes, view).await.unwrap();
    let shutdown = CancellationToken::new();
    let (running, stop) = (projection.clone(), shutdown.clone());
    #[expect(clippy::disallowed_methods, reason = "a test waits for its task itself")]
    let task = tokio::spawn(async move { running.run(stop).await });
    Running { projection, applied, shutdown, task }
}

impl Running {
    /// Stops it and lets go of the folder.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }

    pub fn applied(&self) -> u64 {
        self.applied.load(Ordering::Relaxed)
    }
}
