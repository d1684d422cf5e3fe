//! A lease on one job's record: changed only while nobody else has taken it over.

use std::collections::HashMap;
use std::time::Duration;

use domain::time::Timestamp;
use event_log::{Revision, State, StateError};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::record::Record;

/// Most tries of one change against other writers.
const TRIES_MAX: usize = 16;

/// Why a record was not changed.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// Somebody else has the lease.
    #[error("another replica has taken the job over")]
    Lost,
    /// The store does not answer, or the record is too large.
    #[error(transparent)]
    Store(#[from] StateError),
}

/// The lease on a job, held by this process.
pub struct Hold {
    state: State,
    key: String,
    epoch: u64,
    held: Mutex<(Record, Revision)>,
}

/// A record as the store has it.
pub struct Seen {
    /// What it says.
    pub record: Record,
    /// What to expect when changing it; `None` when there is none yet.
    pub revision: Option<Revision>,
}

impl Seen {
    /// Reads a record; a job that was never planned has an empty one.
    ///
    /// # Errors
    /// When the store does not answer. A record that this version cannot read begins anew.
    pub async fn read(state: &State, key: &str) -> Result<Seen, StateError> {
        let Some(entry) = state.get(key).await? else {
            return Ok(Seen { record: Record::default(), revision: None });
        };
        Ok(Seen { record: decode(key, &entry.value), revision: Some(entry.revision) })
    }
}

/// The record in these bytes. Its loss would cost a cursor and a last result, not a fact: so it begins anew.
pub fn decode(key: &str, bytes: &[u8]) -> Record {
    serde_json::from_slice(bytes).unwrap_or_else(|error| {
        tracing::error!(key, %error, "the record of a job is not readable; it begins anew");
        Record::default()
    })
}

fn encode(record: &Record) -> bytes::Bytes {
    serde_json::to_vec(record).expect("invariant: plain text and numbers become JSON").into()
}

impl Hold {
    /// Takes the lease as `me`; `None` when somebody else was faster.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn take(
        state: State,
        key: String,
        me: &str,
        seen: Seen,
        now: Timestamp,
    ) -> Result<Option<Hold>, StateError> {
        let mut record = seen.record;
        record.holder = Some(me.to_owned());
        record.epoch += 1;
        record.beat += 1;
        record.begun = record.asked;
        if record.planned_ms == 0 {
            record.planned_ms = now.0;
        }
        match state.put(&key, seen.revision, encode(&record)).await {
            Ok(revision) => {
                let epoch = record.epoch;
                Ok(Some(Hold { state, key, epoch, held: Mutex::new((record, revision)) }))
            }
            Err(StateError::Conflict) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The record as this process last saw it.
    pub async fn record(&self) -> Record {
        self.held.lock().await.0.clone()
    }

    /// Changes the record. `change` may be applied several times, each time to the newest record.
    ///
    /// # Errors
    /// When the lease is lost, or the store does not answer: then it may or may not have happened.
    pub async fn change(&self, change: impl Fn(&mut Record)) -> Result<(), HoldError> {
        let mut held = self.held.lock().await;
        for _ in 0..TRIES_MAX {
            let mut next = held.0.clone();
            next.beat += 1;
            change(&mut next);
            match self.state.put(&self.key, Some(held.1), encode(&next)).await {
                Ok(revision) => {
                    *held = (next, revision);
                    return Ok(());
                }
                // A wish for a run, or a new holder.
                Err(StateError::Conflict) => {
                    let seen = Seen::read(&self.state, &self.key).await?;
                    let Some(revision) = seen.revision else { return Err(HoldError::Lost) };
                    if seen.record.epoch != self.epoch || seen.record.holder.is_none() {
                        return Err(HoldError::Lost);
                    }
                    *held = (seen.record, revision);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(StateError::Conflict.into())
    }

    /// Raises the beat every third of `ttl`; returns when the lease is lost, or could not be renewed for so long
    /// that somebody may take it over soon.
    pub async fn keep_beating(&self, ttl: Duration) {
        let mut renewed = Instant::now();
        loop {
            tokio::time::sleep(ttl / 3).await;
            let started = Instant::now();
            match self.change(|_| {}).await {
                Ok(()) => renewed = started,
                Err(HoldError::Lost) => return,
                Err(HoldError::Store(error)) => {
                    tracing::debug!(key = self.key, %error, "the lease of a job was not renewed");
                    if renewed.elapsed() >= ttl * 2 / 3 {
                        return;
                    }
                }
            }
        }
    }
}

/// Whose beat stands still.
#[derive(Default)]
pub struct Watch(HashMap<String, (u64, u64, Instant)>);

impl Watch {
    /// Whether this record's holder was seen standing still for a whole `ttl`.
    pub fn is_dead(&mut self, key: &str, record: &Record, ttl: Duration) -> bool {
        let now = Instant::now();
        let mark = (record.epoch, record.beat);
        let seen = self.0.entry(key.to_owned()).or_insert((mark.0, mark.1, now));
        if (seen.0, seen.1) != mark {
            *seen = (mark.0, mark.1, now);
        }
        now.duration_since(seen.2) >= ttl
    }

    /// Forgets a record that nobody holds.
    pub fn forget(&mut self, key: &str) {
        self.0.remove(key);
    }
}
