//! Atlas: everything about it.
//!
//! Two generations of its API are described at once (atlas.md §1). Calls are made in the first, which is what
//! the vendor's integration guide prescribes; what comes in, answers and webhooks, is read in the words of
//! both, so that a switch on the vendor's side does not silently stop updates.

mod adapter;
mod error;
mod requests;
pub mod simulator;
mod webhook;
mod wire;

pub use adapter::Adapter;
pub use webhook::Scheme;
