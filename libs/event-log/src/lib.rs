//! What happened: the append-only log that everything else is derived from.
//!
//! One handle, [`EventLog`], over two stores that behave alike: files of this machine (fjall) or a NATS server
//! with JetStream. The unit is the commit: one command on one entity, one record, one or more events. An
//! append is all or nothing and durable when it returns; it takes an expected version, and the same command
//! twice is one append. Concurrent appends share one durable write.
//!
//! Readers: [`EventLog::read`] an entity, [`EventLog::tail`] a category with a checkpoint of your own
//! (projections), or [`EventLog::follow`] it under a name (workers): at least once, strictly in order per
//! entity, retried after a pause, given up into a dead letter. A crash between a handler's work and the
//! checkpoint repeats the work, so every effect may run twice.
//!
//! Beside the log: [`Keys`] for sealing personal data (destroying a key erases), [`Blobs`] for documents,
//! [`State`] for cursors and leases. After a failed sync the embedded store refuses every further append
//! until the process restarts: what the disk holds is not known any more.

mod backend;
mod blobs;
mod clock;
mod embedded;
mod entity;
mod error;
mod fields;
mod follow;
mod heads;
mod jetstream;
mod keys;
mod log;
mod patience;
mod record;
mod settings;
mod state;
mod trace;
mod types;
mod wire;

pub use blobs::{BLOB_BYTES_MAX, Blobs, digest_of};
pub use entity::{Category, Entity, EntityError};
pub use error::{AppendError, BlobError, OpenError, ReadError, StateError};
pub use follow::{Consumer, DeadLetter, Delivery, Handler, Outcome, Start};
pub use keys::{DataKey, Keys};
pub use log::EventLog;
pub use patience::{PATIENCE, patiently};
pub use record::{BrokenChain, verify_chain};
pub use settings::{EmbeddedSettings, JetStreamSettings, Risk, Settings};
pub use state::{Entry, Revision, State};
pub use trace::TraceContext;
pub use types::{
    Appended, COMMIT_BYTES_MAX, COMMITS_PER_ENTITY_MAX, Commit, Durability, Expected, NewEvent, Position,
    Recorded, RecordedEvent, Tailed, Version, event_id,
};
