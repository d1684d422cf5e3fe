//! What every vendor simulator is made of, apart from the vendor.
//!
//! A simulator is a small program with a real HTTP port: it keeps state, checks keys, signs and retries its webhooks, and can be
//! made to misbehave on purpose. This crate holds the parts that are the same for all of them:
//!
//! * [`Journal`]: every request it received, in order, for assertions;
//! * [`Faults`]: answers that go wrong as ordered (status, silence, a dropped line, half a body), before or after the change;
//! * [`webhooks::WebhookSender`]: signed deliveries, identical bytes on each retry, and disturbances (duplicate, reorder, drop, hold);
//! * [`Ids`]: identifiers that are the same in every run with the same seed;
//! * [`pdf`], [`docx`], [`files`]: documents a person can open and a provider can fetch;
//! * [`Receiver`]: something to send webhooks to, in tests;
//! * [`Kit`]: all of it in one handle, with the control calls under `/__sim` and the server.
//!
//! Nothing survives a stop: a simulator starts empty. Nothing here logs bodies, links, addresses or keys. The clock is the real
//! one; what a vendor counts in hours is divided by `time_factor`.

pub mod clock;
mod control;
pub mod docx;
mod faults;
pub mod files;
pub mod html;
mod ids;
mod journal;
mod kit;
mod observe;
pub mod pdf;
mod receiver;
mod server;
pub mod webhooks;

pub use faults::{Action, Faults, Rule};
pub use ids::Ids;
pub use journal::{Entry, Journal};
pub use kit::{Kit, Settings};
pub use receiver::{Received, Receiver};
pub use server::Running;
