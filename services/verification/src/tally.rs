//! Refusals of which only the number is kept: counted in memory, appended together, exactly.
//!
//! A flood may bring thousands a second; an append each would let strangers fill the disk and slow the genuine.
//! They are counted by connection, reason and hour and appended every half second, and once more at shutdown.
//! Nothing of them was acknowledged to anybody: what ingress parked and answered 200 is kept whole and never comes
//! here. So a crash loses at most the count of that half second, or of the time for which the log took no writes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use contracts::intake::{IntakeEvent, Refused};
use contracts::seal::Sealer;
use domain::ids::{CommandId, ConnectionId, TenantId};
use domain::intake::Refusal;
use domain::time::Timestamp;
use event_log::{Category, Entity, EventLog, Expected, TraceContext, event_id};
use parking_lot::Mutex;
use runtime::clock::Clock;
use runtime::random::new_id;
use tokio_util::sync::CancellationToken;

use crate::append::{StoreError, commit};

/// How often the counts are appended.
const FLUSH_EVERY: Duration = Duration::from_millis(500);
/// Tries at shutdown, with the same pause between.
const LAST_TRIES: usize = 8;
/// Most lines held: connections by reasons by hours. What needs more is counted in one line a connection and reason,
/// in the hour of the first of them.
const LINES_MAX: usize = 4_096;
const HOUR_MS: i64 = 3_600_000;

#[derive(Clone, PartialEq, Eq, Hash)]
struct Line {
    tenant: TenantId,
    connection: ConnectionId,
    reason: Refusal,
    /// Since the Unix epoch; `None` when there was no room for another line.
    hour: Option<i64>,
}

#[derive(Clone, Copy)]
struct Count {
    times: u64,
    first_at: Timestamp,
}

/// Counts on their way into the log, under the command they keep over every try.
struct Pending {
    command: CommandId,
    tenant: TenantId,
    refused: Refused,
}

/// The counts.
pub struct Tally {
    log: EventLog,
    clock: Clock,
    counts: Mutex<HashMap<Line, Count>>,
    pending: tokio::sync::Mutex<Vec<Pending>>,
    closed: AtomicBool,
}

impl Tally {
    pub fn new(log: EventLog, clock: Clock) -> Self {
        let (counts, pending) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { log, clock, counts, pending, closed: AtomicBool::new(false) }
    }

    /// Counts one refusal. It is in the log a moment later; after the last flush of this process, when this returns.
    ///
    /// # Errors
    /// Only after that last flush: when the log takes no writes.
    pub async fn add(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        reason: Refusal,
        received_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.count(tenant, connection, reason, received_at);
        if self.closed.load(Ordering::SeqCst) { self.flush().await } else { Ok(()) }
    }

    fn count(&self, tenant: &TenantId, connection: &ConnectionId, reason: Refusal, received_at: Timestamp) {
        let hour = Some(received_at.0.div_euclid(HOUR_MS));
        let mut line = Line { tenant: tenant.clone(), connection: connection.clone(), reason, hour };
        let mut counts = self.counts.lock();
        if counts.len() >= LINES_MAX && !counts.contains_key(&line) {
            line.hour = None;
        }
        let count = counts.entry(line).or_insert(Count { times: 0, first_at: received_at });
        count.times += 1;
        count.first_at = count.first_at.min(received_at);
    }

