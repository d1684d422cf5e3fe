//! What a proved delivery says, appended once: every signal under a key made of the vendor's own id for it,
//! and known by the hash of its bytes as well where that id may change.

use contracts::intake::{Accepted, Duplicated, IntakeEvent, key_group};
use contracts::seal::Sealer;
use domain::envelope::Digest;
use domain::ids::{CommandId, ConnectionId};
use domain::intake::{Meaning, NoMeaning, RawDelivery, SIGNALS_MAX, Signal};
use event_log::{AppendError, Appended, EventLog, Expected, TraceContext, event_id};
use futures::future::join_all;
use runtime::random::derive_id;
use sha2::{Digest as _, Sha256};

use crate::append::{StoreError, blob_of, commit, let_go, raw};
use crate::connections::Known;
use crate::names::{self, Names, Place};

/// What is known of a delivery that was proved.
#[derive(Clone, Copy)]
pub struct Proved<'a> {
    /// Its connection.
    pub known: &'a Known,
    /// The key that proved it; empty when the vendor itself gave it to us.
    pub key_id: &'a str,
    /// This very arrival. It makes its commands its own: a second arrival is not taken for a repetition, and the same
    /// arrival looked at twice is one.
    pub arrival: &'a str,
    /// Whether it did not arrive by itself: it was fetched from the vendor's list of missed deliveries.
    pub replayed: bool,
    /// The delivery itself.
    pub delivery: &'a RawDelivery,
    /// The trace it belongs to.
    pub trace: &'a TraceContext,
}

/// How many signals of a delivery were stored, and how many were there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Appended now.
    pub new: u32,
    /// There already.
    pub known: u32,
}

/// What became of a signal where it was to be stored.
enum Kept {
    /// It is there since now.
    Now,
    /// This very arrival stored it before.
    Before,
    /// Something is there already.
    Taken,
}

/// What all signals of one delivery share.
struct Origin<'a> {
    proved: Proved<'a>,
    connection: &'a ConnectionId,
    /// SHA-256 of the body in hexadecimal: the same for every arrival of the same bytes.
    delivery_id: String,
}

/// Stores signals. Cheap to clone.
#[derive(Clone)]
pub struct Signals {
    log: EventLog,
}

impl Signals {
    pub const fn new(log: EventLog) -> Self {
        Self { log }
    }

    /// Splits a proved delivery and stores what it says; durable when it returns.
    ///
    /// # Errors
    /// When the log takes no writes. Some signals may be stored then; the same arrival again completes them.
    pub async fn store_all(&self, proved: Proved<'_>) -> Result<Stored, StoreError> {
        let delivery = proved.delivery;
        let origin = Origin {
            proved,
            connection: &delivery.connection,
            delivery_id: hex::encode(Sha256::digest(&delivery.body)),
        };
        let signals = bounded(proved.known.scheme.split(delivery), delivery);
        let storing =
            signals.into_iter().enumerate().map(|(index, signal)| self.keep(&origin, index, signal));
        let mut stored = Stored::default();
        for new in join_all(storing).await {
            if new? { stored.new += 1 } else { stored.known += 1 }
        }
        Ok(stored)
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
        let names = Names::of(&signal, &origin.proved);
        let mut place = names.place(&self.log, &origin.proved).await?;
        // Its own name may lead on, and where that leads nothing leads on any more.
        for _ in 0..2 {
            let Place::Under(name) = place else { break };
            match self.accept(origin, index, &signal, name).await? {
                Kept::Now => return Ok(true),
                Kept::Before => return Ok(false),
                Kept::Taken => {}
            }
            place = if name == names.own { names.taken(&self.log, &origin.proved).await? } else { break };
        }
        if self.duplicate(origin, index, names.own).await? {
            count(origin.connection, "duplicate");
        }
        Ok(false)
    }

