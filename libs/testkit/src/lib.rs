//! What tests need and products do not: a real nats-server on free ports, and an ear for the logs.
//!
//! Each test gets a server of its own, in a folder of its own, so that tests run side by side and may kill
//! or restart theirs. The server and its folder are gone when the value is dropped, however the test
//! ends. A missing binary is an error that says how to get it, never a test that passes by doing nothing.
//!
//! A dev-dependency only. Nothing here knows a vendor or a service.

pub mod ear;
pub mod nats;
