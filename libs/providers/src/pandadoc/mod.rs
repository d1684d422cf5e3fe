//! PandaDoc: everything about it.
//!
//! Documents are made asynchronously, creating knows no idempotency key, and finished documents can be
//! reopened or corrected (pandadoc.md §2): the adapter says all three in its capabilities. `voided` is this
//! vendor's word for *expired*.

mod adapter;
mod credential;
mod documents;
mod error;
mod history;
mod limits;
mod requests;
pub mod simulator;
mod subscriptions;
mod webhook;
mod wire;

pub use adapter::Adapter;
pub(crate) use webhook::REGIONS as SOURCE_REGIONS;
pub use webhook::Scheme;
