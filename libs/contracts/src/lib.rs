//! What we say: the protobuf contracts, and the way between them and the domain.
//!
//! The `.proto` files under `proto/` are the contract; `build.rs` generates [`wire`] from them, and nothing
//! generated is kept in git. Wire types stop here: services speak domain words, and every function that reads
//! bytes from outside returns an error that names the field, never a panic.
//!
//! Events are stored as protobuf with a kind and a schema number beside them. Schemas only grow; a changed
//! meaning is a new kind. Each event of each schema has a golden file, so that bytes written years ago stay
//! readable. Personal data inside events is sealed ([`seal`]) under the key of its data subject group: once
//! that key is destroyed, a reader sees `Personal::Erased` and everything else as before.

pub mod envelope;
mod error;
mod fields;
pub mod intake;
pub mod job;
pub mod ledger;
pub mod parked;
mod redacted;
pub mod seal;
pub mod sync;
pub mod wire;

pub use error::{DecodeError, Encoded};

/// Descriptors of every contract, for gRPC reflection.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
