//! What we know: read models on sled, derived from the log and from nothing else.
//!
//! A [`View`] turns commits into rows; a [`Projection`] runs it. Rows and checkpoint change in one atomic
//! batch, so a crash repeats at most commits that left no trace. A projection is a cache: after a crash it may
//! have lost its newest batches and catches up from its older checkpoint; a folder that is gone, does not
//! open, fails its checksum or belongs to another log or version is put aside and rebuilt from the first
//! commit, to the same bytes ([`Projection::digest`]). That is why a view reads no clock and no keys: the same
//! commits must always give the same rows, and erased data must not survive in them.
//!
//! sled is good enough for this and for nothing more: it may lose and it may panic, so every call into it is
//! caught and every row is accounted for in a checksum that is verified at start. Readers that need their own
//! write wait for its position ([`Projection::wait_for`]). A projection never stands in the command path.

mod error;
mod folder;
mod project;
mod projection;
mod reading;
mod store;
mod view;

pub use error::{ProjectionError, ViewError};
pub use projection::Projection;
pub use reading::Row;
pub use view::{KEY_BYTES_MAX, Rows, VALUE_BYTES_MAX, View};
