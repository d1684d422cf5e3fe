//! Reads: entities backwards along their commits, categories forwards.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use fjall::{Keyspace, Slice};
use futures::StreamExt as _;
use tokio::sync::watch;

use super::store::Store;
use super::{blocking, unreadable};
use crate::backend::{Shares, Tail};
use crate::entity::EntityKey;
use crate::error::ReadError;
use crate::heads::COMMANDS_MAX;
use crate::patience::patiently;
use crate::{COMMITS_PER_ENTITY_MAX, Category, Entity, Position, Recorded, Tailed, Version, record};

const BATCH_COMMITS_MAX: usize = 512;
const BATCH_BYTES_MAX: usize = 1024 * 1024;

/// The position of the category's last commit.
pub(super) fn last(category: &Keyspace) -> Result<Position, ReadError> {
    let Some(last) = category.last_key_value() else {
        return Ok(Position::ZERO);
    };
    Ok(Position(number(&last.key().map_err(|error| unreadable(&error))?)?))
}

/// Where the entities end that have commits after a position.
pub(super) fn heads_after(
    category: &Keyspace,
    after: u64,
    heads: &mut HashMap<EntityKey, u64>,
) -> Result<(), ReadError> {
    for item in category.range((after + 1).to_be_bytes()..) {
        let (key, value) = item.into_inner().map_err(|error| unreadable(&error))?;
        let position = number(&key)?;
        match record::entity_of(&value) {
            Some(entity) => drop(heads.insert(entity.key(), position)),
            // It stops its followers; it need not stop everything else.
            None => tracing::error!(position, "CS-LOG-020: a record names no entity"),
        }
    }
    Ok(())
}

/// The commit at a position.
pub(super) fn at(
    store: &Store,
    category: Category,
    position: Position,
) -> Result<Option<Recorded>, ReadError> {
    let found = store.category(category).get(position.0.to_be_bytes()).map_err(|error| unreadable(&error))?;
    found.map(|bytes| decode(position.0, &bytes)).transpose()
}

/// The entity's commits after a version, oldest first.
pub(super) fn read(store: &Store, entity: &Entity, after: Version) -> Result<Vec<Recorded>, ReadError> {
    let (commits, complete) = walk_back(store, entity, after, COMMITS_PER_ENTITY_MAX)?;
    if complete { Ok(commits) } else { Err(ReadError::TooLong { commits_max: COMMITS_PER_ENTITY_MAX }) }
}

/// The entity's last few commits, oldest first.
pub(super) fn recent(store: &Store, entity: &Entity) -> Result<Vec<Recorded>, ReadError> {
    Ok(walk_back(store, entity, Version::NONE, COMMANDS_MAX)?.0)
}

fn walk_back(
    store: &Store,
    entity: &Entity,
    after: Version,
    commits_max: usize,
) -> Result<(Vec<Recorded>, bool), ReadError> {
    let Some(mut next) = store.heads.get(&entity.key())? else {
        return Ok((Vec::new(), true));
    };
    let mut commits = Vec::new();
    while next > after.0 && commits.len() < commits_max {
        let missing = || ReadError::Corrupt(format!("commit {next} of {entity} is missing"));
        let commit = at(store, entity.category(), Position(next))?.ok_or_else(missing)?;
        if commit.entity != *entity || commit.previous_version.0 >= next {
            return Err(ReadError::Corrupt(format!("commit {next} does not belong to {entity}")));
        }
        next = commit.previous_version.0;
        commits.push(commit);
    }
    commits.reverse();
    Ok((commits, next <= after.0))
}

/// Everything after a position, then live.
pub(super) fn tail(
    store: Store,
    category: Category,
    after: Position,
    shares: Shares,
    head: watch::Receiver<Position>,
) -> Tail {
    tail_by(Arc::new(move |after| batch(store.category(category), after)), after, shares, head)
}

/// The next commits after a position, and what stopped the reading early.
type ReadOn = Arc<dyn Fn(Position) -> (Vec<Recorded>, Option<ReadError>) + Send + Sync>;

/// The same, read in this way: tests break it.
pub(super) fn tail_by(
    read: ReadOn,
    after: Position,
    shares: Shares,
    head: watch::Receiver<Position>,
) -> Tail {
    let tailing = Tailing { read, shares, head, after, ready: VecDeque::new(), announced: false };
    futures::stream::unfold(Some(tailing), |tailing| async {
        let mut tailing = tailing?;
        let item = tailing.next().await?;
        let next = item.is_ok().then_some(tailing);
        Some((item, next))
    })
    .fuse()
    .boxed()
}

struct Tailing {
    read: ReadOn,
    shares: Shares,
    head: watch::Receiver<Position>,
    after: Position,
    ready: VecDeque<Recorded>,
    announced: bool,
}

impl Tailing {
    /// The next item; `None` when the log was closed.
    async fn next(&mut self) -> Option<Result<Tailed, ReadError>> {
        loop {
            if let Some(commit) = self.ready.pop_front() {
                return Some(Ok(Tailed::Commit(commit)));
            }
            let head = *self.head.borrow_and_update();
            if self.after < head {
                if let Err(error) = self.fill().await {
                    return Some(Err(error));
                }
            } else if !self.announced {
                self.announced = true;
                return Some(Ok(Tailed::CaughtUp(self.after)));
            } else {
                self.head.changed().await.ok()?;
            }
        }
    }

    async fn fill(&mut self) -> Result<(), ReadError> {
        let (read, after) = (self.read.clone(), self.after);
        let next = || {
            let read = read.clone();
            async move {
                match blocking(move || read(after)).await? {
                    (commits, Some(failure)) if commits.is_empty() => Err(failure),
                    (commits, _) => Ok(commits),
                }
            }
        };
        // Whoever follows lives on over a disk that is only busy.
        let commits = patiently("what comes next in the log", ReadError::is_unavailable, next).await?;
        if let Some(last) = commits.last() {
            self.after = last.position;
            self.announced = false;
        }
        let shares = self.shares;
        self.ready.extend(commits.into_iter().filter(|commit| shares.has(Shares::of(&commit.entity))));
        Ok(())
    }
}

/// The next commits, and what stopped the reading early; commits before a failure are still good.
pub(super) fn batch(keyspace: &Keyspace, after: Position) -> (Vec<Recorded>, Option<ReadError>) {
    let mut commits = Vec::new();
    let mut bytes = 0;
    for item in keyspace.range((after.0 + 1).to_be_bytes()..) {
        let decoded = item
            .into_inner()
            .map_err(|error| unreadable(&error))
            .and_then(|(key, value)| Ok((value.len(), decode(number(&key)?, &value)?)));
        match decoded {
            Ok((size, commit)) => {
                bytes += size;
                commits.push(commit);
            }
            Err(error) => return (commits, Some(error)),
        }
        if commits.len() == BATCH_COMMITS_MAX || bytes >= BATCH_BYTES_MAX {
            break;
        }
    }
    (commits, None)
}

fn decode(position: u64, bytes: &Slice) -> Result<Recorded, ReadError> {
    record::decode(position, Bytes::copy_from_slice(bytes)).map_err(ReadError::Corrupt)
}

pub(super) fn number(bytes: &Slice) -> Result<u64, ReadError> {
    let bytes = bytes.as_ref().try_into();
    bytes.map(u64::from_be_bytes).map_err(|_| ReadError::Corrupt("a position is not 8 bytes".to_owned()))
}
