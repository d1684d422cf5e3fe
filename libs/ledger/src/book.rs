//! Counting, per connection and hour, in the rows of a projection.

use std::collections::BTreeMap;

use contracts::ledger::Settled;
use contracts::wire::ledger::{Count, Tally};
use domain::ids::ConnectionId;
use domain::time::Timestamp;
use projection::{Projection, Rows, View, ViewError};

use crate::{DeskError, names};

/// One row per connection.
const TOTALS: &str = "ledger-totals";
/// One row per connection and hour: connection, zero byte, hour counted down, so that the newest come first.
const HOURS: &str = "ledger-hours";
/// Most connections that are shown.
const CONNECTIONS_MAX: usize = 1_000;
/// Most hours of one connection that are shown.
const HOURS_MAX: usize = 2_000;

/// Milliseconds of an hour.
pub const HOUR_MS: i64 = 3_600_000;

/// The begin of the UTC hour, in milliseconds since the Unix epoch.
pub const fn hour_of(at: Timestamp) -> i64 {
    at.0.div_euclid(HOUR_MS) * HOUR_MS
}

/// Counts what was received at `at`: so many more, or fewer, of each name.
///
/// # Errors
/// When a row is not what this version writes.
pub fn count(
    rows: &mut Rows<'_>,
    connection: &ConnectionId,
    at: Timestamp,
    counts: &[(&str, i64)],
) -> Result<(), ViewError> {
    let hour = hour_of(at);
    add(rows, TOTALS, connection.as_str().as_bytes(), connection, 0, counts)?;
    add(rows, HOURS, &hour_key(connection.as_str(), hour), connection, hour, counts)
}

/// Counts a settled signal: by what became of it and by the reason, in the hour it was received.
///
/// # Errors
/// As [`count`].
pub fn count_settled(rows: &mut Rows<'_>, settled: &Settled) -> Result<(), ViewError> {
    let name = match settled.reason.as_str() {
        "" => format!("{}{}", names::SETTLED, settled.settlement.code()),
        reason => format!("{}{}.{reason}", names::SETTLED, settled.settlement.code()),
    };
    count(rows, &settled.connection, settled.received_at, &[(&name, 1)])
}

fn hour_key(connection: &str, hour: i64) -> Vec<u8> {
    let newest_first = u64::MAX - u64::try_from(hour).unwrap_or(0);
    [connection.as_bytes(), &[0], &newest_first.to_be_bytes()].concat()
}

fn add(
    rows: &mut Rows<'_>,
    table: &'static str,
    key: &[u8],
    connection: &ConnectionId,
    hour_ms: i64,
    counts: &[(&str, i64)],
) -> Result<(), ViewError> {
    let mut tally: Tally = match rows.get(table, key)? {
        Some(row) => contracts::wire::decode(&row).map_err(ViewError::undecodable)?,
        None => Tally { connection: connection.to_string(), hour_ms, counts: Vec::new() },
    };
    for (name, times) in counts {
        put(&mut tally, name, *times);
    }
    rows.put(table, key, contracts::wire::encode(&tally))
}

/// Adds to one number of a tally.
pub(crate) fn put(tally: &mut Tally, name: &str, times: i64) {
    match tally.counts.iter_mut().find(|count| count.name == name) {
        Some(count) => count.count = count.count.saturating_add_signed(times),
        None => {
            let count = 0_u64.saturating_add_signed(times);
            tally.counts.push(Count { name: name.to_owned(), count });
        }
    }
}

/// The tallies of one connection, or of all (`connection` is empty): everything together first, then the hours that
/// begin at `since_ms` or later and in which something was counted, newest first; none without `since_ms`.
///
/// # Errors
/// While the view is being rebuilt, or when a row is not what this version writes.
pub fn tallies<V: View>(
    view: &Projection<V>,
    connection: &str,
    since_ms: Option<i64>,
) -> Result<Vec<Tally>, DeskError> {
    let mut all = Vec::new();
    for row in view.scan(TOTALS, connection.as_bytes(), CONNECTIONS_MAX, None)? {
        let total: Tally = contracts::wire::decode(&row.value)?;
        if !connection.is_empty() && total.connection != connection {
            continue;
        }
        let prefix = [total.connection.as_bytes(), &[0]].concat();
        all.push(total);
        let Some(since_ms) = since_ms else { continue };
        for row in view.scan(HOURS, &prefix, HOURS_MAX, None)? {
            let hour: Tally = contracts::wire::decode(&row.value)?;
            if hour.hour_ms < since_ms {
                break;
            }
            all.push(hour);
        }
    }
    Ok(all)
}

/// Adds what waits to tallies: to everything together, and to its hour if hours are shown.
pub(crate) fn add_waiting(
    tallies: &mut Vec<Tally>,
    waiting: &BTreeMap<(String, i64, &'static str), i64>,
    since_ms: Option<i64>,
) {
    for ((connection, hour, name), times) in waiting {
        let shown = since_ms.is_some_and(|since| *hour >= since).then_some(*hour);
        for hour_ms in std::iter::once(0).chain(shown) {
            let fits = |tally: &&mut Tally| tally.connection == *connection && tally.hour_ms == hour_ms;
            match tallies.iter_mut().find(fits) {
                Some(tally) => put(tally, name, *times),
                None => {
                    let mut tally = Tally { connection: connection.clone(), hour_ms, counts: Vec::new() };
                    put(&mut tally, name, *times);
                    tallies.push(tally);
                }
            }
        }
    }
}
