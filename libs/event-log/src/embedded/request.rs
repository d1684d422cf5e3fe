//! What the writer is asked, and how it answers.

use bytes::Bytes;
use domain::ids::CommandId;
use fjall::Slice;
use tokio::sync::oneshot;

use crate::entity::EntityKey;
use crate::error::{AppendError, ReadError, StateError};
use crate::record::{self, ChainEnd};
use crate::state::Revision;
use crate::{Appended, Commit, Entity, Expected, clock};

type Reply<T, E> = oneshot::Sender<Result<T, E>>;

pub(super) enum Request {
    Append {
        key: EntityKey,
        entity: Entity,
        expected: Expected,
        command_id: CommandId,
        draft: Draft,
        reply: Reply<Appended, AppendError>,
    },
    Put {
        key: String,
        expected: Option<Revision>,
        value: Bytes,
        reply: Reply<Revision, StateError>,
    },
    Delete {
        key: String,
        expected: Option<Revision>,
        reply: Reply<(), StateError>,
    },
    Ping {
        reply: Reply<(), ReadError>,
    },
}

/// What is to be stored. The caller encodes as much as it can know, so that the writer need not.
pub(super) enum Draft {
    /// Encoded as the first commit of its entity: it is stored only if it is the first.
    First { record: Slice, end: ChainEnd },
    /// The record hangs on the commit before it, which only the writer knows.
    Later(Box<Commit>),
}

impl Draft {
    pub(super) fn of(entity: &Entity, expected: Expected, commit: Commit) -> Draft {
        match expected {
            Expected::Absent => {
                let (record, end) = record::encode(entity, ChainEnd::default(), clock::now(), &commit);
                Draft::First { record: record.into(), end }
            }
            Expected::Exactly(_) | Expected::Any => Draft::Later(Box::new(commit)),
        }
    }

    fn weight(&self) -> usize {
        match self {
            Draft::First { record, .. } => record.len(),
            Draft::Later(commit) => record::size(commit),
        }
    }
}

/// Answers wait here until the group is durable.
pub(super) enum Answer {
    Append(Result<Appended, AppendError>, Reply<Appended, AppendError>),
    Put(Result<Revision, StateError>, Reply<Revision, StateError>),
    Delete(Result<(), StateError>, Reply<(), StateError>),
    Ping(Reply<(), ReadError>),
}

impl Request {
    /// About its size, in bytes.
    pub(super) fn weight(&self) -> usize {
        match self {
            Request::Append { draft, .. } => draft.weight(),
            Request::Put { value, .. } => value.len(),
            Request::Delete { .. } | Request::Ping { .. } => 64,
        }
    }

    /// Answers that it was certainly not done.
    pub(super) fn refuse(self, reason: &str) {
        let unavailable = || ReadError::Unavailable(reason.to_owned());
        // A receiver that is gone has stopped waiting; there is nobody to tell.
        match self {
            Request::Append { reply, .. } => {
                drop(reply.send(Err(AppendError::Unavailable(reason.to_owned()))))
            }
            Request::Put { reply, .. } => drop(reply.send(Err(unavailable().into()))),
            Request::Delete { reply, .. } => drop(reply.send(Err(unavailable().into()))),
            Request::Ping { reply } => drop(reply.send(Err(unavailable()))),
        }
    }
}

impl Answer {
    pub(super) fn send(self) {
        match self {
            Answer::Append(outcome, reply) => drop(reply.send(outcome)),
            Answer::Put(outcome, reply) => drop(reply.send(outcome)),
            Answer::Delete(outcome, reply) => drop(reply.send(outcome)),
            Answer::Ping(reply) => drop(reply.send(Ok(()))),
        }
    }

    /// The group may or may not be on the disk.
    pub(super) fn send_unknown(self) {
        let unknown = || ReadError::Unavailable("the write may or may not be stored".to_owned());
        match self {
            Answer::Append(_, reply) => drop(reply.send(Err(AppendError::Unknown))),
            Answer::Put(_, reply) => drop(reply.send(Err(unknown().into()))),
            Answer::Delete(_, reply) => drop(reply.send(Err(unknown().into()))),
            Answer::Ping(reply) => drop(reply.send(Err(unknown()))),
        }
    }
}
