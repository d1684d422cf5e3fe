//! What a consumer gave up on. The commit stays in the log; the dead letter says where it is and why.

use bytes::Bytes;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::backend::Backend;
use crate::error::{ReadError, StateError};
use crate::state::{Entry, Revision};
use crate::{Category, Entity, Position, clock};

const TRIES_MAX: usize = 16;

/// A commit that a consumer gave up on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Who gave up.
    pub consumer: String,
    /// What the commit is about.
    pub entity: Entity,
    /// Where the commit lies.
    pub position: Position,
    /// The handler's reason.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When the consumer gave up.
    pub given_up_at: Timestamp,
    /// Somebody asked for one more try and it is not finished yet.
    pub retrying: bool,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    category: String,
    tenant: String,
    entity: String,
    position: u64,
    reason: String,
    attempts: u32,
    given_up_at_ms: i64,
    retrying: bool,
}

pub(crate) async fn list(backend: &dyn Backend, consumer: &str) -> Result<Vec<DeadLetter>, ReadError> {
    let entries = backend.state_list(&prefix(consumer)).await?;
    entries.into_iter().map(|(_, entry)| decode(consumer, &entry)).collect()
}

/// Stores a dead letter, or what became of its retry.
pub(super) async fn write(backend: &dyn Backend, letter: &DeadLetter) -> Result<(), ReadError> {
    let key = key(&letter.consumer, letter.position);
    for _ in 0..TRIES_MAX {
        let revision = backend.state_get(&key).await?.map(|entry| entry.revision);
        if put(backend, &key, revision, letter).await? {
            return Ok(());
        }
    }
    Err(ReadError::Unavailable("the dead letter is too contended".to_owned()))
}

pub(crate) async fn retry(
    backend: &dyn Backend,
    consumer: &str,
    position: Position,
) -> Result<bool, ReadError> {
    let key = key(consumer, position);
    for _ in 0..TRIES_MAX {
        let Some(entry) = backend.state_get(&key).await? else {
            return Ok(false);
        };
        let letter = DeadLetter { retrying: true, ..decode(consumer, &entry)? };
        if put(backend, &key, Some(entry.revision), &letter).await? {
            ring(backend, consumer).await?;
            return Ok(true);
        }
    }
    Err(ReadError::Unavailable("the dead letter is too contended".to_owned()))
}

pub(crate) async fn discard(
    backend: &dyn Backend,
    consumer: &str,
    position: Position,
) -> Result<bool, ReadError> {
    let key = key(consumer, position);
    if backend.state_get(&key).await?.is_none() {
        return Ok(false);
    }
    match backend.state_delete(&key, None).await {
        Ok(()) | Err(StateError::Conflict) => Ok(true),
        Err(error) => Err(store_error(error)),
    }
}

/// Changes whenever somebody asked for a retry: one small read tells a follower whether to look.
pub(super) async fn bell(backend: &dyn Backend, consumer: &str) -> Result<Option<Revision>, ReadError> {
    Ok(backend.state_get(&bell_key(consumer)).await?.map(|entry| entry.revision))
}

async fn ring(backend: &dyn Backend, consumer: &str) -> Result<(), ReadError> {
    let key = bell_key(consumer);
    let revision = backend.state_get(&key).await?.map(|entry| entry.revision);
    match backend.state_put(&key, revision, Bytes::from_static(b"1")).await {
        // A conflict means that somebody else has just rung it.
        Ok(_) | Err(StateError::Conflict) => Ok(()),
        Err(error) => Err(store_error(error)),
    }
}

async fn put(
    backend: &dyn Backend,
    key: &str,
    expected: Option<Revision>,
    letter: &DeadLetter,
) -> Result<bool, ReadError> {
    match backend.state_put(key, expected, encode(letter)).await {
        Ok(_) => Ok(true),
        Err(StateError::Conflict) => Ok(false),
        Err(error) => Err(store_error(error)),
    }
}

fn store_error(error: StateError) -> ReadError {
    match error {
        StateError::Conflict => ReadError::Unavailable("somebody else was faster".to_owned()),
        StateError::NotAllowed => ReadError::Corrupt("a dead letter was refused".to_owned()),
        StateError::Store(error) => error,
    }
}

fn prefix(consumer: &str) -> String {
    format!("dead/{consumer}/")
}

fn key(consumer: &str, position: Position) -> String {
    format!("{}{:020}", prefix(consumer), position.0)
}

fn bell_key(consumer: &str) -> String {
    format!("dead-bell/{consumer}")
}

impl DeadLetter {
    pub(super) fn new(
        consumer: &str,
        entity: &Entity,
        position: Position,
        reason: String,
        attempts: u32,
    ) -> Self {
        let consumer = consumer.to_owned();
        let given_up_at = clock::now();
        Self { consumer, entity: entity.clone(), position, reason, attempts, given_up_at, retrying: false }
    }
}

fn encode(letter: &DeadLetter) -> Bytes {
    let stored = Stored {
        category: letter.entity.category().as_str().to_owned(),
        tenant: letter.entity.tenant().as_str().to_owned(),
        entity: letter.entity.id().to_owned(),
        position: letter.position.0,
        reason: letter.reason.chars().take(2_000).collect(),
        attempts: letter.attempts,
        given_up_at_ms: letter.given_up_at.0,
        retrying: letter.retrying,
    };
    serde_json::to_vec(&stored).expect("strings and numbers are JSON").into()
}

fn decode(consumer: &str, entry: &Entry) -> Result<DeadLetter, ReadError> {
    let wrong = || ReadError::Corrupt(format!("a dead letter of {consumer} does not decode"));
    let stored: Stored = serde_json::from_slice(&entry.value).map_err(|_| wrong())?;
    let category = Category::from_name(&stored.category).ok_or_else(wrong)?;
    let tenant = stored.tenant.parse().map_err(|_| wrong())?;
    Ok(DeadLetter {
        consumer: consumer.to_owned(),
        entity: Entity::new(category, &tenant, stored.entity).map_err(|_| wrong())?,
        position: Position(stored.position),
        reason: stored.reason,
        attempts: stored.attempts,
        given_up_at: Timestamp(stored.given_up_at_ms),
        retrying: stored.retrying,
    })
}
