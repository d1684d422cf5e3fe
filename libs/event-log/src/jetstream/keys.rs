//! Data keys in a stream of their own: one subject per group, one message per subject.

use async_nats::HeaderMap;
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, sleep};

use super::JetStream;
use super::message::{Outgoing, Published};
use super::read::{self, bounded};
use crate::error::ReadError;
use crate::keys::DataKey;

const PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

/// The group's name may hold anything, so its digest stands in the subject.
fn subject(group: &str) -> String {
    format!("keys.{}", hex::encode(Sha256::digest(group)))
}

pub(super) async fn find(log: &JetStream, group: &str) -> Result<Option<(u64, DataKey)>, ReadError> {
    let Some(message) = read::last(&log.keys, &subject(group)).await? else {
        return Ok(None);
    };
    Ok(Some((message.sequence, DataKey::from_slice(&message.payload)?)))
}

/// Whoever is first decides; everybody else reads what was decided.
pub(super) async fn get_or_create(log: &JetStream, group: &str) -> Result<DataKey, ReadError> {
    let deadline = Instant::now() + log.append_deadline;
    let mut reason = "no answer".to_owned();
    while Instant::now() < deadline {
        if let Some((_, key)) = find(log, group).await? {
            return Ok(key);
        }
        let key = DataKey::random()?;
        let message = Outgoing {
            subject: subject(group).into(),
            expected: 0,
            headers: HeaderMap::new(),
            payload: key.as_bytes().to_vec().into(),
        };
        match log.keys_writer.publish(message, deadline).await {
            Published::At(_) => return Ok(key),
            Published::WrongSequence | Published::Unknown => {}
            Published::Refused(why) => {
                reason = why;
                sleep(PAUSE).await;
            }
        }
    }
    Err(ReadError::Unavailable(reason))
}

/// Overwrites and deletes the stored key.
pub(super) async fn destroy(log: &JetStream, group: &str) -> Result<(), ReadError> {
    if let Some((sequence, _)) = find(log, group).await? {
        bounded(log.keys.delete_message(sequence)).await?;
    }
    Ok(())
}
