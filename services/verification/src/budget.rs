//! How much of what is not believed is kept: a bound, so that a forged flood fills neither disk nor memory, and
//! costs no more than saying no.

use std::collections::HashMap;

use domain::ids::ConnectionId;
use domain::time::Timestamp;
use parking_lot::Mutex;
use runtime::config::QuarantineLimits;

/// Deliveries recorded one by one: so many at once, per connection.
const RECORDS_BURST: f64 = 1_000.0;
/// Deliveries recorded one by one, per second and connection, in the long run.
const RECORDS_PER_SECOND: f64 = 20.0;
/// What a record takes on the disk beside its content, in bytes: generous.
const RECORD_BYTES: f64 = 1024.0;
/// Refusals that are spoken of in the log of the process: so many at once, per connection.
const WORDS_BURST: f64 = 10.0;
/// The same, per second, in the long run.
const WORDS_PER_SECOND: f64 = 0.2;

/// What may be kept of one refused delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Reason, hash and content.
    Content,
    /// Reason and hash.
    Record,
    /// Only its number.
    Number,
}

/// What a refused delivery may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// How much of it is kept.
    pub keep: Keep,
    /// Whether it is spoken of.
    pub aloud: bool,
}

/// Token buckets a connection. Connections come from the configuration, so their number is bounded.
///
/// Bytes come back at the rate at which the quarantine forgets: over any time as long as a delivery is kept, at most
/// twice the quarantine's size is written, whatever is sent. Beside it stands only what was answered 200 while
/// verification could not be asked: its number is bounded by what ingress parks.
#[derive(Default)]
pub struct Budget {
    buckets: Mutex<HashMap<ConnectionId, Buckets>>,
}

struct Buckets {
    records: f64,
    bytes: f64,
    words: f64,
    filled_at: Timestamp,
}

impl Budget {
    /// Takes the share of one delivery with so many bytes of content.
    pub fn admit(
        &self,
        connection: &ConnectionId,
        limits: &QuarantineLimits,
        content_bytes: usize,
        now: Timestamp,
    ) -> Admission {
        let bytes_max = limits.bytes_max as f64;
        let bytes_per_second = bytes_max / limits.age_max.duration().as_secs_f64();
        let mut all = self.buckets.lock();
        if !all.contains_key(connection) {
            let full =
                Buckets { records: RECORDS_BURST, bytes: bytes_max, words: WORDS_BURST, filled_at: now };
            all.insert(connection.clone(), full);
        }
        let buckets = all.get_mut(connection).expect("invariant: it was just put there");
        let seconds = now.since(buckets.filled_at).as_secs_f64();
        buckets.records = (buckets.records + seconds * RECORDS_PER_SECOND).min(RECORDS_BURST);
        buckets.bytes = (buckets.bytes + seconds * bytes_per_second).min(bytes_max);
        buckets.words = (buckets.words + seconds * WORDS_PER_SECOND).min(WORDS_BURST);
        buckets.filled_at = now;
        let aloud = take(&mut buckets.words, 1.0);
        if buckets.bytes < RECORD_BYTES || !take(&mut buckets.records, 1.0) {
            return Admission { keep: Keep::Number, aloud };
        }
        if take(&mut buckets.bytes, RECORD_BYTES + content_bytes as f64) {
            return Admission { keep: Keep::Content, aloud };
        }
        buckets.bytes -= RECORD_BYTES;
        Admission { keep: Keep::Record, aloud }
    }
}

fn take(bucket: &mut f64, tokens: f64) -> bool {
    let enough = *bucket >= tokens;
    if enough {
        *bucket -= tokens;
    }
    enough
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use runtime::config::Span;

    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn limits(bytes_max: u64) -> QuarantineLimits {
        QuarantineLimits { bytes_max, age_max: Span(Duration::from_secs(86_400)) }
    }

    fn admitted(budget: &Budget, connection: &str, times: usize, bytes: usize, at: i64) -> Vec<Keep> {
        let connection = connection.parse().unwrap();
        let admit = |_| budget.admit(&connection, &limits(4 * MIB), bytes, Timestamp(at)).keep;
        (0..times).map(admit).collect()
    }

    fn count(kept: &[Keep], which: Keep) -> usize {
        kept.iter().filter(|keep| **keep == which).count()
    }

    #[test]
    fn a_flood_of_small_bodies_is_recorded_up_to_a_number_and_then_only_counted() {
        let kept = admitted(&Budget::default(), "atlas-main", 10_000, 300, 0);
        assert_eq!((count(&kept, Keep::Content), count(&kept, Keep::Number)), (1_000, 9_000));
    }

    #[test]
    fn a_flood_of_large_bodies_keeps_no_more_bytes_than_the_quarantine_holds() {
        let body = 1024 * 1024;
        let kept = admitted(&Budget::default(), "atlas-main", 10_000, body, 0);
        assert_eq!(count(&kept, Keep::Content), 3);
        assert!(count(&kept, Keep::Record) <= 1_000 && kept.last() == Some(&Keep::Number));
    }

    #[test]
    fn a_flood_that_never_ends_writes_at_most_twice_the_quarantine_in_the_time_it_keeps_things() {
        let budget = Budget::default();
        let (size, connection) = (1000, "atlas-main".parse().unwrap());
        let mut written = 0;
        for second in 0..86_400 {
            for _ in 0..3 {
                let now = Timestamp(second * 1000);
                written += match budget.admit(&connection, &limits(4 * MIB), size, now).keep {
                    Keep::Content => 1024 + 1000,
                    Keep::Record => 1024,
                    Keep::Number => 0,
                };
            }
        }
        assert!(written > 7 * MIB && written <= 8 * MIB, "{written}");
    }

    #[test]
    fn room_comes_back_with_time() {
        let budget = Budget::default();
        admitted(&budget, "atlas-main", 5_000, 10, 0);
        assert_eq!(admitted(&budget, "atlas-main", 1, 10, 1_000), [Keep::Content]);
    }

    #[test]
    fn a_flood_on_one_connection_takes_no_room_from_another() {
        let budget = Budget::default();
        admitted(&budget, "atlas-main", 5_000, 10, 0);
        assert_eq!(admitted(&budget, "hubspot-main", 1, 10, 0), [Keep::Content]);
    }

    #[test]
    fn a_flood_is_not_spoken_of_again_and_again() {
        let (budget, connection) = (Budget::default(), "atlas-main".parse().unwrap());
        let aloud = |at| budget.admit(&connection, &limits(MIB), 10, Timestamp(at)).aloud;
        assert_eq!((0..10_000).filter(|_| aloud(0)).count(), 10);
        assert!(aloud(5_000) && !aloud(5_000));
    }
}
