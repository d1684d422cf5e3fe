//! The quarantine as a read model: what waits, newest first for people and oldest first for work, and how large it is.

use contracts::intake::Quarantined;
use contracts::wire::verification as wire;
use domain::ids::{ConnectionId, TenantId};
use event_log::Recorded;
use projection::{Projection, ProjectionError, Rows, ViewError};
use tonic::Status;

use super::entry::{internal, unavailable};
use crate::ledger::LedgerView;

/// One row a waiting delivery: connection, zero byte, position counted down, so that the newest come first.
const NEWEST: &str = "quarantine";
/// The same in the order of receipt: connection, zero byte, time of receipt, position.
const OLDEST: &str = "quarantine-oldest";
/// From the id of a waiting delivery to its keys in the two others: position, then time of receipt.
const PLACE: &str = "quarantine-place";
/// One row a connection: how many bytes of content wait.
const SIZE: &str = "quarantine-size";
/// One row a connection and a tenant that it had when something of it was quarantined: connection, zero byte, tenant.
const TENANTS: &str = "quarantine-tenants";
/// Tenants that one connection may have had, and connections told of.
const ROWS_MAX: usize = 10_000;
/// Most entries on a page, and how many when the caller does not say.
const PAGE: (u32, u32) = (1_000, 100);

/// Lists a delivery that waits from now on.
pub fn enters(recorded: &Recorded, quarantined: &Quarantined, rows: &mut Rows<'_>) -> Result<(), ViewError> {
    let entry = wire::QuarantinedDelivery {
        quarantine_id: recorded.entity.id().to_owned(),
        connection: quarantined.connection.to_string(),
        reason: quarantined.reason.code().to_owned(),
        bytes: quarantined.bytes,
        sha256: quarantined.sha256.0.to_vec(),
        received_at_ms: quarantined.received_at.0,
        content_bytes: quarantined.content_bytes,
        expires_at_ms: 0,
        state: wire::QuarantineState::Waiting.into(),
    };
    let place = Place { position: recorded.position.0, received_at_ms: quarantined.received_at.0 };
    let encoded = contracts::wire::encode(&entry);
    rows.put(NEWEST, &place.newest(&quarantined.connection), encoded.clone())?;
    rows.put(OLDEST, &place.oldest(&quarantined.connection), encoded)?;
    rows.put(PLACE, recorded.entity.id().as_bytes(), place.to_bytes())?;
    let tenant = recorded.entity.tenant();
    rows.put(TENANTS, &[&prefix(&quarantined.connection), tenant.as_str().as_bytes()].concat(), [])?;
    grow(&quarantined.connection, rows, |size| size.saturating_add(quarantined.content_bytes))
}

/// Takes a delivery off the list: it was released or given up.
pub fn leaves(
    recorded: &Recorded,
    connection: &ConnectionId,
    content_bytes: u64,
    rows: &mut Rows<'_>,
) -> Result<(), ViewError> {
    let id = recorded.entity.id().as_bytes();
    let Some(place) = rows.get(PLACE, id)?.as_deref().and_then(Place::from_bytes) else { return Ok(()) };
    rows.remove(NEWEST, &place.newest(connection))?;
    rows.remove(OLDEST, &place.oldest(connection))?;
    rows.remove(PLACE, id)?;
    grow(connection, rows, |size| size.saturating_sub(content_bytes))
}

fn grow(
    connection: &ConnectionId,
    rows: &mut Rows<'_>,
    change: impl FnOnce(u64) -> u64,
) -> Result<(), ViewError> {
    let key = connection.as_str().as_bytes();
    let size = change(rows.get(SIZE, key)?.as_deref().map_or(0, number));
    rows.put(SIZE, key, size.to_be_bytes())
}

/// Where a waiting delivery stands in the lists.
#[derive(Clone, Copy)]
struct Place {
    position: u64,
    received_at_ms: i64,
}

impl Place {
    fn newest(self, connection: &ConnectionId) -> Vec<u8> {
        [&prefix(connection), (u64::MAX - self.position).to_be_bytes().as_slice()].concat()
    }

