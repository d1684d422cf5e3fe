//! What was not believed, and how it gets out again: by verifying after all, or by being given up.
//!
//! Each quarantined delivery is an entity of its own with at most two facts: that it was quarantined, and what became
//! of it. Its content lies sealed under a key of its own, which is destroyed once it is settled, so that the
//! quarantine can be emptied although the log only grows. How much comes in is bounded by the budget of refusals, how
//! much waits and how long by the retention.

mod discard;
mod entry;
mod erasure;
mod release;
mod retention;
pub mod view;

use std::sync::Arc;
use std::time::Duration;

use contracts::intake::IntakeEvent;
use contracts::seal::Sealer;
use contracts::wire::verification as wire;
use domain::ids::{CommandId, ConnectionId, TenantId};
use event_log::{AppendError, Category, EventLog, Expected, Position, ReadError, TraceContext, event_id};
use projection::Projection;
use runtime::clock::Clock;
use runtime::config::QuarantineLimits;
use runtime::random::derive_id;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use crate::append::commit;
use crate::connections::Known;
use crate::intake::Intake;
use crate::ledger::LedgerView;
use entry::{Entry, unavailable};
pub use erasure::CONSUMER as ERASURE;

/// Longest wait for the read model.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// The quarantine of every connection.
pub struct Quarantine {
    log: EventLog,
    clock: Clock,
    intake: Arc<Intake>,
    view: Arc<Projection<LedgerView>>,
}

/// One connection of which something is or was in quarantine.
struct Of {
    connection: ConnectionId,
    /// Its configuration; `None` when it was taken out of it.
    known: Option<Arc<Known>>,
    /// Whose its deliveries may be: its tenant, and those it had before.
    tenants: Vec<TenantId>,
}

impl Of {
    /// What is kept of it; the defaults when it is not configured any more.
    fn limits(&self) -> QuarantineLimits {
        self.known.as_ref().map(|known| known.quarantine.clone()).unwrap_or_default()
    }

    /// By which its deliveries can be proved.
    ///
    /// # Errors
    /// `NotFound` when it is not configured any more.
    fn known(&self) -> Result<&Known, Status> {
        let known = self.known.as_deref();
        known.ok_or_else(|| {
            Status::not_found("connection: not in the configuration; put it back to release what waits of it, or discard it")
        })
    }
}

impl Quarantine {
    pub fn new(log: EventLog, clock: Clock, intake: Arc<Intake>, view: Arc<Projection<LedgerView>>) -> Self {
        Self { log, clock, intake, view }
    }

    /// Erases what is settled, until shutdown.
    ///
    /// # Errors
    /// When the follower cannot start.
    pub async fn erase(&self, shutdown: CancellationToken) -> Result<(), ReadError> {
        let handler = Arc::new(erasure::Erasure(self.log.clone()));
        self.log.follow(erasure::consumer(), handler, shutdown).await
    }

    /// The connection of this name.
    fn named(&self, connection: &str) -> Result<Of, Status> {
        let connection: ConnectionId =
            connection.parse().map_err(|error| Status::invalid_argument(format!("connection: {error}")))?;
        let of = self.of(connection)?;
        if of.tenants.is_empty() {
            return Err(Status::not_found("connection: no such connection; check the configuration"));
        }
        Ok(of)
    }

    fn of(&self, connection: ConnectionId) -> Result<Of, Status> {
        let known = self.intake.connections().get(&connection);
        let mut tenants: Vec<TenantId> = known.iter().map(|known| known.tenant.clone()).collect();
        let before = view::tenants(&self.view, &connection).map_err(unavailable)?;
        tenants.extend(
            before.into_iter().filter(|tenant| known.as_ref().is_none_or(|known| known.tenant != *tenant)),
        );
        Ok(Of { connection, known, tenants })
    }

