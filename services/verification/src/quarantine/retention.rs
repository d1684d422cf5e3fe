//! What nobody looks at is given up: what is too old, and the oldest of what is too much.

use std::collections::BTreeSet;
use std::time::Duration;

use contracts::intake::DiscardCause;
use domain::ids::ConnectionId;
use event_log::Position;
use projection::ProjectionError;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::entry::unavailable;
use super::{Of, Quarantine, WAIT_MAX, expires_at_ms, view};

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Deliveries looked at together.
const BATCH: u32 = 100;
/// Most batches of one connection in one look; the next look goes on.
const BATCHES_MAX: usize = 50;

impl Quarantine {
    /// Looks until shutdown. Several replicas may look at once: one of them settles, the others find it settled.
    pub async fn retain(&self, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
            let connections = match self.connections() {
                Ok(connections) => connections,
                Err(error) => {
                    tracing::warn!(%error, "the quarantine was not looked through");
                    continue;
                }
            };
            for connection in connections {
                let look = shutdown.run_until_cancelled(self.empty(&connection)).await;
                if let Some(Err(status)) = look {
                    tracing::warn!(%connection, error = status.message(), "the quarantine was not looked through");
                }
            }
        }
    }

    /// Those that are configured, and those that were when something of them was quarantined.
    fn connections(&self) -> Result<BTreeSet<ConnectionId>, ProjectionError> {
        let mut connections: BTreeSet<_> = view::connections(&self.view)?.into_iter().collect();
        connections.extend(self.intake.connections().current().keys().cloned());
        Ok(connections)
    }

    async fn empty(&self, connection: &ConnectionId) -> Result<(), Status> {
        let of = self.of(connection.clone())?;
        let mut size = view::size(&self.view, &of.connection).map_err(unavailable)?;
        show(&of.connection, size);
        let mut token = String::new();
        for _ in 0..BATCHES_MAX {
            let batch = self.empty_a_batch(&of, &token, &mut size).await?;
            if let Some(last) = batch.last {
                self.view.wait_for(last, WAIT_MAX).await.map_err(unavailable)?;
            }
            if batch.next_token.is_empty() {
                break;
            }
            token = batch.next_token;
        }
        Ok(())
    }

    /// `size` is what waits, without what was looked at already.
    async fn empty_a_batch(&self, of: &Of, token: &str, size: &mut u64) -> Result<Batch, Status> {
        let (now, limits) = (self.clock.now(), of.limits());
        let (oldest, next_token) = view::oldest(&self.view, &of.connection, BATCH, token)?;
        let mut last = None;
        for delivery in oldest {
            let cause = if expires_at_ms(&limits, delivery.received_at_ms) <= now.0 {
                DiscardCause::Age
            } else if *size > limits.bytes_max {
                DiscardCause::Size
            } else {
                return Ok(Batch { last, next_token: String::new() });
            };
            match self.read(of, &delivery.quarantine_id).await {
                Ok(entry) => {
                    if entry.settled.is_none()
                        && let Some(position) = self.give_up(of, &entry, cause, "").await?
                    {
                        last = Some(position);
                    }
                }
                Err(status) => self.pass_by(of, &delivery.quarantine_id, status)?,
            }
            *size = size.saturating_sub(delivery.content_bytes);
        }
        Ok(Batch { last, next_token })
    }
}

/// What came of a batch.
struct Batch {
    /// The position up to which the read model must come before the next one.
    last: Option<Position>,
    /// Where the next one begins; empty when nothing is left to do.
    next_token: String,
}

fn show(connection: &ConnectionId, bytes: u64) {
    metrics::gauge!("verification_quarantine_bytes", "connection" => connection.to_string())
        .set(bytes as f64);
}
