//! What nobody looks at is given up: what is too old, and the oldest of what is too much.

use std::time::Duration;

use contracts::intake::DiscardCause;
use domain::ids::ConnectionId;
use event_log::Position;
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
            let connections = self.intake.connections().current();
            for (connection, known) in connections.iter() {
                let of = Of { connection: connection.clone(), known: known.clone() };
                let look = shutdown.run_until_cancelled(self.empty(&of)).await;
                if let Some(Err(status)) = look {
                    tracing::warn!(%connection, error = status.message(), "the quarantine was not looked through");
                }
            }
        }
    }

    async fn empty(&self, of: &Of) -> Result<(), Status> {
        for _ in 0..BATCHES_MAX {
            let Some(last) = self.empty_a_batch(of).await? else { return Ok(()) };
            self.view.wait_for(last, WAIT_MAX).await.map_err(unavailable)?;
        }
        Ok(())
    }

    /// The position up to which the read model must come before the next batch; `None` when nothing is left to do.
    async fn empty_a_batch(&self, of: &Of) -> Result<Option<Position>, Status> {
        let now = self.clock.now();
        let mut size = view::size(&self.view, &of.connection).map_err(unavailable)?;
        show(&of.connection, size);
        let (oldest, _) = view::oldest(&self.view, &of.connection, BATCH, "")?;
        let mut last = None;
        for delivery in oldest {
            let cause = if expires_at_ms(&of.known, delivery.received_at_ms) <= now.0 {
                DiscardCause::Age
            } else if size > of.known.quarantine.bytes_max {
                DiscardCause::Size
            } else {
                return Ok(last);
            };
            let entry = self.read(of, &delivery.quarantine_id).await?;
            if entry.settled.is_none()
                && let Some(position) = self.give_up(of, &entry, cause, "").await?
            {
                last = Some(position);
            }
            size = size.saturating_sub(delivery.content_bytes);
        }
        Ok(last)
    }
}

fn show(connection: &ConnectionId, bytes: u64) {
    metrics::gauge!("verification_quarantine_bytes", "connection" => connection.to_string())
        .set(bytes as f64);
}
