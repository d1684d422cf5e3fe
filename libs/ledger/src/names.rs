//! The names of what is counted. `docs/ledger.md` explains each.

/// The connection of what cannot be read: it waits, and nobody knows for whom.
pub const NAMELESS: &str = "";
/// Signals that came in, refused deliveries counting as one each.
pub const RECEIVED: &str = "received";
/// Signals stored as new.
pub const ACCEPTED: &str = "accepted";
/// Of the accepted: news of a provider's envelope, which the orchestrator settles.
pub const ENVELOPE_NEWS: &str = "accepted.envelope_news";
/// Of the accepted: changes of a record, which crm-sync settles.
pub const RECORD_CHANGES: &str = "accepted.record_changes";
/// Of the accepted: without a meaning for us, with the reason after this; settled by being stored.
pub const NOTHING: &str = "accepted.nothing.";
/// Of the accepted: fetched from a vendor's list of missed deliveries.
pub const REPLAYED: &str = "accepted.replayed";
/// Signals that were known already.
pub const DUPLICATE: &str = "duplicate";
/// Deliveries that were not believed and recorded one by one.
pub const QUARANTINED: &str = "quarantined";
/// Deliveries that were not believed and only counted.
pub const REFUSED: &str = "refused";
/// Quarantined deliveries that verified later; their signals are counted anew.
pub const RELEASED: &str = "released";
/// Quarantined deliveries that were given up.
pub const DISCARDED: &str = "discarded";
/// Deliveries that ingress kept while verification could not be reached.
pub const PARKED: &str = "parked";
/// Of the parked: handed over.
pub const HANDED_OVER: &str = "parked.handed_over";
/// Of the parked: erased while they waited, so that nothing was left to hand over.
pub const PARKED_ERASED: &str = "parked.erased";
/// Of the parked: verification has not taken them yet.
pub const PARKED_WAITING: &str = "parked.waiting";
/// Of the parked: given up: a person must decide.
pub const PARKED_DEAD_LETTER: &str = "parked.dead_letter";
/// What every settled signal's name begins with.
pub const SETTLED: &str = "settled.";
/// What every waiting signal's name begins with.
pub const WAITING: &str = "waiting.";
/// Waits for its envelope to become known.
pub const EARLY: &str = "waiting.early";
/// Its consumer has not come to it, or tries it again.
pub const IN_FLIGHT: &str = "waiting.in_flight";
/// Given up: a person must decide.
pub const DEAD_LETTER: &str = "waiting.dead_letter";
/// Facts that only a sweep found.
pub const RECONCILED: &str = "reconciled";
/// Writes that a CRM took.
pub const SYNCED: &str = "synced";
