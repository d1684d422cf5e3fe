//! What is not believed: said to the sender, counted, kept within bounds.

use std::net::IpAddr;
use std::sync::Arc;

use contracts::intake::{IntakeEvent, Quarantined, delivery_to_wire, quarantined_group};
use contracts::seal::{Opener, Sealer};
use contracts::wire::verification as wire;
use domain::envelope::Digest;
use domain::ids::{CommandId, TenantId};
use domain::intake::{RawDelivery, Refusal};
use event_log::{AppendError, Category, Entity, EventLog, Expected, TraceContext, Version, event_id};
use runtime::clock::Clock;
use runtime::config::QuarantineLimits;
use runtime::random::{derive_id, new_id};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use crate::append::{StoreError, blob_of, commit, let_go, raw};
use crate::budget::{Budget, Keep};
use crate::tally::Tally;

/// Refused deliveries that are written at a time. Each is two durable writes, and what is genuine must not wait behind
/// a thousand of them.
const WRITTEN_AT_A_TIME: usize = 16;

/// Takes what was refused.
pub struct Refusals {
    log: EventLog,
    clock: Clock,
    budget: Budget,
    writing: Semaphore,
    tally: Arc<Tally>,
}

/// How a delivery came here.
#[derive(Clone, Debug)]
pub struct Came {
    /// The address of its sender, as far as one is known.
    pub peer: Option<IpAddr>,
    /// Whether its sender was answered 200 already, and will not come again.
    pub acknowledged: bool,
    /// Which arrival it is.
    pub arrival: Arrival,
    /// The tenant that its connection had when ingress parked it; `None` for one that was not parked, or that an older
    /// ingress hands over.
    pub parked: Option<TenantId>,
}

/// One arrival at the door. It may come here more than once: straight, and again as the copy that was parked because
/// the verdict came too late, and that again as often as it is handed over. It is taken once.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// The command that quarantines it whole, if it must be.
    command: CommandId,
}

impl Arrival {
    /// The one with this name.
    pub fn named(name: &str) -> Self {
        Self { command: CommandId::from_bytes(derive_id("parked delivery", &[name])) }
    }

    /// One that nobody named, and that nobody can name again.
    pub fn nameless() -> Self {
        Self { command: CommandId::from_bytes(new_id()) }
    }

    /// What makes its commands its own. The quarantine has it under the same name, so that its signals are stored once
    /// even if it was quarantined, handed over again, and released.
    pub fn id(&self) -> String {
        quarantine_id(&self.command)
    }
}

fn quarantine_id(command: &CommandId) -> String {
    format!("q-{}", hex::encode(command.as_bytes()))
}

/// Where what is refused of a connection is kept.
#[derive(Clone, Copy, Debug)]
pub struct Home<'a> {
    /// Whose it is.
    pub tenant: &'a TenantId,
    /// How much of it is kept.
    pub limits: &'a QuarantineLimits,
}

/// A delivery that was refused, how it came, and why.
struct Refused<'a> {
    delivery: RawDelivery,
    came: Came,
    refusal: Refusal,
    trace: &'a TraceContext,
}

impl Refusals {
    pub fn new(log: EventLog, clock: Clock) -> Self {
        let tally = Arc::new(Tally::new(log.clone(), clock.clone()));
        Self { log, clock, budget: Budget::default(), writing: Semaphore::new(WRITTEN_AT_A_TIME), tally }
    }

    /// Those of which only the number is kept.
    pub fn tally(&self) -> Arc<Tally> {
        self.tally.clone()
    }

    /// Keeps as much of a refused delivery as there is room for, and one whose sender was answered 200 already whole,
    /// with or without room: nobody sends it again. Ingress parks a bounded number, and the retention bounds the bytes.
    /// What is recorded is durable when it returns; what is only counted, a moment later.
    pub async fn take(
        &self,
        home: Home<'_>,
        delivery: RawDelivery,
        came: Came,
        refusal: Refusal,
        trace: &TraceContext,
    ) -> Result<(), StoreError> {
        let connection = &delivery.connection;
        metrics::counter!("verification_refused_total", "connection" => connection.to_string(), "reason" => refusal.code())
            .increment(1);
        let now = self.clock.now();
        let admission = self.budget.admit(connection, home.limits, size(&delivery), now);
        if admission.aloud {
            let (reason, body_bytes) = (refusal.code(), delivery.body.len());
            tracing::warn!(%connection, reason, body_bytes, "delivery refused; of many such, few are told here");
        }
        let keep = if came.acknowledged { Keep::Content } else { admission.keep };
        if keep == Keep::Number {
            metrics::counter!("verification_refused_unrecorded_total", "connection" => connection.to_string())
                .increment(1);
            return self.tally.add(home.tenant, connection, refusal, delivery.received_at).await;
        }
        let _turn = self.writing.acquire().await.expect("invariant: it is never closed");
        self.keep(home, Refused { delivery, came, refusal, trace }, keep).await
    }

