//! From a raw delivery to durable signals: verify, split, append each once.

use std::time::Duration;

use contracts::intake::{Accepted, Duplicated, IntakeEvent, key_group};
use contracts::seal::Sealer;
use contracts::wire::verification as wire;
use domain::envelope::Digest;
use domain::ids::{CommandId, ConnectionId};
use domain::intake::{Meaning, NoMeaning, RawDelivery, Refusal, SIGNALS_MAX, Signal};
use event_log::{AppendError, Category, Entity, EventLog, Expected, TraceContext, event_id};
use futures::future::join_all;
use runtime::clock::Clock;
use runtime::random::{derive_id, new_id};
use sha2::{Digest as _, Sha256};

use crate::append::{StoreError, commit, raw};
use crate::connections::{Connections, Known};
use crate::keys::{self, KeyUsage};
use crate::refusal::Refusals;

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
    refusals: Refusals,
    usage: KeyUsage,
}

/// What all signals of one delivery share.
struct Origin<'a> {
    connection: &'a ConnectionId,
    known: &'a Known,
    key_id: &'a str,
    /// This very arrival: makes its commands its own, so that a second arrival is not taken for a repetition.
    arrival: String,
    /// SHA-256 of the body in hexadecimal: the same for every arrival of the same bytes.
    delivery_id: String,
    delivery: &'a RawDelivery,
    trace: &'a TraceContext,
}

impl Intake {
    pub(crate) fn new(log: EventLog, clock: Clock, connections: Connections) -> Self {
        let refusals = Refusals::new(log.clone(), clock.clone());
        Self { log, clock, connections, refusals, usage: KeyUsage::default() }
    }

    pub(crate) const fn connections(&self) -> &Connections {
        &self.connections
    }

    /// How long ago something was.
    pub(crate) fn since(&self, then: domain::time::Timestamp) -> Duration {
        self.clock.now().since(then)
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
            Err(refusal) => {
                count(&delivery.connection, "quarantined");
                return match self.refusals.take(&known, delivery, refusal, &trace).await {
                    Ok(()) => Verdict::Refused(refusal),
                    Err(error) => unavailable(&error),
                };
            }
        };
        let origin = Origin {
            connection: &delivery.connection,
            known: &known,
            key_id: &key.id,
            arrival: hex::encode(new_id()),
            delivery_id: hex::encode(Sha256::digest(&delivery.body)),
            delivery: &delivery,
            trace: &trace,
        };
        let signals = bounded(known.scheme.split(&delivery), &delivery);
        let storing =
            signals.into_iter().enumerate().map(|(index, signal)| self.keep(&origin, index, signal));
        let (mut new, mut known) = (0, 0);
        for stored in join_all(storing).await {
            match stored {
                Ok(true) => new += 1,
                Ok(false) => known += 1,
                Err(error) => return unavailable(&error),
            }
        }
        self.usage.used(&delivery.connection, &key.id, self.clock.now(), u64::from(new + known));
        Verdict::Accepted { new, known }
    }

    /// Stores one signal; `false` if it was known.
    ///
    /// One whose meaning is larger than a commit may be would be refused by the log for ever, and its sender would
    /// never stop coming again: its bytes are kept for a person to look at, like those of an unreadable one.
    async fn keep(&self, origin: &Origin<'_>, index: usize, signal: Signal) -> Result<bool, StoreError> {
        let unread = Signal { meaning: Meaning::Nothing(NoMeaning::Unreadable), ..signal.clone() };
        match self.store(origin, index, signal).await {
            Err(StoreError::Append(AppendError::TooLarge { .. })) => self.store(origin, index, unread).await,
            stored => stored,
        }
    }

    async fn store(&self, origin: &Origin<'_>, index: usize, signal: Signal) -> Result<bool, StoreError> {
        let dedupe = dedupe_digest(origin.connection, &signal.dedupe);
        let entity = Entity::new(Category::Intake, &origin.known.tenant, entity_id(&dedupe))?;
        // With the index: the same news twice in one batch are two signals, and one of them is a duplicate.
        let parts = [origin.arrival.as_str(), entity.id(), &index.to_string()];
        let command = CommandId::from_bytes(derive_id("intake", &parts));
        let id = event_id(&command, 0);
        let occurred_at = signal.occurred_at.unwrap_or(origin.delivery.received_at);
        let (what, vendor_event) = (outcome_of(&signal.meaning), signal.event.clone());

        let key = self.log.keys().key(&key_group(origin.connection, &signal.subject)).await?;
        let sealer = Sealer::new(key.as_bytes());
        let raw = raw(&self.log, signal.raw, &id, &sealer).await?;
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
            replayed: false,
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
                self.duplicate(origin, index, &entity, dedupe).await?;
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
        index: usize,
        entity: &Entity,
        dedupe: Digest,
    ) -> Result<(), StoreError> {
        let parts = [origin.arrival.as_str(), entity.id(), &index.to_string()];
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

    /// Every key that verifies, of one connection or (`only` is empty) of all.
    pub(crate) fn key_status(&self, only: &str) -> Vec<wire::KeyStatus> {
        keys::status(&self.connections, &self.usage, self.clock.now(), only)
    }
}

fn unavailable(error: &StoreError) -> Verdict {
    tracing::error!(%error, "the log takes no deliveries");
    Verdict::Unavailable { retry_after: RETRY_AFTER }
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
        meaning: Meaning::Nothing(NoMeaning::Unreadable),
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
