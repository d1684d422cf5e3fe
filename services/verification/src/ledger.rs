//! The ledger and the list of what is in quarantine: read models of the category intake.

use std::time::Duration;

use contracts::intake::{Accepted, Duplicated, IntakeEvent, Quarantined};
use contracts::seal::Opener;
use contracts::wire::verification as wire;
use domain::ids::ConnectionId;
use domain::intake::{Meaning, NoMeaning};
use domain::time::Timestamp;
use event_log::{Position, Recorded};
use projection::{Projection, ProjectionError, Rows, View, ViewError};
use tonic::Status;

/// One row a connection.
const LEDGER: &str = "ledger";
/// One row a quarantined delivery: connection, zero byte, position counted down, so that the newest come first.
const QUARANTINE: &str = "quarantine";
/// Longest wait for the projection.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Most connections a ledger shows.
const CONNECTIONS_MAX: usize = 1_000;
/// Most entries on a page of the quarantine, and how many when the caller does not say.
const PAGE: (u32, u32) = (1_000, 100);

/// Counts what came in.
#[derive(Debug)]
pub struct LedgerView;

impl View for LedgerView {
    fn name(&self) -> &'static str {
        "verification"
    }

    fn version(&self) -> u32 {
        2
    }

    fn apply(&self, recorded: &Recorded, rows: &mut Rows<'_>) -> Result<(), ViewError> {
        for event in &recorded.events {
            // Without a key: the ledger holds nothing personal.
            let (kind, opener) = (&event.kind, Opener::new(None));
            let fact = contracts::intake::decode(kind, event.schema, &event.payload, &event.id, &opener);
            match fact.map_err(ViewError::undecodable)? {
                IntakeEvent::Accepted(accepted) => count_accepted(&accepted, rows)?,
                IntakeEvent::Duplicated(Duplicated { connection, received_at, times, .. }) => {
                    change(&connection, received_at, rows, |line| {
                        line.received += u64::from(times);
                        line.duplicate += u64::from(times);
                    })?;
                }
                IntakeEvent::Quarantined(quarantined) => {
                    list(recorded, &quarantined, rows)?;
                    change(&quarantined.connection, quarantined.received_at, rows, |line| {
                        line.received += 1;
                        line.quarantined += 1;
                    })?;
                }
                // Its signals are counted as they are appended; the delivery itself is not in quarantine any more.
                IntakeEvent::Released(released) => {
                    change(&released.connection, released.received_at, rows, |line| {
                        line.received -= 1;
                        line.quarantined -= 1;
                    })?;
                }
                IntakeEvent::Discarded(_) => {}
                IntakeEvent::Refused(refused) => {
                    change(&refused.connection, refused.received_at, rows, |line| {
                        line.received += refused.times;
                        line.quarantined += refused.times;
                    })?;
                }
            }
        }
        Ok(())
    }
}

fn count_accepted(accepted: &Accepted, rows: &mut Rows<'_>) -> Result<(), ViewError> {
    change(&accepted.connection, accepted.received_at, rows, |line| {
        line.received += 1;
        line.accepted += 1;
        match accepted.meaning {
            Meaning::Nothing(NoMeaning::Unreadable) => line.unreadable += 1,
            Meaning::Nothing(NoMeaning::UnknownEvent) => line.unknown_event += 1,
            Meaning::Nothing(NoMeaning::NotOurs) => line.not_ours += 1,
            Meaning::Envelope(_) | Meaning::Record(_) => {}
        }
    })
}

fn change(
    connection: &ConnectionId,
    at: Timestamp,
    rows: &mut Rows<'_>,
    count: impl FnOnce(&mut wire::LedgerLine),
) -> Result<(), ViewError> {
    let key = connection.as_str().as_bytes();
    let mut line = match rows.get(LEDGER, key)? {
        Some(row) => contracts::wire::decode(&row).map_err(ViewError::undecodable)?,
        None => wire::LedgerLine { connection: connection.to_string(), ..Default::default() },
    };
    count(&mut line);
    line.last_received_at_ms = line.last_received_at_ms.max(at.0);
    rows.put(LEDGER, key, contracts::wire::encode(&line))
}

fn list(recorded: &Recorded, quarantined: &Quarantined, rows: &mut Rows<'_>) -> Result<(), ViewError> {
    let entry = wire::QuarantinedDelivery {
        quarantine_id: recorded.entity.id().to_owned(),
        connection: quarantined.connection.to_string(),
        reason: quarantined.reason.code().to_owned(),
        bytes: quarantined.bytes,
        sha256: quarantined.sha256.0.to_vec(),
        received_at_ms: quarantined.received_at.0,
        content_bytes: quarantined.content_bytes,
        ..Default::default()
    };
    let newest_first = u64::MAX - recorded.position.0;
    let key = [quarantined.connection.as_str().as_bytes(), &[0], &newest_first.to_be_bytes()].concat();
    rows.put(QUARANTINE, &key, contracts::wire::encode(&entry))
}

/// The ledger, as far as the caller asks for at least.
pub async fn answer(
    ledger: &Projection<LedgerView>,
    request: &wire::GetLedgerRequest,
) -> Result<wire::GetLedgerResponse, Status> {
    ledger.wait_for(Position(request.min_position), WAIT_MAX).await.map_err(unavailable)?;
    let position = ledger.position().0;
    let mut lines = Vec::new();
    for row in
        ledger.scan(LEDGER, request.connection.as_bytes(), CONNECTIONS_MAX, None).map_err(unavailable)?
    {
        let line: wire::LedgerLine = contracts::wire::decode(&row.value).map_err(internal)?;
        if request.connection.is_empty() || request.connection == line.connection {
            lines.push(line);
        }
    }
    Ok(wire::GetLedgerResponse { lines, position })
}

/// One page of the quarantine.
pub fn page(
    ledger: &Projection<LedgerView>,
    request: &wire::ListQuarantineRequest,
) -> Result<wire::ListQuarantineResponse, Status> {
    let size = if request.page_size == 0 { PAGE.1 } else { request.page_size.min(PAGE.0) };
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let after = match request.page_token.as_str() {
        "" => None,
        token => Some(hex::decode(token).map_err(|_| {
            Status::invalid_argument("page_token: not a token of an earlier page; start again without one")
        })?),
    };
    let prefix = match request.connection.as_str() {
        "" => Vec::new(),
        connection => [connection.as_bytes(), &[0]].concat(),
    };
    let rows = ledger.scan(QUARANTINE, &prefix, size + 1, after.as_deref()).map_err(unavailable)?;
    let more = rows.len() > size;
    let shown = rows.iter().take(size);
    let next_page_token =
        shown.clone().next_back().filter(|_| more).map(|row| hex::encode(&row.key)).unwrap_or_default();
    let deliveries =
        shown.map(|row| contracts::wire::decode(&row.value).map_err(internal)).collect::<Result<_, _>>()?;
    Ok(wire::ListQuarantineResponse { deliveries, next_page_token })
}

fn unavailable(error: ProjectionError) -> Status {
    Status::unavailable(error.to_string())
}

fn internal(error: contracts::DecodeError) -> Status {
    Status::internal(error.to_string())
}
