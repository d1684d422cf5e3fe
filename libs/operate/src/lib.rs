//! What every service lets an operator do over gRPC: look at what its followers gave up, and run its jobs.
//!
//! Each service has calls of its own for it, because a package's requests are its own; what they mean, what is checked
//! and how it is refused stands here, once. Nothing is decided here: dead letters lie in the event log, jobs with
//! `jobs`. What only one service knows (what a person may not discard, what is settled by it) that service says between
//! [`DeadLetters::discardable`] and [`DeadLetters::discard`].

mod dead_letters;
pub mod job;
mod page;

use domain::ids::OperationKey;
use runtime::grpc::status::bad_field;
use tonic::Status;

pub use dead_letters::{DeadLetters, Discard};
pub use page::page;

/// A wish has a name of its own, the same for a repetition: 1 to 128 printable ASCII characters.
fn check_request_id(request_id: &str) -> Result<(), Status> {
    let named = request_id.parse::<OperationKey>();
    named.map(|_| ()).map_err(|error| bad_field("request_id", error.to_string()))
}

/// Something below does not answer; trying again can help. The text is a library's own, nothing personal.
fn unavailable(error: impl std::fmt::Display) -> Status {
    Status::unavailable(error.to_string())
}
