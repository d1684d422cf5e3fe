//! The history of deliveries, as `/__sim/deliveries` shows it.

use std::collections::VecDeque;

use parking_lot::Mutex;
use serde::Serialize;

const DELIVERIES_MAX: usize = 100_000;
const BODIES_BYTES_MAX: usize = 256 << 20;

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Waiting for its first or next attempt.
    Pending,
    /// Kept back by the modes hold and reorder.
    Held,
    /// Answered as the vendor wants it.
    Delivered,
    /// Out of retries.
    Failed,
    /// Lost on purpose.
    Dropped,
}

/// One attempt.
#[derive(Clone, Debug, Serialize)]
pub struct AttemptRecord {
    /// 1 for the first.
    pub number: u32,
    /// When it began, RFC 3339.
    pub at: String,
    /// Headers; signatures are replaced by `***`.
    pub headers: Vec<(String, String)>,
    /// The receiver's answer, if there was one.
    pub status: Option<u16>,
    /// Why there was none.
    pub error: Option<&'static str>,
}

/// One delivery with all its attempts.
#[derive(Clone, Debug, Serialize)]
pub struct DeliveryRecord {
    /// Position in the history, from 1.
    pub id: u64,
    /// Name of the event.
    pub event: String,
    /// What the event is about.
    pub lane: String,
    /// Address without query; known after the first attempt.
    pub url: Option<String>,
    /// The bytes, read as UTF-8.
    pub body: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// What was tried so far.
    pub attempts: Vec<AttemptRecord>,
    /// Time of the next attempt, if one is planned.
    pub next_try: Option<String>,
}

/// A bounded list; the oldest leave first.
#[derive(Debug, Default)]
pub(super) struct History(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    records: VecDeque<DeliveryRecord>,
    body_bytes: usize,
    last: u64,
}

impl History {
    pub(super) fn open(&self, event: &str, lane: &str, body: &[u8], state: DeliveryState) -> u64 {
        let mut inner = self.0.lock();
        inner.last += 1;
        let (id, body) = (inner.last, String::from_utf8_lossy(body).into_owned());
        inner.body_bytes += body.len();
        let (event, lane) = (event.to_owned(), lane.to_owned());
        let record =
            DeliveryRecord { id, event, lane, url: None, body, state, attempts: vec![], next_try: None };
        inner.records.push_back(record);
        while inner.records.len() > DELIVERIES_MAX || inner.body_bytes > BODIES_BYTES_MAX {
            let Some(oldest) = inner.records.pop_front() else { break };
            inner.body_bytes -= oldest.body.len();
        }
        id
    }

    pub(super) fn note(&self, id: u64, change: impl FnOnce(&mut DeliveryRecord)) {
        let mut inner = self.0.lock();
        let first = inner.records.front().map_or(id, |record| record.id);
        let index = usize::try_from(id.saturating_sub(first)).unwrap_or(usize::MAX);
        if let Some(record) = inner.records.get_mut(index).filter(|record| record.id == id) {
            change(record);
        }
    }

    pub(super) fn all(&self) -> Vec<DeliveryRecord> {
        self.0.lock().records.iter().cloned().collect()
    }

    pub(super) fn of_lane(&self, lane: &str) -> Vec<DeliveryRecord> {
        self.0.lock().records.iter().filter(|record| record.lane == lane).cloned().collect()
    }

    pub(super) fn clear(&self) {
        let last = self.0.lock().last;
        *self.0.lock() = Inner { last, ..Inner::default() };
    }
}
