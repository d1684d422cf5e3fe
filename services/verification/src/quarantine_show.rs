//! One quarantined delivery with its content, for an operator.

use contracts::intake::{IntakeEvent, Raw, quarantine_group};
use contracts::seal::Opener;
use contracts::wire::verification as wire;
use domain::ids::{ConnectionId, TenantId};
use event_log::{Category, DataKey, Entity, EventLog, RecordedEvent, Version};
use tonic::Status;

/// The delivery, read from the log.
pub async fn show(
    log: &EventLog,
    tenant: &TenantId,
    connection: &ConnectionId,
    quarantine_id: &str,
) -> Result<wire::GetQuarantinedResponse, Status> {
    let missing = || Status::not_found("quarantine_id: no such delivery; list the quarantine for ids");
    let entity = Entity::new(Category::Intake, tenant, quarantine_id).map_err(|_| missing())?;
    let recorded =
        log.read(&entity, Version(0)).await.map_err(|error| Status::unavailable(error.to_string()))?;
    let event = recorded.first().and_then(|recorded| recorded.events.first()).ok_or_else(missing)?;

    let key = log.keys().find(&quarantine_group(connection)).await;
    let key = key.map_err(|error| Status::unavailable(error.to_string()))?;
    let opener = Opener::new(key.as_ref().map(DataKey::as_bytes));
    let fact = contracts::intake::decode(&event.kind, event.schema, &event.payload, &event.id, &opener);
    let IntakeEvent::Quarantined(quarantined) = fact.map_err(internal)? else { return Err(missing()) };
    if quarantined.connection != *connection {
        return Err(missing());
    }
    let content = match quarantined.delivery {
        Some(raw) => content(log, event, &opener, raw).await?,
        None => None,
    };
    Ok(wire::GetQuarantinedResponse {
        quarantined: Some(wire::QuarantinedDelivery {
            quarantine_id: quarantine_id.to_owned(),
            connection: connection.to_string(),
            reason: quarantined.reason.code().to_owned(),
            bytes: quarantined.bytes,
            sha256: quarantined.sha256.0.to_vec(),
            received_at_ms: quarantined.received_at.0,
            content_bytes: quarantined.content_bytes,
            ..Default::default()
        }),
        content,
    })
}

async fn content(
    log: &EventLog,
    event: &RecordedEvent,
    opener: &Opener,
    raw: Raw,
) -> Result<Option<wire::Delivery>, Status> {
    let blobs = log.blobs();
    let get = |digest| async move {
        let blob =
            blobs.get(&digest).await.map_err(|error| Refused(Status::unavailable(error.to_string())))?;
        blob.ok_or_else(|| Refused(Status::internal("the blob of the delivery is gone")))
    };
    let clear = raw.reveal(&event.id, opener, get).await.map_err(|Refused(status)| status)?;
    clear.map(|clear| contracts::wire::decode(&clear).map_err(internal)).transpose()
}

/// A refusal on its way to the caller.
struct Refused(Status);

impl From<contracts::DecodeError> for Refused {
    fn from(error: contracts::DecodeError) -> Self {
        Refused(internal(error))
    }
}

fn internal(error: contracts::DecodeError) -> Status {
    Status::internal(error.to_string())
}
