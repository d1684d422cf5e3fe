//! How facts of the intake reach the log: large bytes aside, one commit a fact.

use contracts::intake::{IntakeEvent, Raw};
use contracts::seal::Sealer;
use domain::ids::{CommandId, EventId};
use domain::time::Timestamp;
use event_log::{AppendError, Commit, EventLog, NewEvent, TraceContext};

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
