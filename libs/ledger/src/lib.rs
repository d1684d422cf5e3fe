//! The loss ledger: what became of every signal, and whether that adds up.
//!
//! Verification counts what came in. Every consumer of signals says in the log what became of each one (`settle`):
//! one small record per signal and consumer, on an entity derived from the signal's event, so that a signal told
//! again settles once. Each service counts its own records per connection and per UTC hour of receipt ([`count`],
//! [`tallies`]), and adds what still waits there, by name ([`Desk`]). [`balance`](balance()) lays the tallies side by
//! side: what nobody can name is lost.
//!
//! Two rules make the sum exact. A signal is counted in the hour it was received in, by everybody, whenever it is
//! settled. And a consumer is asked only for signals up to a position of the intake: what it has not passed yet is
//! waiting, not lost.

mod balance;
mod book;
mod desk;
pub mod names;
mod settle;

pub use balance::{Half, Line, Sheet, Standing, Verdict, balance, standings};
pub use book::{HOUR_MS, count, count_settled, hour_of, tallies};
pub use desk::{Answered, Desk, DeskError, Waits};
pub use settle::{Settler, Signal, entity_of};
