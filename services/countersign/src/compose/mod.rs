//! The parts that are put together: the log, the adapters, the simulators, the configuration that fits them.

pub mod adapters;
pub mod configuration;
pub mod ledger_watch;
pub mod log;
pub mod services;
pub mod simulators;
pub mod tokens;
