//! What we decide, and nothing else.
//!
//! The whole business of Countersign is data in and data out: a command becomes events (`decide`), an event
//! becomes state (`evolve`), an event names the work it calls for (`react`). There is no async, no clock, no
//! randomness, no serialization and no tracing in this crate: time and ids come in as arguments, and whatever
//! touches the world happens in the services. Replaying a log can therefore neither fail nor panic.

pub mod credits;
pub mod envelope;
pub mod ids;
pub mod intake;
pub mod job;
pub mod parties;
pub mod personal;
pub mod retry;
pub mod sync;
pub mod time;
