//! From a raw delivery to durable signals: verify, split, append each once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use contracts::intake::{
    Accepted, Duplicated, IntakeEvent, Quarantined, RAW_INLINE_BYTES_MAX, Raw, delivery_to_wire, key_group,
    quarantine_group,
};
use contracts::seal::Sealer;
use contracts::wire::verification as wire;
use domain::envelope::Digest;
use domain::ids::{CommandId, ConnectionId, EventId};
use domain::intake::{Meaning, RawDelivery, Refusal, SIGNALS_MAX, Signal};
use event_log::{
    AppendError, Category, Commit, Entity, EventLog, Expected, NewEvent, TraceContext, event_id,
};
use futures::future::join_all;
use runtime::clock::Clock;
use runtime::random::{derive_id, new_id};
use sha2::{Digest as _, Sha256};

use crate::connections::{Connections, Known};
use crate::keys::KeyUsage;
use crate::quarantine::{Keep, Quarantine};

/// When a sender is asked to come again while the log takes no writes.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Verified and durable: so many signals are new, so many were known.
    Accepted {
        /// Appended now.
        new: u32,
        /// There already.
        known: u32,
    },
    /// Not believed.
    Refused(Refusal),
    /// No such connection.
    UnknownConnection,
    /// The log takes no writes: nothing is kept, the sender must come again.
    Unavailable {
        /// After this pause.
        retry_after: Duration,
    },
}

/// Takes deliveries in.
pub struct Intake {
    log: EventLog,
    clock: Clock,
    connections: Connections,
    quarantine: Quarantine,
    usage: KeyUsage,
}

/// What all signals of one delivery share.
struct Origin<'a> {
    connection: &'a ConnectionId,
    known: &'a Known,
    key_id: &'a str,
    /// This very arrival: makes its commands its own, so that a second arrival is not taken for a repetition.
    arrival: [u8; 16],
    /// SHA-256 of the body in hexadecimal: the same for every arrival of the same bytes.
    delivery_id: String,
    delivery: &'a RawDelivery,
    trace: &'a TraceContext,
}

impl Intake {
    pub(crate) fn new(log: EventLog, clock: Clock, connections: Connections) -> Self {
        Self { log, clock, connections, quarantine: Quarantine::default(), usage: KeyUsage::default() }
    }

    pub(crate) const fn connections(&self) -> &Connections {
        &self.connections
    }

    /// Judges a delivery. Any verdict but [`Verdict::Unavailable`] and [`Verdict::UnknownConnection`] is durable.
    pub async fn accept(&self, delivery: RawDelivery, trace: TraceContext) -> Verdict {
        let Some(known) = self.connections.get(&delivery.connection) else {
            return Verdict::UnknownConnection;
        };
        // Schemes with a timestamp are judged by the time of arrival: a parked delivery may come late.
        let keys = known.keys_in_force(delivery.received_at);
        let key = match known.scheme.verify(&delivery, &keys, delivery.received_at) {
            Ok(index) => &keys[index],
            Err(refusal) => return self.refuse(&known, delivery, refusal, &trace).await,
        };
        self.usage.used(&delivery.connection, &key.id, self.clock.now());

        let origin = Origin {
            connection: &delivery.connection,
            known: &known,
            key_id: &key.id,
            arrival: new_id(),
            delivery_id: hex::encode(Sha256::digest(&delivery.body)),
            delivery: &delivery,
            trace: &trace,
        };
        let signals = bounded(known.scheme.split(&delivery), &delivery);
        let stored = join_all(signals.into_iter().map(|signal| self.store(&origin, signal))).await;
        let mut verdict = (0, 0);
        for stored in stored {
            match stored {
                Ok(true) => verdict.0 += 1,
                Ok(false) => verdict.1 += 1,
                Err(error) => return unavailable(&error),
            }
        }
        Verdict::Accepted { new: verdict.0, known: verdict.1 }
    }

