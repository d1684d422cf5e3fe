//! The life of an envelope: what may happen to it, and what follows (lifecycle.md §5).
//!
//! [`decide`] turns a wish into facts, [`evolve`] turns facts into state, [`react`] names the work a fact calls
//! for, [`timers`] says when to look again. The transition numbers T1–T26 in the code are those of
//! lifecycle.md §5.2. What is not the main state (parties, detection, artifact, payment, confirmation) is kept
//! beside it and may change without a transition.
//!
//! What an observation means is decided by its source. A webhook is news and may be late, repeated or
//! overtaken: it moves an envelope forward only, and whatever contradicts a closed state merely asks for a GET.
//! A poll is the provider's present truth: it may also reopen and correct. A webhook that changes nothing leaves
//! a `SignalIgnored` as its trace; a poll or a call that changes nothing leaves none, so the log stays small.

mod command;
mod decide;
mod decision;
mod effect;
mod event;
mod evolve;
mod observe;
mod order;
mod react;
mod reason;
mod stage;
mod state;
mod timers;

pub use command::{Command, Observation, Rejection, Source};
pub use decide::decide;
pub use effect::Effect;
pub use event::Event;
pub use evolve::{evolve, replay};
pub use order::{Adoption, Correlation, Document, Order, SendPolicy};
pub use react::{is_reopened_since, may_edit_fields, may_reopen, react, still_needed};
pub use reason::{Attention, Correction, CreateFailure, HoldReason, IgnoreReason, VoidReason};
pub use stage::Stage;
pub use state::{Artifact, Detection, Digest, Envelope, PartyState, Payment};
pub use timers::{Timer, TimerKind, timers};

#[cfg(test)]
mod tests;
