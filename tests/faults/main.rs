//! What breaks, and what must hold all the same.
//!
//! The vendors are simulators in the test's own process, so that they outlive the process under test; people
//! move deals, review, sign and decline all the time. Meanwhile processes (and nats-server) are killed without
//! warning at random moments and started again. At the end the log, the simulators' journals and the gRPC
//! answers must agree: nothing that was answered 200 is missing, every envelope ended as its people wanted,
//! every CRM effect happened once.
//!
//! `COUNTERSIGN_KILLS` sets the number of kills (the issue asks for 50; `./test` makes fewer), and
//! `COUNTERSIGN_SEED` repeats the same moments.

#![expect(clippy::print_stdout, reason = "the seed and the counts of a run are its result")]

mod embedded;
mod jetstream;
mod people;
mod projections;
mod random;
mod verdict;
