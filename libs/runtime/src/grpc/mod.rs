//! The one recipe for gRPC: servers ([`Server`]), clients ([`Client`]) and errors ([`status`]).
//!
//! Every server has health, reflection (v1 and v1alpha), limits, deadlines, a span and a duration for each
//! call, and an orderly end. Every client call has a deadline, which it tells the server, and carries its trace.

mod body;
mod client;
mod server;
pub mod status;
mod trace;

#[cfg(test)]
mod tests;

pub use client::{Client, ClientSettings, InvalidEndpoint};
pub use server::{ServeError, Server, ServerSettings};

/// Largest message our services take or give, in bytes: one delivery or one page of a list. Set it on every
/// generated server and client with `max_decoding_message_size`.
pub const MESSAGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Header that tells the server how long the caller will wait.
const GRPC_TIMEOUT: &str = "grpc-timeout";

/// The method of a call, for example `countersign.envelope.v1.EnvelopeService/GetEnvelope`.
fn method_of(path: &str) -> &str {
    path.strip_prefix('/').unwrap_or(path)
}

/// Health and reflection are asked every few seconds; they make neither spans nor numbers.
fn is_housekeeping(method: &str) -> bool {
    method.starts_with("grpc.health.") || method.starts_with("grpc.reflection.")
}

/// A status code as the conventions write it, for example `DEADLINE_EXCEEDED`.
const fn code_name(code: tonic::Code) -> &'static str {
    match code {
        tonic::Code::Ok => "OK",
        tonic::Code::Cancelled => "CANCELLED",
        tonic::Code::Unknown => "UNKNOWN",
        tonic::Code::InvalidArgument => "INVALID_ARGUMENT",
        tonic::Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        tonic::Code::NotFound => "NOT_FOUND",
        tonic::Code::AlreadyExists => "ALREADY_EXISTS",
        tonic::Code::PermissionDenied => "PERMISSION_DENIED",
        tonic::Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        tonic::Code::FailedPrecondition => "FAILED_PRECONDITION",
        tonic::Code::Aborted => "ABORTED",
        tonic::Code::OutOfRange => "OUT_OF_RANGE",
        tonic::Code::Unimplemented => "UNIMPLEMENTED",
        tonic::Code::Internal => "INTERNAL",
        tonic::Code::Unavailable => "UNAVAILABLE",
        tonic::Code::DataLoss => "DATA_LOSS",
        tonic::Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
