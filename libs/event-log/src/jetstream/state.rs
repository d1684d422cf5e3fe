//! State in a stream with one message per subject: the revision is the message's sequence.

use async_nats::HeaderMap;
use bytes::Bytes;

use super::message::{Outgoing, Published, publish_alone};
use super::read::{self, Stored};
use super::{JetStream, REQUEST_MAX, topology};
use crate::error::{ReadError, StateError};
use crate::state::{Entry, Revision};

/// Marks a deleted entry, whose sequence must not come back.
const DELETED: &str = "Countersign-Deleted";

/// What a subject holds: its last sequence, and the entry unless it is deleted.
pub(super) struct Slot {
    sequence: u64,
    pub(super) entry: Option<Entry>,
}

impl From<Stored> for Slot {
    fn from(message: Stored) -> Slot {
        let deleted = message.headers.get(DELETED).is_some();
        let entry = Entry { revision: Revision(message.sequence), value: message.payload };
        Slot { sequence: message.sequence, entry: (!deleted).then_some(entry) }
    }
}

pub(super) async fn get(log: &JetStream, key: &str) -> Result<Slot, ReadError> {
    let message = read::last(&log.state, &subject(key)).await?;
    Ok(message.map_or(Slot { sequence: 0, entry: None }, Slot::from))
}

/// Writes or deletes (`value` is `None`); `expected` is `None` when any revision will do.
pub(super) async fn put(
    log: &JetStream,
    key: &str,
    expected: Option<Option<Revision>>,
    value: Option<Bytes>,
) -> Result<Revision, StateError> {
    let after = match expected {
        Some(Some(revision)) => revision.0,
        Some(None) | None => {
            let slot = get(log, key).await?;
            if expected == Some(None) && slot.entry.is_some() {
                return Err(StateError::Conflict);
            }
            slot.sequence
        }
    };
    let mut headers = HeaderMap::new();
    if value.is_none() {
        headers.insert(DELETED, "1");
    }
    let payload = value.unwrap_or_default();
    let message = Outgoing { subject: subject(key).into(), expected: after, headers, payload };
    match publish_alone(&log.context.client(), &message).await {
        Published::At(sequence) => Ok(Revision(sequence)),
        Published::WrongSequence => Err(StateError::Conflict),
        Published::Refused(reason) => Err(ReadError::Unavailable(reason).into()),
        Published::Unknown => {
            Err(ReadError::Unavailable(format!("no answer within {} s", REQUEST_MAX.as_secs())).into())
        }
    }
}

pub(super) async fn list(log: &JetStream, prefix: &str) -> Result<Vec<(String, Entry)>, ReadError> {
    let folder = prefix.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{}.", escaped(folder)));
    let messages = read::list(log, topology::STATE, &format!("st.{folder}>"), 1).await?;
    let mut entries: Vec<(String, Entry)> = messages
        .into_iter()
        .filter_map(|message| Some((key(&message.subject)?, Slot::from(message).entry?)))
        .filter(|(key, _)| key.starts_with(prefix))
        .collect();
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(entries)
}

/// Folders become tokens, so that a folder can be listed by its subject.
fn subject(key: &str) -> String {
    format!("st.{}", escaped(key))
}

fn escaped(key: &str) -> String {
    key.replace('=', "=e").replace('.', "=d").replace('/', ".")
}

fn key(subject: &str) -> Option<String> {
    Some(subject.strip_prefix("st.")?.replace('.', "/").replace("=d", ".").replace("=e", "="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_way_through_a_subject() {
        for text in ["cursor/orchestrator", "a.b/c", "a=d/b", "dead/x/00000000000000000001"] {
            assert_eq!(key(&subject(text)).as_deref(), Some(text));
        }
        assert_ne!(subject("a.b"), subject("a/b"));
    }
}
