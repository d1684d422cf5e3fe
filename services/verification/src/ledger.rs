//! The ledger: a read model of the category intake. The quarantine and the use of keys are further tables of it.

use std::time::Duration;

use contracts::intake::{Accepted, Duplicated, IntakeEvent};
use contracts::seal::Opener;
use contracts::wire::verification as wire;
use domain::ids::ConnectionId;
use domain::intake::{Meaning, NoMeaning};
use domain::time::Timestamp;
use event_log::{Position, Recorded};
use ledger::names;
use projection::{Projection, ProjectionError, Rows, View, ViewError};
use tonic::Status;

use crate::keys;
use crate::parked::Parked;
use crate::quarantine::view;

/// One row a connection.
const LEDGER: &str = "ledger";
/// Longest wait for the projection.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Reads of a view that moves on while it is read, before its movement is put up with.
const READS_MAX: usize = 20;
/// Most connections a ledger shows.
const CONNECTIONS_MAX: usize = 1_000;

/// Counts what came in.
#[derive(Debug)]
pub struct LedgerView;

impl View for LedgerView {
    fn name(&self) -> &'static str {
        "verification"
    }

    fn version(&self) -> u32 {
        5
    }

    fn apply(&self, recorded: &Recorded, rows: &mut Rows<'_>) -> Result<(), ViewError> {
        for event in &recorded.events {
            // Without a key: the ledger holds nothing personal.
            let (kind, opener) = (&event.kind, Opener::new(None));
            let fact = contracts::intake::decode(kind, event.schema, &event.payload, &event.id, &opener);
            match fact.map_err(ViewError::undecodable)? {
                IntakeEvent::Accepted(accepted) => {
                    keys::accepted(&accepted, rows)?;
                    count_accepted(&accepted, rows)?;
                }
                IntakeEvent::Duplicated(duplicated) => {
                    keys::duplicated(&duplicated, rows)?;
                    let Duplicated { connection, received_at, times, .. } = duplicated;
                    let repeated = i64::from(times);
                    let counts = [(names::RECEIVED, repeated), (names::DUPLICATE, repeated)];
                    ledger::count(rows, &connection, received_at, &counts)?;
                    change(&connection, received_at, rows, |line| {
                        line.received += u64::from(times);
                        line.duplicate += u64::from(times);
                    })?;
                }
                IntakeEvent::Quarantined(quarantined) => {
                    view::enters(recorded, &quarantined, rows)?;
                    let (connection, at) = (&quarantined.connection, quarantined.received_at);
                    ledger::count(rows, connection, at, &[(names::RECEIVED, 1), (names::QUARANTINED, 1)])?;
                    change(&quarantined.connection, quarantined.received_at, rows, |line| {
                        line.received += 1;
                        line.quarantined += 1;
                    })?;
                }
                // Its signals are counted as they are appended; the delivery itself is not in quarantine any more.
                IntakeEvent::Released(released) => {
                    view::leaves(recorded, &released.connection, released.content_bytes, rows)?;
                    let (connection, at) = (&released.connection, released.received_at);
                    ledger::count(rows, connection, at, &[(names::RECEIVED, -1), (names::RELEASED, 1)])?;
                    change(&released.connection, released.received_at, rows, |line| {
                        line.received -= 1;
                        line.quarantined -= 1;
                    })?;
                }
                IntakeEvent::Discarded(discarded) => {
                    view::leaves(recorded, &discarded.connection, discarded.content_bytes, rows)?;
                    let (connection, at) = (&discarded.connection, discarded.received_at);
                    ledger::count(rows, connection, at, &[(names::DISCARDED, 1)])?;
                }
                // No signal: one more name of one that is counted as it is appended.
                IntakeEvent::Named(_) => {}
                IntakeEvent::Refused(refused) => {
                    let times = i64::try_from(refused.times).unwrap_or(i64::MAX);
                    let counts = [(names::RECEIVED, times), (names::REFUSED, times)];
                    ledger::count(rows, &refused.connection, refused.received_at, &counts)?;
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
    let meaning = match &accepted.meaning {
        Meaning::Envelope(_) => names::ENVELOPE_NEWS.to_owned(),
        Meaning::Record(_) => names::RECORD_CHANGES.to_owned(),
        Meaning::Nothing(why) => format!("{}{}", names::NOTHING, why.code()),
    };
    let mut counts = vec![(names::RECEIVED, 1), (names::ACCEPTED, 1), (meaning.as_str(), 1)];
    if accepted.replayed {
        counts.push((names::REPLAYED, 1));
    }
    ledger::count(rows, &accepted.connection, accepted.received_at, &counts)?;
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

/// The ledger, as far as the caller asks for at least.
pub async fn answer(
    ledger: &Projection<LedgerView>,
    parked: &Parked,
    request: &wire::GetLedgerRequest,
) -> Result<wire::GetLedgerResponse, Status> {
    ledger.wait_for(Position(request.min_position), WAIT_MAX).await.map_err(unavailable)?;
    let (mut position, mut tallies) = (ledger.position(), Vec::new());
    for _ in 0..READS_MAX {
        tallies = ::ledger::tallies(ledger, &request.connection, request.since_ms).map_err(book)?;
        let now = ledger.position();
        if now == position {
            break;
        }
        position = now;
    }
    tallies.extend(parked.tallies(&request.connection, request.since_ms).await.map_err(book)?);
    let mut lines = Vec::new();
    for row in
        ledger.scan(LEDGER, request.connection.as_bytes(), CONNECTIONS_MAX, None).map_err(unavailable)?
    {
        let line: wire::LedgerLine = contracts::wire::decode(&row.value).map_err(internal)?;
        if request.connection.is_empty() || request.connection == line.connection {
            lines.push(line);
        }
    }
    Ok(wire::GetLedgerResponse { lines, position: position.0, tallies })
}

fn book(error: ledger::DeskError) -> Status {
    Status::unavailable(error.to_string())
}

fn unavailable(error: ProjectionError) -> Status {
    Status::unavailable(error.to_string())
}

fn internal(error: contracts::DecodeError) -> Status {
    Status::internal(error.to_string())
}
