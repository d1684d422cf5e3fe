//! From a fact to state. Total: replaying a log cannot fail.

use super::event::Event;
use super::state::Envelope;

/// The envelope after one more fact.
pub fn evolve(envelope: Envelope, event: &Event) -> Envelope {
    let _ = event;
    envelope
}

/// The envelope after all these facts.
pub fn replay<'a>(events: impl IntoIterator<Item = &'a Event>) -> Envelope {
    events.into_iter().fold(Envelope::default(), evolve)
}
