//! Atlas: everything about it.
//!
//! Two generations of its API are described at once (atlas.md §1). Which one is called is one option of the
//! connection; the first is what the vendor's integration guide prescribes, and the default. What comes in, answers
//! and webhooks, is read in the words of both, so that a switch on the vendor's side does not silently stop updates.

mod adapter;
mod dialect;
mod error;
mod requests;
pub mod simulator;
mod webhook;
mod wire;

pub use adapter::Adapter;
pub use webhook::Scheme;