    fn oldest(self, connection: &ConnectionId) -> Vec<u8> {
        // With the sign turned round, so that bytes and numbers have one order.
        let time = self.received_at_ms.cast_unsigned() ^ (1 << 63);
        [&prefix(connection), time.to_be_bytes().as_slice(), &self.position.to_be_bytes()].concat()
    }

    fn to_bytes(self) -> Vec<u8> {
        [self.position.to_be_bytes(), self.received_at_ms.to_be_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (position, time) = bytes.split_first_chunk::<8>()?;
        let received_at_ms = i64::from_be_bytes(time.try_into().ok()?);
        Some(Self { position: u64::from_be_bytes(*position), received_at_ms })
    }
}

fn prefix(connection: &ConnectionId) -> Vec<u8> {
    [connection.as_str().as_bytes(), &[0]].concat()
}

fn number(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_be_bytes)
}

/// One page of what waits, newest first.
///
/// # Errors
/// A token that is none; a view that is being rebuilt.
pub fn page(
    view: &Projection<LedgerView>,
    request: &wire::ListQuarantineRequest,
) -> Result<wire::ListQuarantineResponse, Status> {
    let prefix = match request.connection.as_str() {
        "" => Vec::new(),
        connection => [connection.as_bytes(), &[0]].concat(),
    };
    let wanted = if request.page_size == 0 { PAGE.1 } else { request.page_size.min(PAGE.0) };
    let (deliveries, next_page_token) = read(view, NEWEST, &prefix, wanted, &request.page_token)?;
    Ok(wire::ListQuarantineResponse { deliveries, next_page_token })
}

/// One page of what waits of a connection, in the order of receipt, and the token of the next.
///
/// # Errors
/// As [`page`].
pub fn oldest(
    view: &Projection<LedgerView>,
    connection: &ConnectionId,
    wanted: u32,
    token: &str,
) -> Result<(Vec<wire::QuarantinedDelivery>, String), Status> {
    read(view, OLDEST, &prefix(connection), wanted, token)
}

/// How many bytes of content wait.
///
/// # Errors
/// While the view is being rebuilt.
pub fn size(view: &Projection<LedgerView>, connection: &ConnectionId) -> Result<u64, ProjectionError> {
    Ok(view.get(SIZE, connection.as_str().as_bytes())?.as_deref().map_or(0, number))
}

/// The tenants that a connection had when something of it was quarantined; none if nothing ever was.
///
/// # Errors
/// While the view is being rebuilt.
pub fn tenants(
    view: &Projection<LedgerView>,
    connection: &ConnectionId,
) -> Result<Vec<TenantId>, ProjectionError> {
    let prefix = prefix(connection);
    let rows = view.scan(TENANTS, &prefix, ROWS_MAX, None)?;
    let tenants =
        rows.iter().filter_map(|row| std::str::from_utf8(row.key.get(prefix.len()..)?).ok()?.parse().ok());
    Ok(tenants.collect())
}

/// Every connection of which something was quarantined ever, whether it is configured still or not.
///
/// # Errors
/// While the view is being rebuilt.
pub fn connections(view: &Projection<LedgerView>) -> Result<Vec<ConnectionId>, ProjectionError> {
    let rows = view.scan(SIZE, &[], ROWS_MAX, None)?;
    Ok(rows.iter().filter_map(|row| std::str::from_utf8(&row.key).ok()?.parse().ok()).collect())
}

fn read(
    view: &Projection<LedgerView>,
    table: &'static str,
    prefix: &[u8],
    wanted: u32,
    token: &str,
) -> Result<(Vec<wire::QuarantinedDelivery>, String), Status> {
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    let after = match token {
        "" => None,
        token => Some(hex::decode(token).map_err(|_| {
            Status::invalid_argument("page_token: not a token of an earlier page; start again without one")
        })?),
    };
    let rows = view.scan(table, prefix, wanted.saturating_add(1), after.as_deref()).map_err(unavailable)?;
    let more = rows.len() > wanted;
    let shown = rows.iter().take(wanted);
    let next = shown.clone().next_back().filter(|_| more).map(|row| hex::encode(&row.key));
    let deliveries = shown.map(|row| contracts::wire::decode(&row.value).map_err(internal));
    Ok((deliveries.collect::<Result<_, _>>()?, next.unwrap_or_default()))
}
