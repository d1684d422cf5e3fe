//! What a case needs of a store: open it, open it again, and make commits.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use domain::ids::CommandId;
use domain::time::Timestamp;
use event_log::{
    Category, Commit, EmbeddedSettings, Entity, EventLog, JetStreamSettings, NewEvent, Settings,
    TraceContext, event_id,
};
use testkit::nats::{NatsOptions, NatsServer};

/// Both stores behind the same few verbs.
pub enum Store {
    Embedded { dir: tempfile::TempDir },
    JetStream { server: NatsServer },
}

impl Store {
    pub async fn embedded() -> Store {
        Store::Embedded { dir: tempfile::tempdir().unwrap() }
    }

    pub async fn jetstream() -> Store {
        Store::JetStream { server: NatsServer::start(NatsOptions::default()).await.unwrap() }
    }

    pub fn settings(&self) -> Settings {
        match self {
            Store::Embedded { dir } => Settings::Embedded(EmbeddedSettings {
                free_bytes_min: 1,
                // Few, so that every case goes through the index on disk as well.
                heads_unwritten_max: 64,
                ..EmbeddedSettings::in_dir(dir.path())
            }),
            Store::JetStream { server } => Settings::JetStream(jetstream_settings(server)),
        }
    }

    pub async fn open(&self) -> EventLog {
        EventLog::open(self.settings()).await.unwrap()
    }

    /// Closes this handle, lets the server (if any) die without warning, and opens again.
    pub async fn restart(&mut self, log: EventLog) -> EventLog {
        drop(log);
        if let Store::JetStream { server } = self {
            server.kill();
            server.restart().await.unwrap();
        }
        self.open().await
    }
}

pub fn jetstream_settings(server: &NatsServer) -> JetStreamSettings {
    JetStreamSettings {
        url: server.url().to_owned(),
        monitoring_url: Some(server.monitoring_url().to_owned()),
        lease_ttl: Duration::from_millis(1_500),
        ..JetStreamSettings::default()
    }
}

/// Declares a case that runs on both stores.
#[macro_export]
macro_rules! contract {
    ($name:ident, $case:expr) => {
        mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn embedded() {
                $crate::fixture::in_time($case($crate::fixture::Store::embedded().await)).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn jetstream() {
                $crate::fixture::in_time($case($crate::fixture::Store::jetstream().await)).await;
            }
        }
    };
}

/// A case that hangs fails. The longest takes half a minute on an idle machine, and several times that on a busy one.
pub async fn in_time(case: impl Future<Output = ()>) {
    tokio::time::timeout(Duration::from_secs(240), case).await.expect("the case ends within its time");
}

pub fn entity(id: &str) -> Entity {
    entity_of(Category::Envelopes, id)
}

pub fn entity_of(category: Category, id: &str) -> Entity {
    Entity::new(category, &"acme".parse().unwrap(), id).unwrap()
}

/// A command of its own with one event.
pub fn commit(text: &str) -> Commit {
    static COMMANDS: AtomicU64 = AtomicU64::new(1);
    commit_of(COMMANDS.fetch_add(1, Ordering::Relaxed), &[text])
}

/// The command number `command` with these events.
pub fn commit_of(command: u64, texts: &[&str]) -> Commit {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&command.to_be_bytes());
    let command_id = CommandId::from_bytes(bytes);
    let event = |(index, text): (usize, &&str)| NewEvent {
        id: event_id(&command_id, index),
        kind: "test.happened".to_owned(),
        schema: 1,
        occurred_at: Timestamp(1_000),
        payload: Bytes::from((*text).to_owned()),
    };
    Commit {
        command_id,
        correlation_id: "correlation".to_owned(),
        causation_id: None,
        trace: TraceContext::default(),
        events: texts.iter().enumerate().map(event).collect(),
    }
}

/// The payload of a commit's first event, as text.
pub fn text(recorded: &event_log::Recorded) -> String {
    String::from_utf8(recorded.events[0].payload.to_vec()).unwrap()
}

/// Waits until the condition holds.
pub async fn eventually<F, Fut>(what: &str, mut holds: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
