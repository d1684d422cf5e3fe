//! One quarantined delivery as the log has it.

use std::net::IpAddr;

use contracts::intake::{IntakeEvent, Quarantined, Raw, Released, quarantine_group};
use contracts::seal::Opener;
use contracts::wire::verification as wire;
use domain::ids::{ConnectionId, TenantId};
use event_log::{BlobError, Category, DataKey, Entity, EventLog, ReadError, RecordedEvent, Version};
use tonic::Status;

/// What became of it.
#[derive(Clone, Debug)]
pub enum Settled {
    /// It verified after all.
    Released(Released),
    /// It was given up.
    Discarded,
}

/// A quarantined delivery.
pub struct Entry {
    /// Its entity; the id is the operator's handle.
    pub entity: Entity,
    /// The version at which it was read.
    pub version: Version,
    /// What is known of it without its key; the content is told by [`Entry::content`].
    pub quarantined: Quarantined,
    /// What became of it, if anything.
    pub settled: Option<Settled>,
    /// The fact that it was quarantined, with its content sealed.
    fact: RecordedEvent,
}

impl Entry {
    /// Reads the delivery `id` of a connection.
    ///
    /// # Errors
    /// `NotFound` for any id that is not one of a quarantined delivery of this connection.
    pub async fn read(
        log: &EventLog,
        tenant: &TenantId,
        connection: &ConnectionId,
        id: &str,
    ) -> Result<Entry, Status> {
        let entity = Entity::new(Category::Intake, tenant, id).map_err(|_| missing())?;
        let entry = Entry::at(log, entity).await?;
        if entry.quarantined.connection == *connection { Ok(entry) } else { Err(missing()) }
    }

    /// Reads the delivery that this entity is. Its content stays sealed.
    ///
    /// # Errors
    /// `NotFound` if it is no quarantined delivery; `Internal` if it makes no sense; `Unavailable`.
    pub async fn at(log: &EventLog, entity: Entity) -> Result<Entry, Status> {
        let recorded = log.read(&entity, Version(0)).await.map_err(unread)?;
        let version = recorded.last().map_or(Version(0), |commit| commit.version);
        let mut events = recorded.into_iter().flat_map(|commit| commit.events);
        let fact = events.next().ok_or_else(missing)?;
        let sealed = Opener::new(None);
        let IntakeEvent::Quarantined(quarantined) = decode(&fact, &sealed)? else { return Err(missing()) };
        let mut settled = None;
        for event in events {
            settled = match decode(&event, &sealed)? {
                IntakeEvent::Released(released) => Some(Settled::Released(released)),
                IntakeEvent::Discarded(_) => Some(Settled::Discarded),
                IntakeEvent::Accepted(_)
                | IntakeEvent::Duplicated(_)
                | IntakeEvent::Quarantined(_)
                | IntakeEvent::Refused(_)
                | IntakeEvent::Named(_) => settled,
            };
        }
        Ok(Entry { entity, version, quarantined, settled, fact })
    }

    /// The delivery as it came, with its sender's address; `None` when it was not kept, is erased, or is about to be
    /// because it is settled.
    ///
    /// # Errors
    /// `Unavailable`; `Internal` if the content is lost or does not open.
    pub async fn content(&self, log: &EventLog) -> Result<Option<wire::Delivery>, Status> {
        if self.settled.is_some() || self.quarantined.delivery.is_none() {
            return Ok(None);
        }
        let key = log.keys().find(&self.quarantined.key_group).await.map_err(unread)?;
        let opener = Opener::new(key.as_ref().map(DataKey::as_bytes));
        let IntakeEvent::Quarantined(quarantined) = decode(&self.fact, &opener)? else { return Ok(None) };
        let Some(raw) = quarantined.delivery else { return Ok(None) };
        let blobs = log.blobs();
        let get = |digest| async move {
            let blob = blobs.get(&digest).await.map_err(|error| Refused(unread(error)))?;
            blob.ok_or_else(|| Refused(Status::internal("the blob of the delivery is gone")))
        };
        let clear = raw.reveal(&self.fact.id, &opener, get).await.map_err(|Refused(status)| status)?;
        clear.map(|clear| contracts::wire::decode(&clear).map_err(internal)).transpose()
    }

    /// Destroys the key of its content, and a large content itself. In the first version all of a connection shared one
    /// key, which is left alone. May run twice.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn erase(&self, log: &EventLog) -> Result<(), Status> {
        let group = &self.quarantined.key_group;
        if *group == quarantine_group(&self.quarantined.connection) || self.quarantined.content_bytes == 0 {
            return Ok(());
        }
        // Destroying is a durable write: once is enough.
        if log.keys().find(group).await.map_err(unread)?.is_some() {
            log.keys().destroy(group).await.map_err(unread)?;
        }
        // Sealed with a nonce of its own: nobody else has the same bytes.
        match &self.quarantined.delivery {
            Some(Raw::Stored { digest, .. }) => log.blobs().delete(digest).await.map_err(unread),
            Some(Raw::Inline(_) | Raw::Erased) | None => Ok(()),
        }
    }

    /// What is told of it.
    pub fn to_wire(&self, expires_at_ms: i64) -> wire::QuarantinedDelivery {
        let state = match &self.settled {
            None => wire::QuarantineState::Waiting,
            Some(Settled::Released(_)) => wire::QuarantineState::Released,
            Some(Settled::Discarded) => wire::QuarantineState::Discarded,
        };
        wire::QuarantinedDelivery {
            quarantine_id: self.entity.id().to_owned(),
            connection: self.quarantined.connection.to_string(),
            reason: self.quarantined.reason.code().to_owned(),
            bytes: self.quarantined.bytes,
            sha256: self.quarantined.sha256.0.to_vec(),
            received_at_ms: self.quarantined.received_at.0,
            content_bytes: self.quarantined.content_bytes,
            expires_at_ms,
            state: state.into(),
        }
    }
}

/// The address of the sender, as far as one is known.
pub fn peer(delivery: &wire::Delivery) -> Option<IpAddr> {
    delivery.peer_ip.parse().ok()
}

/// A refusal on its way to the caller.
struct Refused(Status);

impl From<contracts::DecodeError> for Refused {
    fn from(error: contracts::DecodeError) -> Self {
        Refused(internal(error))
    }
}

pub fn missing() -> Status {
    Status::not_found("quarantine_id: no such delivery; list the quarantine for ids")
}

fn decode(event: &RecordedEvent, opener: &Opener) -> Result<IntakeEvent, Status> {
    contracts::intake::decode(&event.kind, event.schema, &event.payload, &event.id, opener).map_err(internal)
}

/// `Internal` for what makes no sense however often it is read, `Unavailable` for what may be read later.
fn unread(error: impl Into<BlobError>) -> Status {
    let error = error.into();
    match error {
        BlobError::Store(ReadError::Unavailable(_)) => unavailable(error),
        BlobError::Store(ReadError::Corrupt(_) | ReadError::TooLong { .. }) | BlobError::TooLarge { .. } => {
            Status::internal(error.to_string())
        }
    }
}

pub fn internal(error: contracts::DecodeError) -> Status {
    Status::internal(error.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "it stands where map_err hands errors over")]
pub fn unavailable(error: impl ToString) -> Status {
    Status::unavailable(error.to_string())
}
