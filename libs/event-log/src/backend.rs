//! What a store must do to carry the log. Two of them do; one contract suite judges both.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::envelope::Digest;
use futures::stream::BoxStream;

use crate::error::{AppendError, BlobError, ReadError, StateError};
use crate::keys::DataKey;
use crate::state::{Entry, Revision};
use crate::{Appended, Category, Commit, Durability, Entity, Expected, Position, Recorded, Tailed, Version};

/// A tail: ends only when the log is closed or after an undecodable record.
pub(crate) type Tail = BoxStream<'static, Result<Tailed, ReadError>>;

#[async_trait]
pub(crate) trait Backend: Send + Sync {
    async fn append(
        &self,
        entity: &Entity,
        expected: Expected,
        commit: Commit,
    ) -> Result<Appended, AppendError>;
    async fn read(&self, entity: &Entity, after: Version) -> Result<Vec<Recorded>, ReadError>;
    fn tail(&self, category: Category, after: Position, shares: Shares) -> Tail;
    async fn head(&self, category: Category) -> Result<Position, ReadError>;
    /// The commit at exactly this position.
    async fn at(&self, category: Category, position: Position) -> Result<Option<Recorded>, ReadError>;
    async fn durability(&self) -> Durability;
    async fn ping(&self) -> Result<(), ReadError>;
    /// How long a lease on a share outlives its last renewal; `None` when this process owns every share.
    fn lease_ttl(&self) -> Option<Duration>;

    async fn key_get_or_create(&self, group: &str) -> Result<DataKey, ReadError>;
    async fn key_find(&self, group: &str) -> Result<Option<DataKey>, ReadError>;
    async fn key_destroy(&self, group: &str) -> Result<(), ReadError>;

    async fn blob_put(&self, digest: &Digest, bytes: Bytes) -> Result<(), BlobError>;
    async fn blob_get(&self, digest: &Digest) -> Result<Option<Bytes>, BlobError>;
    async fn blob_delete(&self, digest: &Digest) -> Result<(), BlobError>;

    async fn state_get(&self, key: &str) -> Result<Option<Entry>, ReadError>;
    /// `None` expects that there is no entry.
    async fn state_put(
        &self,
        key: &str,
        expected: Option<Revision>,
        value: Bytes,
    ) -> Result<Revision, StateError>;
    async fn state_delete(&self, key: &str, expected: Option<Revision>) -> Result<(), StateError>;
    async fn state_list(&self, prefix: &str) -> Result<Vec<(String, Entry)>, ReadError>;
}

/// Which of the 16 shares of a category are wanted: partition modulo 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shares(pub(crate) u16);

impl Shares {
    pub(crate) const COUNT: usize = 16;
    pub(crate) const ALL: Shares = Shares(u16::MAX);
    pub(crate) const NONE: Shares = Shares(0);

    /// The share of an entity.
    pub(crate) fn of(entity: &Entity) -> usize {
        usize::from(entity.partition()) % Self::COUNT
    }

    pub(crate) fn has(self, share: usize) -> bool {
        self.0 & (1 << share) != 0
    }

    pub(crate) fn with(self, share: usize) -> Shares {
        Shares(self.0 | (1 << share))
    }

    pub(crate) fn without(self, share: usize) -> Shares {
        Shares(self.0 & !(1 << share))
    }

    pub(crate) fn count(self) -> usize {
        self.0.count_ones() as usize
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = usize> {
        (0..Self::COUNT).filter(move |share| self.has(*share))
    }
}
