//! Keeps deliveries that verification could not take: sealed, bounded, in the order of their arrival.

use std::sync::Arc;
use std::time::Duration;

use contracts::intake::Raw;
use contracts::parked::{Parked, ParkedEvent, key_group};
use contracts::seal::Sealer;
use contracts::wire::verification::Delivery;
use domain::ids::{CommandId, ConnectionId, EventId, TenantId};
use domain::time::Timestamp;
use event_log::{Category, Commit, Entity, EventLog, Expected, NewEvent, TraceContext, event_id};
use runtime::config::SharedConfiguration;
use runtime::random::{derive_id, new_id};

use crate::answer::Reply;
use crate::backlog::Backlog;

/// When a sender is asked to come again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The parked deliveries.
pub struct Parking {
    log: EventLog,
    configuration: SharedConfiguration,
    backlog: Arc<Backlog>,
}

impl Parking {
    pub(crate) const fn new(
        log: EventLog,
        configuration: SharedConfiguration,
        backlog: Arc<Backlog>,
    ) -> Self {
        Self { log, configuration, backlog }
    }

    /// Keeps one delivery; answers 200 once it is durable, 503 when there is no room or no log.
    pub async fn park(&self, connection: &ConnectionId, delivery: Delivery) -> Reply {
        let Some(tenant) = self.tenant(connection) else { return Reply::UnknownConnection };
        let command = CommandId::from_bytes(new_id());
        let id = event_id(&command, 0);
        if !self.backlog.take_place(&id) {
            return Reply::Unavailable(RETRY_AFTER);
        }
        match self.append(&tenant, connection, delivery, command, id).await {
            Ok(()) => {
                tracing::warn!(%connection, "delivery parked: verification could not be reached");
                Reply::Stored
            }
            Err(error) => {
                self.backlog.leave(&id);
                tracing::error!(%connection, %error, "delivery not parked: the sender must come again");
                Reply::Unavailable(RETRY_AFTER)
            }
        }
    }

    fn tenant(&self, connection: &ConnectionId) -> Option<TenantId> {
        self.configuration.current().connection(connection).map(|connection| connection.tenant.clone())
    }

    async fn append(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        delivery: Delivery,
        command: CommandId,
        id: EventId,
    ) -> anyhow::Result<()> {
        let entity = entity(tenant, connection)?;
        let key = self.log.keys().key(&key_group(connection)).await?;
        let sealer = Sealer::new(key.as_bytes());
        let received_at = Timestamp(delivery.received_at_ms);
        let blobs = self.log.blobs();
        let put = |sealed: Vec<u8>| async { blobs.put(sealed.into()).await };
        let event = ParkedEvent::Parked(Parked {
            connection: connection.clone(),
            bytes: u64::try_from(delivery.body.len())?,
            received_at,
            delivery: Raw::keep(contracts::wire::encode(&delivery), &id, &sealer, put).await?,
        });
        let trace = TraceContext {
            traceparent: (!delivery.traceparent.is_empty()).then_some(delivery.traceparent),
            tracestate: (!delivery.tracestate.is_empty()).then_some(delivery.tracestate),
        };
        let commit = commit(command, &id, &event, &sealer, received_at, trace);
        self.log.append(&entity, Expected::Any, commit).await?;
        Ok(())
    }
}

/// One entity a connection keeps the order of arrival. Its name may hold characters an entity's may not.
fn entity(tenant: &TenantId, connection: &ConnectionId) -> Result<Entity, event_log::EntityError> {
    let id = hex::encode(derive_id("parked", &[connection.as_str()]));
    Entity::new(Category::Parked, tenant, id)
}

/// A commit of one fact of the category parked.
pub fn commit(
    command_id: CommandId,
    id: &EventId,
    event: &ParkedEvent,
    sealer: &Sealer,
    occurred_at: Timestamp,
    trace: TraceContext,
) -> Commit {
    let encoded = contracts::parked::encode(event, id, sealer);
    let new = NewEvent {
        id: *id,
        kind: encoded.kind.to_owned(),
        schema: encoded.schema,
        occurred_at,
        payload: encoded.payload.into(),
    };
    Commit { command_id, correlation_id: String::new(), causation_id: None, trace, events: vec![new] }
}
