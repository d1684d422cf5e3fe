//! Signals with two names: whichever of the two somebody comes by, it is the same signal.
//!
//! A vendor may name a delivery anew when it is asked for it later, and an older account not name it at all; then only
//! the body tells that it is the same. Where a signal has a second name, the entity of that name says first under which
//! name the signal stands, and only then the signal is stored there. The log lets one such saying win, so of any number
//! of deliveries that share a body one is new. Who dies in between leaves a name that leads to a place where nothing
//! stands yet: the next one by either name stores it right there.

use contracts::intake::{IntakeEvent, Named};
use contracts::seal::{Opener, Sealer};
use domain::envelope::Digest;
use domain::ids::CommandId;
use domain::intake::Signal;
use event_log::{
    AppendError, Category, Entity, EntityError, EventLog, Expected, ReadError, Version, event_id,
};
use runtime::random::derive_id;
use sha2::{Digest as _, Sha256};

use crate::append::{StoreError, commit};
use crate::signals::Proved;

/// The names of one signal, as they stand in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    /// The first; told as known, it is told under this one.
    pub own: Digest,
    also: Option<Digest>,
}

/// Where a signal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Under this name, or nowhere yet: then it belongs there.
    Under(Digest),
    /// Under a name that was stored without any other.
    Stored,
}

impl Names {
    /// Scoped to the connection: two accounts may give two things the same id.
    pub fn of(signal: &Signal, proved: &Proved<'_>) -> Self {
        let digest = |name: &str| {
            let connection = proved.delivery.connection.as_str();
            let hash = Sha256::new().chain_update(connection).chain_update(b"\0").chain_update(name);
            Digest(hash.finalize().into())
        };
        let own = digest(&signal.dedupe);
        Self { own, also: signal.also.as_deref().map(digest) }
    }

    /// Where the signal belongs, made known under its second name before anything is stored.
    ///
    /// # Errors
    /// When the log takes no writes or does not answer.
    pub async fn place(&self, log: &EventLog, proved: &Proved<'_>) -> Result<Place, StoreError> {
        let Some(also) = self.also.filter(|also| *also != self.own) else {
            return Ok(Place::Under(self.own));
        };
        let entity = entity(proved, &also)?;
        // The same pair of names is said once, whoever says it.
        let parts = [entity.id(), &hex::encode(self.own.0)];
        let command = CommandId::from_bytes(derive_id("intake named", &parts));
        let id = event_id(&command, 0);
        let at = proved.delivery.received_at;
        let event = IntakeEvent::Named(Named {
            connection: proved.delivery.connection.clone(),
            dedupe: also,
            signal: self.own,
            received_at: at,
        });
        // Nothing in it is sealed, so no key is needed.
        let commit = commit(command, &id, &event, &Sealer::new(&[0; 32]), at, proved.trace, entity.id());
        match log.append(&entity, Expected::Absent, commit).await {
            Ok(_) => Ok(Place::Under(self.own)),
            Err(AppendError::Conflict { .. }) => led(log, &entity).await,
            Err(error) => Err(error.into()),
        }
    }

    /// Where the signal belongs whose own name is taken: it may be the second name of one that stands elsewhere.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn taken(&self, log: &EventLog, proved: &Proved<'_>) -> Result<Place, StoreError> {
        // Only a second name leads anywhere.
        if self.also == Some(self.own) {
            led(log, &entity(proved, &self.own)?).await
        } else {
            Ok(Place::Stored)
        }
    }
}

/// Where the first fact of a name leads.
async fn led(log: &EventLog, entity: &Entity) -> Result<Place, StoreError> {
    let history = match log.read(entity, Version::NONE).await {
        Ok(history) => history,
        // So often told as known, it is stored.
        Err(ReadError::TooLong { .. }) => return Ok(Place::Stored),
        Err(error) => return Err(error.into()),
    };
    let Some(first) = history.first().and_then(|recorded| recorded.events.first()) else {
        return Err(ReadError::Unavailable("an entity that exists shows nothing".to_owned()).into());
    };
    // A name is not sealed.
    let (kind, opener) = (&first.kind, Opener::new(None));
    Ok(match contracts::intake::decode(kind, first.schema, &first.payload, &first.id, &opener)? {
        IntakeEvent::Named(named) => Place::Under(named.signal),
        IntakeEvent::Accepted(_)
        | IntakeEvent::Duplicated(_)
        | IntakeEvent::Quarantined(_)
        | IntakeEvent::Released(_)
        | IntakeEvent::Discarded(_)
        | IntakeEvent::Refused(_) => Place::Stored,
    })
}

/// The entity of a name.
pub fn entity(proved: &Proved<'_>, name: &Digest) -> Result<Entity, EntityError> {
    Entity::new(Category::Intake, &proved.known.tenant, format!("s-{}", hex::encode(&name.0[..20])))
}
