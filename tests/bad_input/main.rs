//! What comes in is not what was agreed: the answer the contracts name, a clear message, a counter, nothing
//! lost, no panic. Through real HTTP, at a real process.

mod configuration;
mod refused;
mod stored;
mod vendors;