    /// Stores a signal under a name, if nothing is there.
    async fn accept(
        &self,
        origin: &Origin<'_>,
        index: usize,
        signal: &Signal,
        name: Digest,
    ) -> Result<Kept, StoreError> {
        let entity = names::entity(&origin.proved, &name)?;
        // With the index: the same news twice in one batch are two signals, and one of them is a duplicate.
        let parts = [origin.proved.arrival, entity.id(), &index.to_string()];
        let command = CommandId::from_bytes(derive_id("intake", &parts));
        let id = event_id(&command, 0);
        let occurred_at = signal.occurred_at.unwrap_or(origin.proved.delivery.received_at);

        let key = self.log.keys().key(&key_group(origin.connection, &signal.subject)).await?;
        let sealer = Sealer::new(key.as_bytes());
        let raw = raw(&self.log, signal.raw.clone(), &id, &sealer).await?;
        let blob = blob_of(&raw);
        let event = IntakeEvent::Accepted(Box::new(Accepted {
            connection: origin.connection.clone(),
            delivery_id: origin.delivery_id.clone(),
            key_id: origin.proved.key_id.to_owned(),
            event: signal.event.clone(),
            dedupe: name,
            subject: signal.subject.clone(),
            occurred_at: signal.occurred_at,
            received_at: origin.proved.delivery.received_at,
            meaning: signal.meaning.clone(),
            replayed: origin.proved.replayed,
            raw,
        }));
        let commit = commit(command, &id, &event, &sealer, occurred_at, origin.proved.trace, entity.id());
        let appended = self.log.append(&entity, Expected::Absent, commit).await;
        let_go(&self.log, &entity, blob, &appended).await;
        match appended {
            // This very command did it before, and it was counted then.
            Ok(Appended { duplicate: true, .. }) => Ok(Kept::Before),
            Ok(Appended { duplicate: false, .. }) => {
                count(origin.connection, outcome_of(&signal.meaning));
                tracing::debug!(connection = %origin.connection, event = %signal.event, "signal accepted");
                Ok(Kept::Now)
            }
            Err(AppendError::Conflict { .. }) => Ok(Kept::Taken),
            Err(error) => Err(error.into()),
        }
    }

    /// Counts a signal that was known, in the log: the ledger must balance. Under the name it came by, which is known
    /// from then on. `false` if this very arrival was counted before.
    async fn duplicate(&self, origin: &Origin<'_>, index: usize, dedupe: Digest) -> Result<bool, StoreError> {
        let entity = names::entity(&origin.proved, &dedupe)?;
        let parts = [origin.proved.arrival, entity.id(), &index.to_string()];
        let command = CommandId::from_bytes(derive_id("intake duplicate", &parts));
        let id = event_id(&command, 0);
        let event = IntakeEvent::Duplicated(Duplicated {
            connection: origin.connection.clone(),
            delivery_id: origin.delivery_id.clone(),
            key_id: origin.proved.key_id.to_owned(),
            dedupe,
            received_at: origin.proved.delivery.received_at,
            times: 1,
        });
        // Nothing of its content is kept, so nothing is sealed and no key is needed.
        let at = origin.proved.delivery.received_at;
        let commit =
            commit(command, &id, &event, &Sealer::new(&[0; 32]), at, origin.proved.trace, entity.id());
        let appended = self.log.append(&entity, Expected::Any, commit).await?;
        Ok(!appended.duplicate)
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
        also: None,
        event: "oversized_batch".to_owned(),
        occurred_at: None,
        meaning: Meaning::Nothing(NoMeaning::Unreadable),
        raw: delivery.body.clone(),
    }]
}

const fn outcome_of(meaning: &Meaning) -> &'static str {
    match meaning {
        Meaning::Envelope(_) | Meaning::Record(_) => "accepted",
        Meaning::Nothing(why) => why.code(),
    }
}

pub fn count(connection: &ConnectionId, outcome: &'static str) {
    metrics::counter!("verification_signals_total", "connection" => connection.to_string(), "outcome" => outcome)
        .increment(1);
}
