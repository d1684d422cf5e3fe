//! The system from outside: what journeys, faults and conformance tests share.
//!
//! Everything here treats Countersign as a stranger would: a real process, real HTTP and gRPC over loopback, a
//! real nats-server where the log stands on one. A test that needs a look inside reads the log after the
//! process is gone. Processes are killed when the test ends, however it ends; their output goes to a file, so
//! that a failing test can show it and a test can search it for what must never be printed.

pub mod condition;
pub mod http;
pub mod judge;
pub mod process;
pub mod world;
