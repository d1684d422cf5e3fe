//! Where to look: the way to an envelope by what is known of it.

use std::path::Path;
use std::time::Duration;

use contracts::ledger::{LedgerEvent, Parked};
use contracts::wire::common::RecordRef;
use domain::ids::{ConnectionId, EnvelopeId, ProviderEnvelopeId, TenantId};
use event_log::{Category, Position};
use projection::{Projection, ProjectionError};
use runtime::config::SharedConfiguration;
use tokio_util::sync::CancellationToken;

use crate::store::{ExecuteError, Store, Subject};
use crate::view::{
    EARLY, ENVELOPES, Envelopes, NAMELESS, NEWEST, OPEN, PROVIDER_IDS, RECORDS, Row, nameless_prefix,
    provider_key, record_prefix,
};

/// Kind and schema of the events that stand in the table of early arrivals.
const PARKED: &str = "ledger.signal_parked";
const PARKED_SCHEMA: u32 = 1;
/// Bytes of an envelope's id, with which every key that lists envelopes ends.
const ID_BYTES: usize = 16;
/// Open envelopes that are looked up at once at start.
const OPEN_PAGE: usize = 1000;

/// Why nothing can be looked up now.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The projection does not answer, or has not come far enough in time.
    #[error("the view of envelopes: {0}")]
    Projection(#[from] ProjectionError),
    /// A row is not what this version writes.
    #[error("CS-ORCH-004: a row of the view of envelopes is not readable")]
    Row,
    /// The log does not answer.
    #[error(transparent)]
    Log(#[from] ExecuteError),
}

/// A signal that waits for its envelope.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Whose it is.
    pub tenant: TenantId,
    /// Entity that says so.
    pub entity: String,
    /// What is known of it.
    pub parked: Parked,
}

impl Waiting {
    fn of(row: &projection::Row) -> Option<Waiting> {
        let zero = row.key.iter().position(|byte| *byte == 0)?;
        let (tenant, entity) = (row.key.get(..zero)?, row.key.get(zero + 1..)?);
        let decoded = contracts::ledger::decode(PARKED, PARKED_SCHEMA, &row.value).ok()?;
        let LedgerEvent::Parked(parked) = decoded else { return None };
        Some(Waiting {
            tenant: std::str::from_utf8(tenant).ok()?.parse().ok()?,
            entity: std::str::from_utf8(entity).ok()?.to_owned(),
            parked,
        })
    }
}

/// A cheap handle to the view of the envelopes.
#[derive(Clone)]
pub struct Directory {
    projection: Projection<Envelopes>,
    store: Store,
    configuration: SharedConfiguration,
}

impl Directory {
    /// Opens the view in `dir`; it is rebuilt from the log when it is missing or unreadable.
    ///
    /// # Errors
    /// When the directory cannot be used at all.
    pub async fn open(
        dir: &Path,
        store: Store,
        configuration: SharedConfiguration,
    ) -> Result<Directory, ProjectionError> {
        let projection = Projection::open(dir, store.log().clone(), Category::Envelopes, Envelopes).await?;
        Ok(Directory { projection, store, configuration })
    }

    /// Keeps the view up to date until `shutdown`.
    ///
    /// # Errors
    /// When the log holds a record that cannot be read.
    pub async fn run(&self, shutdown: CancellationToken) -> Result<(), ProjectionError> {
        self.projection.run(shutdown).await
    }

    /// How far the view has come.
    pub fn position(&self) -> Position {
        self.projection.position()
    }

    /// Whether the view has been level with the log since the start.
    pub fn caught_up(&self) -> bool {
        self.projection.caught_up()
    }

    /// Returns once the view has reached `position`.
    ///
    /// # Errors
    /// When it has not within `deadline`.
    pub async fn wait_for(&self, position: Position, deadline: Duration) -> Result<(), DirectoryError> {
        Ok(self.projection.wait_for(position, deadline).await?)
    }

