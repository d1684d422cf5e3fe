//! The only HTTP client of the house.
//!
//! One [`Outbound`] belongs to one connection (one credential at one vendor) and carries everything a call to
//! a stranger needs: a deadline over the whole exchange, a limit on the answer's bytes, a pace (some operations may have their own), a circuit breaker, a
//! guard against being sent to our own network, one span and two metrics.
//!
//! It promises *one attempt per send*. Whether to try again is said by the adapter and done by the log. What it does
//! say, precisely, is what is known afterwards: [`OutboundError::NotSent`] means nothing has happened at the vendor;
//! [`OutboundError::OutcomeUnknown`] means that something may have, so the caller must look before it repeats what is
//! not idempotent. Any status is an answer, not an error.
//!
//! Redirects are followed for GET and HEAD only, as often as the request allows; whatever identifies us stays with
//! the origin it was meant for, and nothing moves from https to http.
//!
//! Nothing in here is kept: after a crash the breaker is closed and the pace starts anew.

mod breaker;
mod client;
mod error;
mod guard;
mod limiter;
mod request;
mod response;
mod settings;

pub use breaker::Breaker;
pub use client::Outbound;
pub use error::{OutboundError, Unreachable};
pub use guard::is_public;
pub use limiter::Rate;
pub use request::{Body, Header, Part, Request};
pub use response::Response;
pub use settings::Settings;
