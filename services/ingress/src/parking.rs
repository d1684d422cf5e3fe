//! Keeps deliveries that verification could not take, sealed and bounded, and hands them over in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use contracts::intake::{RAW_INLINE_BYTES_MAX, Raw};
use contracts::parked::{Parked, ParkedEvent, key_group};
use contracts::seal::{Opener, Sealer};
use contracts::wire::verification::{Delivery, Verdict};
use domain::envelope::Digest;
use domain::ids::{CommandId, ConnectionId, EventId, TenantId};
use domain::time::Timestamp;
use event_log::{
    Category, Commit, Consumer, Entity, EventLog, Expected, Handler, NewEvent, Outcome, ReadError,
    RecordedEvent, TraceContext, event_id,
};
use runtime::clock::Clock;
use runtime::config::SharedConfiguration;
use runtime::random::{derive_id, new_id};
use tokio_util::sync::CancellationToken;

use crate::answer::Reply;
use crate::config::Settings;
use crate::lanes::Lanes;

/// Name of the follower that hands over.
const CONSUMER: &str = "ingress-handover";
/// When a sender is asked to come again.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Pause before verification is asked again.
const HANDOVER_PAUSE: Duration = Duration::from_secs(1);

/// The parked deliveries.
pub struct Parking {
    log: EventLog,
    clock: Clock,
    configuration: SharedConfiguration,
    settings: Settings,
    /// Parked by this process and not handed over yet.
    waiting: Arc<AtomicUsize>,
}

impl Parking {
    pub(crate) fn new(
        log: EventLog,
        clock: Clock,
        configuration: SharedConfiguration,
        settings: Settings,
    ) -> Self {
        Self { log, clock, configuration, settings, waiting: Arc::default() }
    }

