//! Verification, judged through its gRPC door with the vendors' real schemes, on an embedded log.

mod keys;
mod odd;
mod once;
mod outage;
mod quarantine;
mod silence;
mod support;
mod vectors;
