//! From a wish to facts: in the order of the transition table.

use super::command::{Command, Rejection};
use super::event::Event;
use super::state::Envelope;

/// Decides what a command does to an envelope: the facts it makes true, none if it changes nothing.
///
/// # Errors
/// A [`Rejection`] when the envelope's stage does not allow the wish.
pub fn decide(envelope: &Envelope, command: Command) -> Result<Vec<Event>, Rejection> {
    let _ = (envelope, command);
    Ok(Vec::new())
}