    /// Keeps one delivery; answers 200 once it is durable, 503 when there is no room or no log.
    pub async fn park(&self, connection: &ConnectionId, delivery: Delivery) -> Reply {
        if self.waiting.load(Ordering::Relaxed) >= self.settings.parked_max {
            return Reply::Unavailable(RETRY_AFTER);
        }
        let Some(tenant) = self.tenant(connection) else { return Reply::UnknownConnection };
        match self.append(&tenant, connection, delivery).await {
            Ok(()) => {
                let waiting = self.waiting.fetch_add(1, Ordering::Relaxed) + 1;
                metrics::gauge!("ingress_parked").set(waiting as f64);
                tracing::warn!(%connection, "delivery parked: verification could not be reached");
                Reply::Stored
            }
            Err(error) => {
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
    ) -> anyhow::Result<()> {
        let entity = entity(tenant, connection)?;
        let command_id = CommandId::from_bytes(new_id());
        let id = event_id(&command_id, 0);
        let key = self.log.keys().key(&key_group(connection)).await?;
        let sealer = Sealer::new(key.as_bytes());
        let received_at = Timestamp(delivery.received_at_ms);
        let event = ParkedEvent::Parked(Parked {
            connection: connection.clone(),
            bytes: u64::try_from(delivery.body.len())?,
            received_at,
            delivery: self.raw(contracts::wire::encode(&delivery), &id, &sealer).await?,
        });
        let trace = TraceContext {
            traceparent: (!delivery.traceparent.is_empty()).then_some(delivery.traceparent),
            tracestate: (!delivery.tracestate.is_empty()).then_some(delivery.tracestate),
        };
        let commit = commit(command_id, &id, &event, &sealer, received_at, trace);
        self.log.append(&entity, Expected::Any, commit).await?;
        Ok(())
    }

    async fn raw(&self, clear: Vec<u8>, id: &EventId, sealer: &Sealer) -> anyhow::Result<Raw> {
        if clear.len() <= RAW_INLINE_BYTES_MAX {
            return Ok(Raw::Inline(clear));
        }
        let sealed = Bytes::from(sealer.seal_blob(id, &clear));
        let bytes = u64::try_from(sealed.len())?;
        let digest = self.log.blobs().put(sealed).await?;
        Ok(Raw::Stored { digest: Digest(*digest.as_bytes()), bytes })
    }

    /// Hands parked deliveries over until shutdown, those of one connection in the order of their arrival.
    pub async fn hand_over(&self, lanes: Lanes, shutdown: CancellationToken) -> Result<(), ReadError> {
        let handler = Handover {
            log: self.log.clone(),
            clock: self.clock.clone(),
            lanes,
            waiting: self.waiting.clone(),
        };
        self.log.follow(Consumer::new(CONSUMER, Category::Parked), Arc::new(handler), shutdown).await
    }
}

struct Handover {
    log: EventLog,
    clock: Clock,
    lanes: Lanes,
    waiting: Arc<AtomicUsize>,
}

#[async_trait]
impl Handler for Handover {
    async fn handle(&self, delivery: &event_log::Delivery) -> Outcome {
        let recorded = &delivery.recorded;
        for event in &recorded.events {
            let verdict = match self.hand_over(event).await {
                Ok(Some(verdict)) => verdict,
                Ok(None) => continue,
                Err(Stop::Later(reason)) => return Outcome::Retry { pause: HANDOVER_PAUSE, reason },
                Err(Stop::Never(reason)) => return Outcome::GiveUp { reason },
            };
            let command_id = CommandId::from_bytes(derive_id("handed over", &[&event.id.to_string()]));
            let id = event_id(&command_id, 0);
            let now = self.clock.now();
            let fact = ParkedEvent::HandedOver { verdict: verdict.as_str_name().to_lowercase(), at: now };
            let commit = commit(command_id, &id, &fact, &Sealer::new(&[0; 32]), now, recorded.trace.clone());
            match self.log.append(&recorded.entity, Expected::Any, commit).await {
                Ok(appended) if !appended.duplicate => self.one_less(),
                Ok(_) => {}
                Err(error) => return Outcome::Retry { pause: HANDOVER_PAUSE, reason: error.to_string() },
            }
        }
        Outcome::Done
    }
}

/// Why a parked delivery was not handed over.
enum Stop {
    Later(String),
    Never(String),
}

impl Handover {
    /// `None` for an event that is not a parked delivery, or one whose key is gone.
    async fn hand_over(&self, event: &RecordedEvent) -> Result<Option<Verdict>, Stop> {
        let never = |error: contracts::DecodeError| Stop::Never(error.to_string());
        let later = |error: ReadError| Stop::Later(error.to_string());
        let Some(group) =
            contracts::parked::group(&event.kind, event.schema, &event.payload).map_err(never)?
        else {
            return Ok(None);
        };
        let key = self.log.keys().find(&group).await.map_err(later)?;
        let opener = Opener::new(key.as_ref().map(event_log::DataKey::as_bytes));
        let decoded =
            contracts::parked::decode(&event.kind, event.schema, &event.payload, &event.id, &opener);
        let ParkedEvent::Parked(parked) = decoded.map_err(never)? else { return Ok(None) };
        let clear = match parked.delivery {
            Raw::Inline(clear) => clear,
            Raw::Erased => return Ok(None),
            Raw::Stored { digest, .. } => {
                let blob = self.log.blobs().get(&event_log::Digest::from_bytes(digest.0)).await;
                let blob = blob.map_err(|error| Stop::Later(error.to_string()))?;
                let blob = blob.ok_or_else(|| Stop::Never("its blob is gone".to_owned()))?;
                let Some(clear) = opener.open_blob(&event.id, &blob).map_err(never)? else { return Ok(None) };
                clear
            }
        };
        let delivery: Delivery = contracts::wire::decode(&clear).map_err(never)?;
        let answer =
            self.lanes.judge(delivery).await.map_err(|unreached| Stop::Later(unreached.to_string()))?;
        match answer.verdict() {
            Verdict::Overloaded | Verdict::Unavailable | Verdict::Unspecified => {
                Err(Stop::Later("verification takes nothing now".to_owned()))
            }
            verdict @ (Verdict::Accepted
            | Verdict::Duplicate
            | Verdict::Refused
            | Verdict::UnknownConnection) => Ok(Some(verdict)),
        }
    }

    fn one_less(&self) {
        // Deliveries parked by an earlier process were never counted by this one.
        let _ =
            self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |waiting| waiting.checked_sub(1));
        metrics::gauge!("ingress_parked").set(self.waiting.load(Ordering::Relaxed) as f64);
    }
}

/// One entity a connection keeps the order of arrival. Its name may hold characters an entity's may not.
fn entity(tenant: &TenantId, connection: &ConnectionId) -> Result<Entity, event_log::EntityError> {
    let id = hex(&derive_id("parked", &[connection.as_str()]));
    Entity::new(Category::Parked, tenant, id)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn commit(
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
