//! How many deliveries wait, whoever parked them: the bound on what is parked.

use std::collections::HashSet;

use domain::ids::{CommandId, EventId};
use event_log::{Category, EventLog, Position, ReadError, Recorded, Tailed, event_id};
use futures::StreamExt as _;
use parking_lot::Mutex;
use runtime::random::derive_id;
use tokio_util::sync::CancellationToken;

/// The deliveries that wait, each by the id of the event that will end its waiting.
///
/// Kept from the log and not by counting: a restart and another replica see the same deliveries. A place is taken
/// before the append, so that any number of deliveries at once cannot pass the bound.
pub struct Backlog {
    parked_max: usize,
    waiting: Mutex<HashSet<EventId>>,
}

impl Backlog {
    pub fn new(parked_max: usize) -> Self {
        Self { parked_max, waiting: Mutex::default() }
    }

    /// Takes a place for the delivery that is about to be parked; `false` when there is none.
    pub fn take_place(&self, parked: &EventId) -> bool {
        let mut waiting = self.waiting.lock();
        if waiting.len() >= self.parked_max {
            return false;
        }
        waiting.insert(end_of(parked));
        show(&waiting);
        true
    }

    /// Gives the place back: the delivery was not parked, or was given up.
    pub fn leave(&self, parked: &EventId) {
        let mut waiting = self.waiting.lock();
        waiting.remove(&end_of(parked));
        show(&waiting);
    }

    /// Follows what is parked and handed over until shutdown, from where `consumer` stands.
    pub async fn follow(
        &self,
        log: EventLog,
        consumer: &str,
        shutdown: CancellationToken,
    ) -> Result<(), ReadError> {
        let start = log.consumed(consumer).await.unwrap_or(Position::ZERO);
        let mut tail = log.tail(Category::Parked, start);
        while let Some(Some(tailed)) = shutdown.run_until_cancelled(tail.next()).await {
            match tailed? {
                Tailed::Commit(recorded) => self.take_note(&recorded),
                Tailed::CaughtUp(_) => {}
            }
        }
        Ok(())
    }

    fn take_note(&self, recorded: &Recorded) {
        let mut waiting = self.waiting.lock();
        for event in &recorded.events {
            match contracts::parked::group(&event.kind, event.schema, &event.payload) {
                Ok(Some(_group)) => waiting.insert(end_of(&event.id)),
                // What this version cannot read is the follower's trouble; it counts as no delivery.
                Ok(None) | Err(_) => waiting.remove(&event.id),
            };
        }
        show(&waiting);
    }
}

/// The command that ends the waiting of a parked delivery: the same however often it is handed over.
pub fn handing_over(parked: &EventId) -> CommandId {
    CommandId::from_bytes(derive_id("handed over", &[&parked.to_string()]))
}

fn end_of(parked: &EventId) -> EventId {
    event_id(&handing_over(parked), 0)
}

fn show(waiting: &HashSet<EventId>) {
    metrics::gauge!("ingress_parked").set(waiting.len() as f64);
}
