//! One contract, two stores: every case here runs on both, through nothing but the public handle.

#![expect(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod append;
mod cluster;
mod crash;
mod fixture;
mod follow;
mod jetstream_only;
mod keys;
mod model;
mod replicas;
mod tail;