    /// Why this arrival was refused and kept whole before, under the tenant its connection had; `None` when it was not.
    /// It is in quarantine then, or was, and is not judged again.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn refused_before(
        &self,
        tenant: &TenantId,
        arrival: Arrival,
    ) -> Result<Option<Refusal>, StoreError> {
        let entity = Entity::new(Category::Intake, tenant, arrival.id())?;
        let history = self.log.read(&entity, Version::NONE).await?;
        let Some(event) = history.first().and_then(|recorded| recorded.events.first()) else {
            return Ok(None);
        };
        // Why is not sealed.
        let opener = Opener::new(None);
        let (kind, payload) = (&event.kind, &event.payload);
        Ok(match contracts::intake::decode(kind, event.schema, payload, &event.id, &opener)? {
            IntakeEvent::Quarantined(quarantined) => Some(quarantined.reason),
            IntakeEvent::Accepted(_)
            | IntakeEvent::Duplicated(_)
            | IntakeEvent::Released(_)
            | IntakeEvent::Discarded(_)
            | IntakeEvent::Refused(_)
            | IntakeEvent::Named(_) => None,
        })
    }

    async fn keep(&self, home: Home<'_>, refused: Refused<'_>, keep: Keep) -> Result<(), StoreError> {
        let Refused { delivery, came: Came { peer, acknowledged, arrival, parked }, refusal, trace } =
            refused;
        let connection = delivery.connection.clone();
        // What is kept of it under its own name is all of it: a copy that was parked and is lost else finds it there.
        let Arrival { command } = match keep {
            Keep::Content => arrival,
            Keep::Record | Keep::Number => Arrival::nameless(),
        };
        let tenant = parked.as_ref().unwrap_or(home.tenant);
        let id = event_id(&command, 0);
        let entity = Entity::new(Category::Intake, tenant, quarantine_id(&command))?;
        // A key of its own: giving it up erases it and nothing else.
        let key_group = quarantined_group(entity.id());
        let (at, bytes) = (delivery.received_at, delivery.body.len());
        let sha256 = Digest(Sha256::digest(&delivery.body).into());

        let (sealer, content, content_bytes) = match keep {
            Keep::Content => {
                let sealer = Sealer::new(self.log.keys().key(&key_group).await?.as_bytes());
                let peer_ip = peer.map(|peer| peer.to_string()).unwrap_or_default();
                let delivery = wire::Delivery { peer_ip, acknowledged, ..delivery_to_wire(delivery) };
                let clear = contracts::wire::encode(&delivery);
                let size = clear.len();
                let raw = raw(&self.log, clear, &id, &sealer).await?;
                (sealer, Some(raw), u64::try_from(size).unwrap_or(u64::MAX))
            }
            Keep::Record | Keep::Number => (Sealer::new(&[0; 32]), None, 0),
        };
        let blob = content.as_ref().and_then(blob_of);
        let event = IntakeEvent::Quarantined(Quarantined {
            connection,
            reason: refusal,
            bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
            sha256,
            received_at: at,
            delivery: content,
            key_group,
            content_bytes,
        });
        let commit = commit(command, &id, &event, &sealer, at, trace, entity.id());
        let appended = self.log.append(&entity, Expected::Absent, commit).await;
        let_go(&self.log, &entity, blob, &appended).await;
        match appended {
            // Here twice at the same time: the other one has it whole, and something may have become of it since.
            Err(AppendError::Conflict { .. }) => Ok(()),
            appended => Ok(appended.map(drop)?),
        }
    }
}

/// About what a delivery takes when it is kept, in bytes.
fn size(delivery: &RawDelivery) -> usize {
    let headers = delivery.headers.iter().map(|(name, value)| name.len() + value.len() + 8);
    delivery.body.len() + delivery.path_and_query.len() + 128 + headers.sum::<usize>()
}
