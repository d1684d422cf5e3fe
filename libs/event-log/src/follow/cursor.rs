//! A consumer's checkpoint: per share, the position up to which everything is finished.

use bytes::Bytes;

use super::{Consumer, Start};
use crate::Position;
use crate::backend::{Backend, Shares};
use crate::error::{ReadError, StateError};
use crate::state::Entry;

/// Compare-and-set tries before the next tick has to do it.
const TRIES_MAX: usize = 16;

/// One position per share.
pub(crate) type Positions = [u64; Shares::COUNT];

/// Reads the checkpoint, and makes one where the consumer starts if there is none.
pub(super) async fn load(backend: &dyn Backend, consumer: &Consumer) -> Result<Positions, ReadError> {
    if let Some(entry) = backend.state_get(&key(&consumer.name)).await? {
        return decode(&entry);
    }
    let start = match consumer.start {
        Start::Beginning => Position::ZERO,
        Start::Now => backend.head(consumer.category).await?,
    };
    merge(backend, &consumer.name, &[start.0; Shares::COUNT]).await
}

/// Stores the larger of what is stored and what is new, share by share; gives what is stored now.
pub(super) async fn merge(
    backend: &dyn Backend,
    consumer: &str,
    reached: &Positions,
) -> Result<Positions, ReadError> {
    let key = key(consumer);
    for _ in 0..TRIES_MAX {
        let entry = backend.state_get(&key).await?;
        let stored = entry.as_ref().map(decode).transpose()?;
        let known = stored.unwrap_or([0; Shares::COUNT]);
        let merged: Positions = std::array::from_fn(|share| known[share].max(reached[share]));
        if stored == Some(merged) {
            return Ok(merged);
        }
        match backend.state_put(&key, entry.map(|entry| entry.revision), encode(&merged)).await {
            Ok(_) => return Ok(merged),
            Err(StateError::Conflict) => {}
            Err(StateError::NotAllowed) => {
                return Err(ReadError::Corrupt("a checkpoint was refused".to_owned()));
            }
            Err(StateError::Store(error)) => return Err(error),
        }
    }
    Err(ReadError::Unavailable("the checkpoint is too contended".to_owned()))
}

/// The checkpoint over all shares.
pub(crate) async fn consumed(backend: &dyn Backend, consumer: &str) -> Result<Position, ReadError> {
    let entry = backend.state_get(&key(consumer)).await?;
    let positions = entry.as_ref().map(decode).transpose()?.unwrap_or_default();
    Ok(Position(positions.into_iter().min().unwrap_or_default()))
}

fn key(consumer: &str) -> String {
    format!("cursor/{consumer}")
}

fn encode(positions: &Positions) -> Bytes {
    positions.iter().flat_map(|position| position.to_be_bytes()).collect::<Vec<u8>>().into()
}

fn decode(entry: &Entry) -> Result<Positions, ReadError> {
    let (chunks, rest) = entry.value.as_chunks::<8>();
    let positions: Vec<u64> = chunks.iter().map(|chunk| u64::from_be_bytes(*chunk)).collect();
    let wrong = |_| ReadError::Corrupt("a checkpoint has the wrong size".to_owned());
    if rest.is_empty() { positions.try_into().map_err(wrong) } else { Err(wrong(positions)) }
}
