//! What tests need and products do not: a real nats-server on free ports.
//!
//! A dev-dependency only. Nothing here knows a vendor or a service.

pub mod nats;
