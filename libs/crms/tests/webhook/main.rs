//! HubSpot's webhooks, from bytes to signals.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod batch;
mod legacy;
mod signature;
mod vectors;
mod workflow;
