//! How facts of the intake reach the log: large bytes aside, one commit a fact.

use contracts::intake::{IntakeEvent, Raw};
use contracts::seal::{Opener, Sealer};
use domain::envelope::Digest;
use domain::ids::{CommandId, EventId};
use domain::time::Timestamp;
use event_log::{AppendError, Appended, Commit, Entity, EventLog, NewEvent, TraceContext, Version};

/// Why something could not be stored. All of it means: ask again later.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error(transparent)]
    Key(#[from] event_log::ReadError),
    #[error(transparent)]
    Blob(#[from] event_log::BlobError),
    #[error(transparent)]
    Entity(#[from] event_log::EntityError),
    #[error(transparent)]
    Decode(#[from] contracts::DecodeError),
}

/// Small bytes stand in the event, large ones sealed in the blob store.
pub async fn raw(log: &EventLog, clear: Vec<u8>, id: &EventId, sealer: &Sealer) -> Result<Raw, StoreError> {
    let blobs = log.blobs();
    Ok(Raw::keep(clear, id, sealer, |sealed| async { blobs.put(sealed.into()).await }).await?)
}

/// A commit of one fact.
pub fn commit(
    command_id: CommandId,
    id: &EventId,
    event: &IntakeEvent,
    sealer: &Sealer,
    occurred_at: Timestamp,
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

/// The blob that bytes lie in, if they are large.
pub const fn blob_of(raw: &Raw) -> Option<Digest> {
    match raw {
        Raw::Stored { digest, .. } => Some(*digest),
        Raw::Inline(_) | Raw::Erased => None,
    }
}

/// Removes a blob that an append put and no event names. Sealed with a nonce of its own, it is nobody else's; but an
/// append whose answer was lost on the way may be the one that is stored, so the log is asked. What cannot be removed
/// now is left: it takes room and no more.
pub async fn let_go(
    log: &EventLog,
    entity: &Entity,
    blob: Option<Digest>,
    appended: &Result<Appended, AppendError>,
) {
    let Some(digest) = blob.filter(|_| is_told_elsewhere(appended)) else { return };
    let outcome = match is_named(log, entity, &digest).await {
        Ok(true) => return,
        Ok(false) => log.blobs().delete(&digest).await.map_err(|error| error.to_string()),
        Err(reason) => Err(reason),
    };
    if let Err(reason) = outcome {
        tracing::warn!(%entity, %digest, %reason, "the blob of what was known is left");
    }
}

/// Whether another commit than this one is stored, or none at all. Where nobody knows, the bytes are kept.
const fn is_told_elsewhere(appended: &Result<Appended, AppendError>) -> bool {
    match appended {
        Ok(appended) => appended.duplicate,
        Err(AppendError::Conflict { .. } | AppendError::TooLarge { .. } | AppendError::Unavailable(_)) => {
            true
        }
        Err(AppendError::Unknown | AppendError::Corrupt(_)) => false,
    }
}

async fn is_named(log: &EventLog, entity: &Entity, digest: &Digest) -> Result<bool, String> {
    let history = log.read(entity, Version::NONE).await.map_err(|error| error.to_string())?;
    // Where the blob lies is not sealed.
    let opener = Opener::new(None);
    for event in history.iter().flat_map(|recorded| &recorded.events) {
        let decoded =
            contracts::intake::decode(&event.kind, event.schema, &event.payload, &event.id, &opener);
        let named = match decoded.map_err(|error| error.to_string())? {
            IntakeEvent::Accepted(accepted) => blob_of(&accepted.raw),
            IntakeEvent::Quarantined(quarantined) => quarantined.delivery.as_ref().and_then(blob_of),
            IntakeEvent::Duplicated(_)
            | IntakeEvent::Released(_)
            | IntakeEvent::Discarded(_)
            | IntakeEvent::Refused(_)
            | IntakeEvent::Named(_) => None,
        };
        if named.as_ref() == Some(digest) {
            return Ok(true);
        }
    }
    Ok(false)
}
