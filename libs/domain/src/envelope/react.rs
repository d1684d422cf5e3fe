//! From a fact to the work it calls for.

use super::effect::Effect;
use super::event::Event;

/// What has to be done in the outside world because of this fact.
pub fn react(event: &Event) -> Vec<Effect> {
    let _ = event;
    Vec::new()
}
