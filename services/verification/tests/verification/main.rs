//! Verification, judged through its gRPC door with the vendors' real schemes, on an embedded log.

mod counted;
mod dead_letters;
mod erasure;
mod flood;
mod keys;
mod ledger;
mod moved;
mod names;
mod odd;
mod once;
mod outage;
mod parked;
mod quarantine;
mod reconcile;
mod release;
mod silence;
mod sources;
mod support;
mod vectors;