    /// Appends one signal; `false` if it was known.
    async fn store(&self, origin: &Origin<'_>, signal: Signal) -> Result<bool, StoreError> {
        let dedupe = dedupe_digest(origin.connection, &signal.dedupe);
        let entity = Entity::new(Category::Intake, &origin.known.tenant, entity_id(&dedupe))?;
        let command =
            CommandId::from_bytes(derive_id("intake", &[&hex::encode(origin.arrival), entity.id()]));
        let id = event_id(&command, 0);
        let occurred_at = signal.occurred_at.unwrap_or(origin.delivery.received_at);
        let (what, vendor_event) = (outcome_of(&signal.meaning), signal.event.clone());

        let key = self.log.keys().key(&key_group(origin.connection, &signal.subject)).await?;
        let sealer = Sealer::new(key.as_bytes());
        let raw = self.raw(signal.raw, &id, &sealer).await?;
        let event = IntakeEvent::Accepted(Box::new(Accepted {
            connection: origin.connection.clone(),
            delivery_id: origin.delivery_id.clone(),
            key_id: origin.key_id.to_owned(),
            event: signal.event,
            dedupe,
            subject: signal.subject,
            occurred_at: signal.occurred_at,
            received_at: origin.delivery.received_at,
            meaning: signal.meaning,
            raw,
        }));
        let commit = commit(command, &id, &event, &sealer, occurred_at, origin.trace, entity.id());
        match self.log.append(&entity, Expected::Absent, commit).await {
            Ok(_) => {
                count(origin.connection, what);
                tracing::debug!(connection = %origin.connection, event = %vendor_event, "signal accepted");
                Ok(true)
            }
            Err(AppendError::Conflict { .. }) => {
                self.duplicate(origin, &entity, dedupe).await?;
                count(origin.connection, "duplicate");
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Counts a signal that was known, in the log: the ledger must balance.
    async fn duplicate(
        &self,
        origin: &Origin<'_>,
        entity: &Entity,
        dedupe: Digest,
    ) -> Result<(), StoreError> {
        let parts = [&hex::encode(origin.arrival), entity.id()];
        let command = CommandId::from_bytes(derive_id("intake duplicate", &parts));
        let id = event_id(&command, 0);
        let event = IntakeEvent::Duplicated(Duplicated {
            connection: origin.connection.clone(),
            delivery_id: origin.delivery_id.clone(),
            key_id: origin.key_id.to_owned(),
            dedupe,
            received_at: origin.delivery.received_at,
            times: 1,
        });
        // Nothing of its content is kept, so nothing is sealed and no key is needed.
        let at = origin.delivery.received_at;
        let commit = commit(command, &id, &event, &Sealer::new(&[0; 32]), at, origin.trace, entity.id());
        self.log.append(entity, Expected::Any, commit).await?;
        Ok(())
    }

    async fn refuse(
        &self,
        known: &Known,
        delivery: RawDelivery,
        refusal: Refusal,
        trace: &TraceContext,
    ) -> Verdict {
        let connection = delivery.connection.clone();
        count(&connection, "quarantined");
        metrics::counter!("verification_refused_total", "connection" => connection.to_string(), "reason" => refusal.code())
            .increment(1);
        let keep = self.quarantine.admit(&connection, self.clock.now());
        if keep == Keep::Nothing {
            metrics::counter!("verification_refused_unrecorded_total", "connection" => connection.to_string())
                .increment(1);
            return Verdict::Refused(refusal);
        }
        tracing::warn!(%connection, reason = refusal.code(), body_bytes = delivery.body.len(), "delivery refused");
        match self.keep(known, delivery, refusal, keep, trace).await {
            Ok(()) => Verdict::Refused(refusal),
            Err(error) => unavailable(&error),
        }
    }

    async fn keep(
        &self,
        known: &Known,
        delivery: RawDelivery,
        refusal: Refusal,
        keep: Keep,
        trace: &TraceContext,
    ) -> Result<(), StoreError> {
        let connection = delivery.connection.clone();
        let command = CommandId::from_bytes(new_id());
        let id = event_id(&command, 0);
        let entity =
            Entity::new(Category::Intake, &known.tenant, format!("q-{}", hex::encode(command.as_bytes())))?;
        let key = self.log.keys().key(&quarantine_group(&connection)).await?;
        let sealer = Sealer::new(key.as_bytes());

        let (at, bytes) = (delivery.received_at, delivery.body.len());
        let sha256 = Digest(Sha256::digest(&delivery.body).into());
        let content = match keep {
            Keep::Content => {
                let delivery: wire::Delivery = delivery_to_wire(delivery);
                Some(self.raw(contracts::wire::encode(&delivery), &id, &sealer).await?)
            }
            Keep::Record | Keep::Nothing => None,
        };
        let event = IntakeEvent::Quarantined(Quarantined {
            connection,
            reason: refusal,
            bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
            sha256,
            received_at: at,
            delivery: content,
        });
        let commit = commit(command, &id, &event, &sealer, at, trace, entity.id());
        self.log.append(&entity, Expected::Absent, commit).await?;
        Ok(())
    }

    /// Small bytes stand in the event, large ones sealed in the blob store.
    async fn raw(&self, clear: Vec<u8>, id: &EventId, sealer: &Sealer) -> Result<Raw, StoreError> {
        if clear.len() <= RAW_INLINE_BYTES_MAX {
            return Ok(Raw::Inline(clear));
        }
        let sealed = Bytes::from(sealer.seal_blob(id, &clear));
        let bytes = u64::try_from(sealed.len()).unwrap_or(u64::MAX);
        let digest = self.log.blobs().put(sealed).await?;
        Ok(Raw::Stored { digest: Digest(*digest.as_bytes()), bytes })
    }

    /// Every key that verifies, of one connection or (`only` is empty) of all.
    pub(crate) fn key_status(&self, only: &str) -> Vec<wire::KeyStatus> {
        let now = self.clock.now();
        let connections = self.connections.current();
        let mut wanted: Vec<(&ConnectionId, &Arc<Known>)> =
            connections.iter().filter(|(id, _)| only.is_empty() || id.as_str() == only).collect();
        wanted.sort_by_key(|(id, _)| *id);
        let keys =
            wanted.into_iter().flat_map(|(id, known)| known.keys.keys().iter().map(move |key| (id, key)));
        keys.map(|(id, key)| {
            let usage = self.usage.of(id, &key.id);
            wire::KeyStatus {
                connection: id.to_string(),
                key_id: key.id.clone(),
                in_force: key.is_in_force(now),
                not_before_ms: key.not_before.unwrap_or_default().0,
                not_after_ms: key.not_after.unwrap_or_default().0,
                last_used_at_ms: usage.last_used_at.0,
                verified: usage.verified,
            }
        })
        .collect()
    }
}

/// Why a signal could not be stored. All of it means: ask again later.
#[derive(Debug, thiserror::Error)]
enum StoreError {
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error(transparent)]
    Key(#[from] event_log::ReadError),
    #[error(transparent)]
    Blob(#[from] event_log::BlobError),
    #[error(transparent)]
    Entity(#[from] event_log::EntityError),
}

fn unavailable(error: &StoreError) -> Verdict {
    tracing::error!(%error, "the log takes no deliveries");
    Verdict::Unavailable { retry_after: RETRY_AFTER }
}

fn commit(
    command_id: CommandId,
    id: &EventId,
    event: &IntakeEvent,
    sealer: &Sealer,
    occurred_at: domain::time::Timestamp,
    trace: &TraceContext,
    correlation: &str,
) -> Commit {
    let encoded = contracts::intake::encode(event, id, sealer);
    Commit {
        command_id,
        correlation_id: correlation.to_owned(),
        causation_id: None,
        trace: trace.clone(),
        events: vec![NewEvent {
            id: *id,
            kind: encoded.kind.to_owned(),
            schema: encoded.schema,
            occurred_at,
            payload: encoded.payload.into(),
        }],
    }
}

/// At most [`SIGNALS_MAX`] signals: a delivery with more is one signal that nobody can read.
fn bounded(signals: Vec<Signal>, delivery: &RawDelivery) -> Vec<Signal> {
    if signals.len() <= SIGNALS_MAX {
        return signals;
    }
    let digest = hex::encode(Sha256::digest(&delivery.body));
    vec![Signal {
        subject: digest.clone(),
        dedupe: digest,
        event: "oversized_batch".to_owned(),
        occurred_at: None,
        meaning: Meaning::Nothing(domain::intake::NoMeaning::Unreadable),
        raw: delivery.body.clone(),
    }]
}

/// Scoped to the connection: two accounts may give two things the same id.
fn dedupe_digest(connection: &ConnectionId, dedupe: &str) -> Digest {
    let hash = Sha256::new().chain_update(connection.as_str()).chain_update(b"\0").chain_update(dedupe);
    Digest(hash.finalize().into())
}

fn entity_id(dedupe: &Digest) -> String {
    format!("s-{}", hex::encode(&dedupe.0[..20]))
}

const fn outcome_of(meaning: &Meaning) -> &'static str {
    match meaning {
        Meaning::Envelope(_) | Meaning::Record(_) => "accepted",
        Meaning::Nothing(why) => why.code(),
    }
}

fn count(connection: &ConnectionId, outcome: &'static str) {
    metrics::counter!("verification_signals_total", "connection" => connection.to_string(), "outcome" => outcome)
        .increment(1);
}