    /// What waits, newest first.
    ///
    /// # Errors
    /// As [`view::page`].
    pub fn list(
        &self,
        request: &wire::ListQuarantineRequest,
    ) -> Result<wire::ListQuarantineResponse, Status> {
        let mut page = view::page(&self.view, request)?;
        let connections = self.intake.connections().current();
        for delivery in &mut page.deliveries {
            let known = delivery.connection.parse::<ConnectionId>().ok().and_then(|id| connections.get(&id));
            let limits = known.map(|known| known.quarantine.clone()).unwrap_or_default();
            delivery.expires_at_ms = expires_at_ms(&limits, delivery.received_at_ms);
        }
        Ok(page)
    }

    /// One delivery with its content; of a settled one without.
    ///
    /// # Errors
    /// `NotFound`; a store that does not answer.
    pub async fn get(
        &self,
        request: &wire::GetQuarantinedRequest,
    ) -> Result<wire::GetQuarantinedResponse, Status> {
        let of = self.named(&request.connection)?;
        let entry = self.read(&of, &request.quarantine_id).await?;
        let content = entry.content(&self.log).await?;
        let quarantined = entry.to_wire(expires_at_ms(&of.limits(), entry.quarantined.received_at.0));
        Ok(wire::GetQuarantinedResponse { quarantined: Some(quarantined), content })
    }

    async fn read(&self, of: &Of, id: &str) -> Result<Entry, Status> {
        for tenant in &of.tenants {
            match Entry::read(&self.log, tenant, &of.connection, id).await {
                Err(status) if status.code() == Code::NotFound => {}
                found => return found,
            }
        }
        Err(entry::missing())
    }

    /// What makes no sense however often it is read is passed by, so that nothing waits behind it; what may be read
    /// later is an error.
    fn pass_by(&self, of: &Of, id: &str, status: Status) -> Result<(), Status> {
        if !matches!(status.code(), Code::NotFound | Code::Internal) {
            return Err(status);
        }
        let (connection, error) = (&of.connection, status.message());
        tracing::warn!(%connection, quarantine_id = id, error, "a quarantined delivery cannot be read; it is passed by");
        metrics::counter!("verification_quarantine_unreadable_total", "connection" => connection.to_string())
            .increment(1);
        Ok(())
    }

    /// Waits until the read model knows all that is in the log now.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn catch_up(&self) -> Result<(), Status> {
        let head = self.log.head(Category::Intake).await.map_err(unavailable)?;
        self.view.wait_for(head, WAIT_MAX).await.map_err(unavailable)
    }

    /// Writes what became of a delivery; `None` if something had become of it meanwhile.
    async fn settle(
        &self,
        entry: &Entry,
        what: &'static str,
        event: &IntakeEvent,
    ) -> Result<Option<Position>, Status> {
        let command = CommandId::from_bytes(derive_id(what, &[entry.entity.id()]));
        let id = event_id(&command, 0);
        // Nothing in it is sealed, so no key is needed.
        let (sealer, trace) = (Sealer::new(&[0; 32]), TraceContext::current());
        let commit = commit(command, &id, event, &sealer, self.clock.now(), &trace, entry.entity.id());
        match self.log.append(&entry.entity, Expected::Exactly(entry.version), commit).await {
            Ok(appended) if !appended.duplicate => Ok(Some(appended.position)),
            // Somebody else had the same wish, or another one.
            Ok(_) | Err(AppendError::Conflict { .. }) => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }
}

fn expires_at_ms(limits: &QuarantineLimits, received_at_ms: i64) -> i64 {
    domain::time::Timestamp(received_at_ms).after(limits.age_max.duration()).0
}

/// A mutation names itself, so that a repetition can be told from a second wish.
fn check_request_id(request_id: &str) -> Result<(), Status> {
    match request_id.len() {
        1..=200 => Ok(()),
        _ => Err(Status::invalid_argument("request_id: give 1 to 200 bytes, the same for a repetition")),
    }
}
