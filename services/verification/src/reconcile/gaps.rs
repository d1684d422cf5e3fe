//! Fetches the deliveries that a vendor could not make, and takes them in as if they had arrived.
//!
//! The place that is kept is the newest missed delivery that was seen, by the vendor's clock, and the names of those
//! seen shortly before it: the list is asked for a little more than is new, because a delivery may fail late. It also
//! says since when deliveries fail: the vendor turns a subscription off that has failed for too long.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::ids::ConnectionId;
use domain::intake::{BODY_BYTES_MAX, RawDelivery};
use domain::time::Timestamp;
use jobs::{Failure, Report, Run, Work};
use providers::MissedDelivery;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::Reconciler;
use crate::intake::Verdict;

/// Names that are remembered at most; more are fetched twice, which is harmless.
const SEEN_MAX: usize = 800;

/// The job of one connection.
pub struct Gaps {
    pub(super) reconciler: Arc<Reconciler>,
    pub(super) connection: ConnectionId,
}

/// How far the job has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The newest missed delivery that was seen, by the vendor's clock, in milliseconds.
    newest_ms: i64,
    /// Short hashes of the names seen in the overlap.
    seen: BTreeSet<String>,
    /// A list that is not read to its end: from when, and the next page.
    unread: Option<(i64, u32)>,
    /// The oldest of those that could not be proved when they were last looked at; 0 for none.
    #[serde(default)]
    unproved_ms: i64,
    /// From when on the list must be read again, because something on it could not be read; 0 for no need.
    #[serde(default)]
    unread_ms: i64,
    /// The first of the deliveries that fail now, by the vendor's clock, in milliseconds; 0 for none.
    failing_since_ms: i64,
    /// When we last saw one that was new, by our clock, in milliseconds.
    noticed_ms: i64,
}

impl Place {
    /// The place in these words; from the beginning if they are not readable.
    pub fn read(words: Option<&str>) -> Place {
        words.and_then(|words| serde_json::from_str(words).ok()).unwrap_or_default()
    }

    /// How long deliveries have failed by now; zero if something arrived since. `arrived` and `now` are our clock.
    pub fn failing_for(&self, arrived: Option<Timestamp>, now: Timestamp) -> Duration {
        let ended = arrived.is_some_and(|at| at.0 > self.noticed_ms || at.0 > self.newest_ms);
        if self.failing_since_ms == 0 || ended {
            return Duration::ZERO;
        }
        now.max(Timestamp(self.newest_ms)).since(Timestamp(self.failing_since_ms))
    }

    fn is_seen(&self, missed: &MissedDelivery) -> bool {
        self.seen.contains(&short(&missed.id))
    }

    /// Takes note of a missed delivery that was not seen before. One that cannot be proved will be looked at again.
    fn note(&mut self, missed: &MissedDelivery, proved: bool, arrived: Option<Timestamp>, now: Timestamp) {
        let made_at = missed.made_at.0;
        if proved {
            self.seen.insert(short(&missed.id));
        } else {
            self.unproved_ms = if self.unproved_ms == 0 { made_at } else { self.unproved_ms.min(made_at) };
        }
        if proved || made_at > self.newest_ms {
            if self.failing_for(arrived, now).is_zero() {
                self.failing_since_ms = made_at;
            }
            self.failing_since_ms = self.failing_since_ms.min(made_at);
            self.newest_ms = self.newest_ms.max(made_at);
            self.noticed_ms = now.0;
        }
    }

    /// From when on the next list begins. Nothing is looked for that is older than `oldest`.
    fn since(&self, oldest: Timestamp, overlap: Duration) -> Timestamp {
        if self.newest_ms == 0 {
            return oldest;
        }
        let since = before(Timestamp(self.newest_ms), overlap);
        let unproved = Timestamp(self.unproved_ms);
        let since = if self.unproved_ms != 0 && unproved >= oldest { since.min(unproved) } else { since };
        if self.unread_ms == 0 { since } else { since.min(Timestamp(self.unread_ms).max(oldest)) }
    }

    /// Something made then could not be read.
    fn lacks(&mut self, made_at: Timestamp) {
        self.unread_ms = if self.unread_ms == 0 { made_at.0 } else { self.unread_ms.min(made_at.0) };
    }

    fn words(&self) -> String {
        serde_json::to_string(self).expect("invariant: numbers and short texts become JSON")
    }
}

fn short(name: &str) -> String {
    hex::encode(&Sha256::digest(name)[..8])
}

