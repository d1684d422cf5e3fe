//! The adapter against the simulator, and the simulator's webhooks against the scheme, over real HTTP.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod changes;
mod deliveries;
mod objects;
mod records;
mod support;
