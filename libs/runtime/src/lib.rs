//! What every service needs and no service should write twice.
//!
//! Time ([`clock`]), ids and jitter ([`random`]), background work that shutdown waits for ([`tasks`],
//! [`shutdown`]), the configuration file and its expressions ([`config`], [`expressions`]), telemetry
//! ([`telemetry`], [`propagation`], [`metrics`]) and the one recipe each for a gRPC server and client
//! ([`grpc`]), a public HTTP server ([`http`]) and the operator's port ([`admin`]).
//!
//! Promises: the clock, the environment and the random source are read here and nowhere else; every server
//! has limits and deadlines; a panicking task stops the process in order instead of leaving it half alive; no
//! secret and no personal data reaches a log line, a span, a label or an error text. Nothing here is stored,
//! so a crash loses nothing but the spans of the last seconds.

pub mod admin;
pub mod clock;
pub mod config;
pub mod expressions;
pub mod grpc;
pub mod http;
pub mod metrics;
pub mod propagation;
pub mod random;
pub mod shutdown;
pub mod tasks;
pub mod telemetry;
