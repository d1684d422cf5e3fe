//! What ingress parked: counted from its category of the log, for the ledger.
//!
//! Ingress has no gRPC of its own, and verification is the one it hands over to; so verification reads along and
//! tells of both in one answer.

use std::collections::BTreeMap;

use contracts::parked::{ERASED, ParkedEvent};
use contracts::seal::Opener;
use contracts::wire::ledger::{Count, Tally};
use domain::ids::ConnectionId;
use event_log::{EventLog, Recorded};
use ledger::{DeskError, names};
use projection::{Projection, Rows, View, ViewError};

/// Name of the follower that hands over.
pub const HANDOVER: &str = "ingress-handover";
/// Entity → connection: one entity a connection keeps the order of arrival.
const ENTITIES: &str = "parked-entities";

/// Counts what was parked and handed over.
#[derive(Clone, Copy, Debug)]
pub struct ParkedView;

impl View for ParkedView {
    fn name(&self) -> &'static str {
        "parked"
    }

    fn version(&self) -> u32 {
        1
    }

    fn apply(&self, recorded: &Recorded, rows: &mut Rows<'_>) -> Result<(), ViewError> {
        let entity = recorded.entity.id().as_bytes();
        for event in &recorded.events {
            let opener = Opener::new(None);
            let fact =
                contracts::parked::decode(&event.kind, event.schema, &event.payload, &event.id, &opener);
            match fact.map_err(ViewError::undecodable)? {
                ParkedEvent::Parked(parked) => {
                    rows.put(ENTITIES, entity, parked.connection.as_str().as_bytes())?;
                    ledger::count(rows, &parked.connection, parked.received_at, &[(names::PARKED, 1)])?;
                }
                ParkedEvent::HandedOver { verdict, at } => {
                    let what = if verdict == ERASED { names::PARKED_ERASED } else { names::HANDED_OVER };
                    if let Some(connection) = rows.get(ENTITIES, entity)?.and_then(|row| name(&row)) {
                        ledger::count(rows, &connection, at, &[(what, 1)])?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn name(bytes: &[u8]) -> Option<ConnectionId> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// Where it is asked what is parked.
pub struct Parked {
    pub(crate) log: EventLog,
    pub(crate) view: Projection<ParkedView>,
}

impl Parked {
    /// The tallies, with what waits: all that is not handed over while ingress has not come to the end of it, and
    /// only what it gave up once it has.
    ///
    /// # Errors
    /// When the log or the view does not answer.
    pub async fn tallies(&self, connection: &str, since_ms: Option<i64>) -> Result<Vec<Tally>, DeskError> {
        let handled = self.log.consumed(HANDOVER).await?;
        let position = self.view.position();
        let mut tallies = ledger::tallies(&self.view, connection, since_ms)?;
        if tallies.is_empty() {
            return Ok(tallies);
        }
        let mut letters = BTreeMap::<String, u64>::new();
        for letter in self.log.dead_letters(HANDOVER).await? {
            let row = self.view.get(ENTITIES, letter.entity.id().as_bytes())?;
            if let Some(connection) = row.and_then(|row| name(&row)) {
                *letters.entry(connection.to_string()).or_default() += 1;
            }
        }
        for total in tallies.iter_mut().filter(|tally| tally.hour_ms == 0) {
            let get = |name: &str| {
                total.counts.iter().filter(|count| count.name == name).map(|count| count.count).sum::<u64>()
            };
            let given_up = letters.get(&total.connection).copied().unwrap_or_default();
            let ended = get(names::HANDED_OVER) + get(names::PARKED_ERASED) + given_up;
            let open = get(names::PARKED).saturating_sub(ended);
            let waiting = if handled < position { open } else { 0 };
            for (name, count) in [(names::PARKED_WAITING, waiting), (names::PARKED_DEAD_LETTER, given_up)] {
                total.counts.push(Count { name: name.to_owned(), count });
            }
        }
        Ok(tallies)
    }
}
