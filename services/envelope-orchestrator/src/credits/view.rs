//! The rows: one per envelope, one per connection and minute, one per connection.

use contracts::envelope as codec;
use contracts::seal::Opener;
use domain::credits::{Count, Fare, Movement};
use domain::envelope::{Envelope, Event, HoldReason, evolve};
use domain::time::Timestamp;
use event_log::{Recorded, RecordedEvent};
use projection::{Rows, View, ViewError};

use crate::store::Subject;

/// Envelope id → its fare and its connection.
const FARES: &str = "fares";
/// Connection, zero byte, minute → what moved within it.
pub const MINUTES: &str = "minutes";
/// Connection → [`Last`].
pub const LAST: &str = "last";
/// A minute, in milliseconds.
pub const MINUTE: i64 = 60_000;

const PAID: u8 = 1;
const TOUCHED: u8 = 2;

/// The view over the category envelopes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spending;

/// What is known of a connection beside its minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Last {
    /// When an envelope last paid.
    pub spent_at: Option<Timestamp>,
    /// When a send was last refused for want of credits.
    pub refused_at: Option<Timestamp>,
    /// Everything that ever moved.
    pub ever: Count,
}

impl View for Spending {
    fn name(&self) -> &'static str {
        "credits"
    }

    fn version(&self) -> u32 {
        1
    }

    fn apply(&self, recorded: &Recorded, rows: &mut Rows<'_>) -> Result<(), ViewError> {
        let Some(Subject { id, .. }) = Subject::of(&recorded.entity) else { return Ok(()) };
        let key = id.as_bytes();
        let (before, mut connection) = rows.get(FARES, key)?.map(|bytes| fare(&bytes)).unwrap_or_default();
        let mut now = before;
        for event in &recorded.events {
            let at = event.occurred_at;
            let event = decoded(event)?;
            if let Event::Requested { .. } | Event::Adopted { .. } = &event {
                let begun = evolve(Envelope::default(), &event);
                connection = begun.provider().map(ToString::to_string).unwrap_or_default();
                rows.put(FARES, key, row(now, &connection))?;
            }
            let (after, movement) = now.after(&event);
            now = after;
            let refused = matches!(event, Event::SendHeld { reason: HoldReason::CreditsExhausted, .. });
            if movement.is_some() || refused {
                count(rows, &connection, movement, at)?;
            }
        }
        if now == before { Ok(()) } else { rows.put(FARES, key, row(now, &connection)) }
    }
}

/// Counts what moved, or a refusal where nothing did.
fn count(
    rows: &mut Rows<'_>,
    connection: &str,
    movement: Option<Movement>,
    at: Timestamp,
) -> Result<(), ViewError> {
    let key = connection.as_bytes();
    let mut last = rows.get(LAST, key)?.and_then(|bytes| Last::read(&bytes)).unwrap_or_default();
    match movement {
        None => last.refused_at = last.refused_at.max(Some(at)),
        Some(movement) => {
            let key = minute_key(connection, at);
            let mut count = rows.get(MINUTES, &key)?.and_then(|bytes| read_count(&bytes)).unwrap_or_default();
            count.add(movement);
            rows.put(MINUTES, &key, count_bytes(count))?;
            last.ever.add(movement);
            if movement == Movement::Spent {
                last.spent_at = last.spent_at.max(Some(at));
            }
        }
    }
    rows.put(LAST, key, last.bytes())
}

fn decoded(event: &RecordedEvent) -> Result<Event, ViewError> {
    codec::decode(&event.kind, event.schema, &event.payload, &event.id, &Opener::new(None))
        .map_err(ViewError::undecodable)
}

fn row(fare: Fare, connection: &str) -> Vec<u8> {
    let bits = if fare.paid { PAID } else { 0 } | if fare.touched { TOUCHED } else { 0 };
    [&[bits], connection.as_bytes()].concat()
}

fn fare(bytes: &[u8]) -> (Fare, String) {
    let bits = bytes.first().copied().unwrap_or_default();
    let connection = String::from_utf8_lossy(bytes.get(1..).unwrap_or_default()).into_owned();
    (Fare { paid: bits & PAID != 0, touched: bits & TOUCHED != 0 }, connection)
}

/// What every key of [`MINUTES`] of a connection begins with.
pub fn minutes_of(connection: &str) -> Vec<u8> {
    [connection.as_bytes(), &[0]].concat()
}

/// The key of [`MINUTES`] for the minute that `at` lies in.
pub fn minute_key(connection: &str, at: Timestamp) -> Vec<u8> {
    let minute = u64::try_from(floor(at)).unwrap_or(0);
    [minutes_of(connection), minute.to_be_bytes().to_vec()].concat()
}

/// The beginning of the minute that `at` lies in, in milliseconds.
pub const fn floor(at: Timestamp) -> i64 {
    at.0 - at.0.rem_euclid(MINUTE)
}

/// The beginning of a minute, and what moved within it; `None` for a row that this version did not write.
pub fn minute(key: &[u8], value: &[u8]) -> Option<(Timestamp, Count)> {
    let begin = u64::from_be_bytes(key.last_chunk::<8>().copied()?);
    Some((Timestamp(i64::try_from(begin).ok()?), read_count(value)?))
}

fn count_bytes(count: Count) -> Vec<u8> {
    [count.spent.to_be_bytes(), count.returned.to_be_bytes()].concat()
}

fn read_count(bytes: &[u8]) -> Option<Count> {
    let (spent, returned) = bytes.split_first_chunk::<8>()?;
    let returned = returned.first_chunk::<8>()?;
    Some(Count { spent: u64::from_be_bytes(*spent), returned: u64::from_be_bytes(*returned) })
}

impl Last {
    fn bytes(self) -> Vec<u8> {
        let at = |at: Option<Timestamp>| at.map_or(0, |at| at.0).to_be_bytes().to_vec();
        [at(self.spent_at), at(self.refused_at), count_bytes(self.ever)].concat()
    }

    /// `None` for a row that this version did not write.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (spent_at, rest) = bytes.split_first_chunk::<8>()?;
        let (refused_at, rest) = rest.split_first_chunk::<8>()?;
        let at = |bytes: &[u8; 8]| Some(Timestamp(i64::from_be_bytes(*bytes))).filter(|at| at.0 > 0);
        Some(Self { spent_at: at(spent_at), refused_at: at(refused_at), ever: read_count(rest)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_into_rows_is_read_back() {
        let last =
            Last { spent_at: Some(Timestamp(5)), refused_at: None, ever: Count { spent: 7, returned: 3 } };
        assert_eq!(Last::read(&last.bytes()), Some(last));
        let paid = Fare { paid: true, touched: false };
        assert_eq!(fare(&row(paid, "atlas-main")), (paid, "atlas-main".to_owned()));
        let at = Timestamp(1_800_000_012_345);
        let found = minute(&minute_key("atlas-main", at), &count_bytes(last.ever));
        assert_eq!(found, Some((Timestamp(1_800_000_000_000), last.ever)));
    }
}