    /// The envelope of this id. One that the view does not know yet is looked for in the log.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn subject(&self, id: &EnvelopeId) -> Result<Option<Subject>, DirectoryError> {
        if let Some(subject) = self.known(id)? {
            return Ok(Some(subject));
        }
        let current = self.configuration.current();
        for tenant in current.configuration().tenants.keys() {
            let subject = Subject { tenant: tenant.clone(), id: *id };
            if !self.store.load_sealed(&subject).await?.history.is_empty() {
                return Ok(Some(subject));
            }
        }
        Ok(None)
    }

    /// The envelope that a provider's id means, as far as the view has come.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub fn by_provider_id(
        &self,
        connection: &ConnectionId,
        id: &ProviderEnvelopeId,
    ) -> Result<Option<Subject>, DirectoryError> {
        match self.projection.get(PROVIDER_IDS, &provider_key(connection, id))? {
            Some(bytes) => self.known(&envelope_id(&bytes)?),
            None => Ok(None),
        }
    }

    /// Up to `rows_max` of the signals that wait for their envelope.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub fn early(&self, rows_max: usize) -> Result<Vec<Waiting>, DirectoryError> {
        let rows = self.projection.scan(EARLY, &[], rows_max, None)?;
        rows.iter().map(|row| Waiting::of(row).ok_or(DirectoryError::Row)).collect()
    }

    /// The view behind it, for the ledger that it keeps.
    pub const fn view(&self) -> &Projection<Envelopes> {
        &self.projection
    }

    /// Whether an open envelope of the connection has no provider id yet.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub fn has_nameless(&self, connection: &ConnectionId) -> Result<bool, DirectoryError> {
        Ok(!self.projection.scan(NAMELESS, &nameless_prefix(connection), 1, None)?.is_empty())
    }

    /// The envelopes requested before the one of `after`, newest first, each with its place in the list: all, or those
    /// of one record only.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub fn newest(
        &self,
        record: Option<&RecordRef>,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Subject)>, DirectoryError> {
        let (table, prefix) = match record {
            Some(of) => (RECORDS, record_prefix(&of.connection, &of.object_type, &of.object_id)),
            None => (NEWEST, Vec::new()),
        };
        let mut found = Vec::new();
        for projection::Row { key, .. } in self.projection.scan(table, &prefix, limit, after)? {
            let id = envelope_id(key.last_chunk::<ID_BYTES>().map_or(&[], <[u8; ID_BYTES]>::as_slice))?;
            found.push((key, self.known(&id)?.ok_or(DirectoryError::Row)?));
        }
        Ok(found)
    }

    /// Every open envelope.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub fn open_envelopes(&self) -> Result<Vec<Subject>, DirectoryError> {
        let (mut found, mut after) = (Vec::new(), None::<Vec<u8>>);
        loop {
            let page = self.projection.scan(OPEN, &[], OPEN_PAGE, after.as_deref())?;
            let last = page.len() < OPEN_PAGE;
            for projection::Row { key, .. } in page {
                found.push(self.known(&envelope_id(&key)?)?.ok_or(DirectoryError::Row)?);
                after = Some(key);
            }
            if last {
                return Ok(found);
            }
        }
    }

    /// The open envelopes of a connection after the one named, by id: at most `limit`.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub fn open_of(
        &self,
        connection: &ConnectionId,
        after: Option<EnvelopeId>,
        limit: usize,
    ) -> Result<Vec<Subject>, DirectoryError> {
        let (mut found, mut after) = (Vec::new(), after.map(|id| id.as_bytes().to_vec()));
        while found.len() < limit {
            let page = self.projection.scan(OPEN, &[], OPEN_PAGE, after.as_deref())?;
            let last = page.len() < OPEN_PAGE;
            for projection::Row { key, .. } in page {
                let id = envelope_id(&key)?;
                let row = self.row(&id)?.ok_or(DirectoryError::Row)?;
                if row.connection == connection.as_str() && found.len() < limit {
                    found.push(row.subject(id).ok_or(DirectoryError::Row)?);
                }
                after = Some(key);
            }
            if last {
                break;
            }
        }
        Ok(found)
    }

    fn known(&self, id: &EnvelopeId) -> Result<Option<Subject>, DirectoryError> {
        self.row(id)?.map(|row| row.subject(*id).ok_or(DirectoryError::Row)).transpose()
    }

    fn row(&self, id: &EnvelopeId) -> Result<Option<Row>, DirectoryError> {
        let Some(bytes) = self.projection.get(ENVELOPES, id.as_bytes())? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|_| DirectoryError::Row)
    }
}

fn envelope_id(bytes: &[u8]) -> Result<EnvelopeId, DirectoryError> {
    bytes.try_into().map(EnvelopeId::from_bytes).map_err(|_| DirectoryError::Row)
}