    /// Appends what was counted; durable when it returns. While the log takes no writes, what is under way stays as it
    /// is and the rest is counted where it was: neither grows with the tries.
    ///
    /// # Errors
    /// When the log takes no writes; what was counted is kept for the next try.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let mut pending = self.pending.lock().await;
        self.append_all(&mut pending).await?;
        let counted = std::mem::take(&mut *self.counts.lock());
        let now = self.clock.now();
        pending.extend(counted.into_iter().map(|(line, count)| Pending {
            command: CommandId::from_bytes(new_id()),
            tenant: line.tenant,
            refused: Refused {
                connection: line.connection,
                reason: line.reason,
                times: count.times,
                received_at: count.first_at,
                at: now,
            },
        }));
        self.append_all(&mut pending).await
    }

    async fn append_all(&self, pending: &mut Vec<Pending>) -> Result<(), StoreError> {
        while let Some(next) = pending.last() {
            self.append(next).await?;
            pending.pop();
        }
        Ok(())
    }

    async fn append(&self, pending: &Pending) -> Result<(), StoreError> {
        let Pending { command, tenant, refused } = pending;
        let entity = Entity::new(Category::Intake, tenant, format!("r-{}", hex::encode(command.as_bytes())))?;
        let id = event_id(command, 0);
        // Nothing of them is kept, so nothing is sealed and no key is needed.
        let (sealer, trace) = (Sealer::new(&[0; 32]), TraceContext::default());
        let event = IntakeEvent::Refused(refused.clone());
        let commit = commit(*command, &id, &event, &sealer, refused.at, &trace, entity.id());
        self.log.append(&entity, Expected::Absent, commit).await?;
        Ok(())
    }

    /// Appends the counts until shutdown, and then what is left.
    pub async fn run(&self, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(tokio::time::sleep(FLUSH_EVERY)).await.is_some() {
            if let Err(error) = self.flush().await {
                tracing::warn!(%error, "refusals were counted but not appended; they are tried again");
            }
        }
        self.closed.store(true, Ordering::SeqCst);
        for _ in 0..LAST_TRIES {
            match self.flush().await {
                Ok(()) => return,
                Err(error) => tracing::warn!(%error, "refusals were counted but not appended"),
            }
            tokio::time::sleep(FLUSH_EVERY).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use contracts::seal::Opener;
    use event_log::{EmbeddedSettings, JetStreamSettings, Position, Settings, Tailed};
    use futures::StreamExt as _;
    use testkit::nats::{NatsOptions, NatsServer};

    use super::*;

    async fn on_nats(server: &NatsServer) -> Tally {
        let settings = Settings::JetStream(JetStreamSettings {
            url: server.url().to_owned(),
            monitoring_url: Some(server.monitoring_url().to_owned()),
            append_deadline: Duration::from_millis(300),
            ..JetStreamSettings::default()
        });
        let log = EventLog::open(settings).await.expect("the log opens");
        Tally::new(log, Clock::manual(Timestamp(0)))
    }

    async fn refuse(tally: &Tally, at: i64) {
        let (tenant, connection) = ("acme".parse().unwrap(), "atlas-main".parse().unwrap());
        tally.add(&tenant, &connection, Refusal::SignatureWrong, Timestamp(at)).await.unwrap();
    }

    /// How many refusals the log tells of.
    async fn told(log: &EventLog) -> u64 {
        let mut tail = log.tail(Category::Intake, Position::ZERO);
        let mut times = 0;
        while let Tailed::Commit(recorded) = tail.next().await.expect("it goes on").expect("readable") {
            for event in &recorded.events {
                let opener = Opener::new(None);
                let (kind, payload) = (&event.kind, &event.payload);
                let fact = contracts::intake::decode(kind, event.schema, payload, &event.id, &opener);
                let IntakeEvent::Refused(refused) = fact.expect("readable") else { panic!("only those") };
                times += refused.times;
            }
        }
        times
    }

    #[tokio::test]
    async fn while_the_log_takes_no_writes_what_waits_does_not_grow_and_the_counts_stay_exact() {
        let mut server = NatsServer::start(NatsOptions::default()).await.expect("a nats-server");
        let tally = on_nats(&server).await;
        server.kill();
        for _ in 0..5 {
            refuse(&tally, 0).await;
            assert!(tally.flush().await.is_err(), "the log is away");
        }
        let waiting = tally.pending.lock().await.len() + tally.counts.lock().len();
        assert_eq!(waiting, 2, "one line under way, and one behind it");
        server.restart().await.expect("it comes back");
        let back =
            tokio::time::timeout(Duration::from_secs(30), async { while tally.flush().await.is_err() {} });
        back.await.expect("the log is back");
        assert_eq!(told(&tally.log).await, 5);
    }

    #[tokio::test]
    async fn of_more_hours_than_there_is_room_for_one_line_is_kept_and_none_is_lost() {
        let dir = tempfile::TempDir::new().expect("a directory");
        let settings = Settings::Embedded(EmbeddedSettings::in_dir(dir.path()));
        let log = EventLog::open(settings).await.expect("the log opens");
        let tally = Tally::new(log, Clock::manual(Timestamp(0)));
        for hour in 0..6_000 {
            refuse(&tally, hour * HOUR_MS).await;
            tally.clock.advance(Duration::from_secs(3_600));
        }
        let counts = tally.counts.lock();
        assert_eq!(counts.len(), LINES_MAX + 1);
        assert_eq!(counts.values().map(|count| count.times).sum::<u64>(), 6_000);
    }
}
