//! How much of what is not believed is kept: a bound, so that a forged flood fills neither disk nor memory.

use std::collections::HashMap;

use domain::ids::ConnectionId;
use domain::time::Timestamp;
use parking_lot::Mutex;

/// Deliveries kept with their content: so many at once, per connection.
const CONTENT_BURST: f64 = 200.0;
/// Deliveries kept with their content, per second and connection, in the long run.
const CONTENT_PER_SECOND: f64 = 1.0;
/// Deliveries recorded at all (reason and hash): so many at once, per connection.
const RECORD_BURST: f64 = 2_000.0;
/// Deliveries recorded at all, per second and connection, in the long run.
const RECORD_PER_SECOND: f64 = 20.0;

/// What may be kept of one refused delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Reason, hash and content.
    Content,
    /// Reason and hash.
    Record,
    /// Only a counter.
    Nothing,
}

/// Two token buckets a connection. Connections come from the configuration, so their number is bounded.
#[derive(Default)]
pub struct Quarantine {
    buckets: Mutex<HashMap<ConnectionId, Buckets>>,
}

struct Buckets {
    content: f64,
    record: f64,
    filled_at: Timestamp,
}

impl Quarantine {
    /// Takes one delivery's share.
    pub fn admit(&self, connection: &ConnectionId, now: Timestamp) -> Keep {
        let mut all = self.buckets.lock();
        let buckets = all.entry(connection.clone()).or_insert(Buckets {
            content: CONTENT_BURST,
            record: RECORD_BURST,
            filled_at: now,
        });
        let seconds = now.since(buckets.filled_at).as_secs_f64();
        buckets.content = (buckets.content + seconds * CONTENT_PER_SECOND).min(CONTENT_BURST);
        buckets.record = (buckets.record + seconds * RECORD_PER_SECOND).min(RECORD_BURST);
        buckets.filled_at = now;
        if buckets.record < 1.0 {
            return Keep::Nothing;
        }
        buckets.record -= 1.0;
        if buckets.content < 1.0 {
            return Keep::Record;
        }
        buckets.content -= 1.0;
        Keep::Content
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(quarantine: &Quarantine, connection: &str, times: usize, at: i64) -> Vec<Keep> {
        let connection = connection.parse().unwrap();
        (0..times).map(|_| quarantine.admit(&connection, Timestamp(at))).collect()
    }

    #[test]
    fn a_flood_keeps_a_bounded_number_of_bodies_and_records() {
        let kept = admitted(&Quarantine::default(), "atlas-main", 10_000, 0);
        assert_eq!(kept.iter().filter(|keep| **keep == Keep::Content).count(), 200);
        assert_eq!(kept.iter().filter(|keep| **keep == Keep::Record).count(), 1_800);
        assert_eq!(kept.last(), Some(&Keep::Nothing));
    }

    #[test]
    fn room_comes_back_with_time() {
        let quarantine = Quarantine::default();
        admitted(&quarantine, "atlas-main", 5_000, 0);
        assert_eq!(admitted(&quarantine, "atlas-main", 1, 1_000), [Keep::Content]);
    }

    #[test]
    fn a_flood_on_one_connection_takes_no_room_from_another() {
        let quarantine = Quarantine::default();
        admitted(&quarantine, "atlas-main", 5_000, 0);
        assert_eq!(admitted(&quarantine, "hubspot-main", 1, 0), [Keep::Content]);
    }
}