#[async_trait]
impl Work for Gaps {
    async fn run(&self, run: &Run) -> Result<Report, Failure> {
        let (began, tuning) = (Instant::now(), &self.reconciler.tuning);
        let provider = self.reconciler.provider(&self.connection)?;
        let arrived = self.reconciler.last_arrival(&self.connection)?;
        let mut place = Place::read(run.cursor.as_deref());
        let oldest = before(run.started_at, tuning.gaps_first_window);
        let (since, mut page) = match place.unread {
            Some((since, page)) => (Timestamp(since), page),
            None => {
                let since = place.since(oldest, tuning.gaps_overlap);
                (place.unproved_ms, place.unread_ms) = (0, 0);
                (since, 1)
            }
        };
        let (mut report, mut unproved, mut unread) = (Report::default(), 0_u64, 0_usize);
        let resumed = page;
        loop {
            let listed = match provider.missed_deliveries(since, page).await {
                Ok(listed) => listed,
                Err(error) => {
                    // A page at which every run ended would hide what is new: the list is read from its first page.
                    if page == resumed && place.unread.take().is_some() {
                        place.lacks(since);
                        run.keep(&place.words()).await?;
                    }
                    return Err(Failure::after(report, error));
                }
            };
            unread += listed.unread.len();
            listed.unread.iter().for_each(|made_at| place.lacks(*made_at));
            for missed in listed.items {
                if place.is_seen(&missed) {
                    continue;
                }
                report.looked += 1;
                let proved = match self.take(&missed).await {
                    Verdict::Accepted { new, .. } => {
                        report.found += u64::from(new);
                        true
                    }
                    Verdict::Refused(_) => {
                        unproved += 1;
                        false
                    }
                    Verdict::UnknownConnection => {
                        return Err(Failure::after(report, "the connection is not configured"));
                    }
                    Verdict::Unavailable { .. } => {
                        return Err(Failure::after(report, "the log takes no deliveries"));
                    }
                };
                place.note(&missed, proved, arrived, self.reconciler.clock.now());
            }
            page = page.saturating_add(1);
            place.unread = listed.more.then_some((since.0, page));
            trim(&mut place);
            run.keep(&place.words()).await?;
            if !listed.more {
                break;
            }
            if began.elapsed() >= tuning.run_max {
                report.more = true;
                return Ok(report);
            }
        }
        if report.looked > 0 {
            report.note = format!("{} fetched, {} new", report.looked, report.found);
        }
        if unread > 0 {
            report.attention = true;
            report.note.push_str(&format!("; {unread} could not be read and are fetched again"));
        }
        if unproved > 0 {
            report.attention = true;
            report.note.push_str(&format!("; {unproved} fit no key and are fetched again: see the keys"));
        }
        Ok(report)
    }
}

impl Gaps {
    /// Takes a delivery in as if it had arrived now.
    async fn take(&self, missed: &MissedDelivery) -> Verdict {
        if missed.body.len() > BODY_BYTES_MAX {
            tracing::warn!(connection = %self.connection, "a missed delivery is too large to be taken");
            return Verdict::Accepted { new: 0, known: 0 };
        }
        let path = format!("/v1/hooks/{}", self.connection);
        let delivery = RawDelivery {
            connection: self.connection.clone(),
            method: "POST".to_owned(),
            path_and_query: if missed.query.is_empty() { path } else { format!("{path}?{}", missed.query) },
            headers: missed.headers.clone(),
            body: missed.body.to_vec(),
            received_at: self.reconciler.clock.now(),
        };
        self.reconciler.intake.accept_fetched(&missed.id, missed.made_at, delivery).await
    }
}

fn trim(place: &mut Place) {
    while place.seen.len() > SEEN_MAX {
        place.seen.pop_first();
    }
}

fn before(at: Timestamp, by: Duration) -> Timestamp {
    Timestamp(at.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);
    const HOUR: Duration = Duration::from_secs(3_600);

    fn missed(id: &str, made_at: Timestamp) -> MissedDelivery {
        MissedDelivery {
            id: id.to_owned(),
            made_at,
            query: String::new(),
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    #[test]
    fn the_clock_runs_from_the_first_failure_until_something_arrives() {
        let mut place = Place::default();
        assert!(place.failing_for(None, NOW).is_zero());
        place.note(&missed("1", before(NOW, HOUR)), true, None, NOW);
        place.note(&missed("2", NOW), true, None, NOW);
        assert!(place.is_seen(&missed("1", NOW)));
        assert_eq!(place.failing_for(None, NOW), HOUR);
        assert_eq!(place.failing_for(Some(before(NOW, HOUR)), NOW.after(HOUR)), 2 * HOUR);
        assert!(place.failing_for(Some(NOW.after(HOUR)), NOW.after(2 * HOUR)).is_zero());
    }

    #[test]
    fn what_could_not_be_proved_is_listed_again_until_the_vendor_keeps_it_no_longer() {
        let (mut place, oldest) = (Place::default(), before(NOW, 100 * HOUR));
        assert_eq!(place.since(oldest, HOUR), oldest);
        place.note(&missed("1", before(NOW, 50 * HOUR)), false, None, NOW);
        place.note(&missed("2", NOW), true, None, NOW);
        assert!(!place.is_seen(&missed("1", NOW)));
        assert_eq!(place.since(oldest, HOUR), before(NOW, 50 * HOUR));
        assert_eq!(place.since(before(NOW, 49 * HOUR), HOUR), before(NOW, HOUR));
    }

    #[test]
    fn what_could_not_be_read_is_listed_again_as_far_back_as_anything_is_looked_for() {
        let (mut place, oldest) = (Place::default(), before(NOW, 100 * HOUR));
        place.note(&missed("1", NOW), true, None, NOW);
        place.lacks(before(NOW, 50 * HOUR));
        place.lacks(before(NOW, 2 * HOUR));
        assert_eq!(place.since(oldest, HOUR), before(NOW, 50 * HOUR));
        assert_eq!(place.since(before(NOW, 49 * HOUR), HOUR), before(NOW, 49 * HOUR));
        assert_eq!(Place::read(Some(&place.words())), place);
    }

    #[test]
    fn the_place_survives_its_words_and_stays_within_what_may_be_kept() {
        let mut place = Place::default();
        for number in 0..3_000 {
            place.note(&missed(&number.to_string(), NOW), true, None, NOW);
        }
        trim(&mut place);
        assert!(place.words().len() < 24 * 1024);
        assert_eq!(Place::read(Some(&place.words())), place);
        assert_eq!(Place::read(Some("{")), Place::default());
    }
}
