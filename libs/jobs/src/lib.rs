//! Work that comes round by itself: sweeps, health checks, recovery of gaps.
//!
//! A job is a name, a connection, an interval and something to do. Whoever holds its lease runs it; everything that
//! must outlive the process (when it comes round next, how far it has come, how its last run ended) is one entry of
//! the log's state store, changed by compare-and-set only. So several replicas run a job once, a restart goes on where
//! the last run stopped, and an operator sees the same from every replica.
//!
//! The lease compares no clocks ([ADR 9](../../../docs/adr/0009-shares-leased-without-clock-comparison.md)): the
//! holder raises a beat, and whoever saw it standing still for a whole lease time by its own clock may take over. Each
//! change of holder raises the epoch, and every write of a run is refused once the epoch is another: a run that was
//! overtaken can neither move the cursor nor report a result. Two runs may overlap for a moment all the same, so what
//! a job does must be harmless when done twice; here that holds because it goes through `decide`.
//!
//! A run is bounded in time. One that fails is tried again after a pause that doubles up to the job's interval;
//! inside a run only what a provider's pace held back is asked for again. What a job found it reports as numbers; the
//! findings themselves are events, written by the room that owns them.

mod hold;
mod job;
mod metric;
mod record;
mod run;
mod runner;

pub use job::{Failure, Job, Report, Work};
pub use run::Run;
pub use runner::{AskError, Jobs, Settings, Table};
