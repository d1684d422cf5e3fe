//! The log on a NATS server with JetStream.
//!
//! One stream, `ES`; one literal subject per entity, `es.<tenant>.<partition>.<category>.<entity>`; an
//! entity's version is the sequence of its subject's last message and every write expects it. Never a wildcard
//! expectation, never a write that expects nothing: both were seen to break under concurrency. A timeout means
//! that the outcome is unknown, and is resolved by asking the leader whether the command is there.

mod append;
mod blobs;
mod check;
mod connect;
mod group;
mod keys;
mod message;
mod monitor;
mod publish;
mod read;
mod state;
mod tail;
mod topology;

use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::object_store::ObjectStore;
use async_nats::jetstream::stream::Stream;
use async_trait::async_trait;
use bytes::Bytes;
use domain::envelope::Digest;
use parking_lot::Mutex;
use tokio::time::timeout;

use self::publish::Publisher;
use crate::backend::{Backend, Shares, Tail};
use crate::error::{AppendError, BlobError, OpenError, ReadError, StateError};
use crate::heads::HeadCache;
use crate::keys::DataKey;
use crate::state::{Entry, Revision};
use crate::{
    Appended, Category, Commit, Durability, Entity, Expected, JetStreamSettings, Position, Recorded, Version,
};

/// How long one request to the server may take.
const REQUEST_MAX: Duration = Duration::from_secs(3);

pub(crate) struct JetStream {
    context: Context,
    log: Stream,
    log_writer: Publisher,
    keys: Stream,
    keys_writer: Publisher,
    state: Stream,
    blobs: ObjectStore,
    heads: Mutex<HeadCache>,
    durability: Durability,
    append_deadline: Duration,
    lease_ttl: Duration,
}

impl JetStream {
    pub(crate) async fn open(settings: JetStreamSettings) -> Result<JetStream, OpenError> {
        let client = connect::connect(&settings).await?;
        let context = connect::context(&client);
        check::server(&client, &context).await?;
        let durability = check::durability(&settings).await?;
        let log = topology::stream(&context, topology::log(settings.replicas)).await?;
        let keys = topology::stream(&context, topology::keys(settings.replicas)).await?;
        let state = topology::stream(&context, topology::state(settings.replicas)).await?;
        let blobs = topology::blobs(&context, settings.replicas).await?;
        Ok(JetStream {
            context,
            log,
            log_writer: Publisher::start(client.clone(), settings.one_by_one),
            keys,
            keys_writer: Publisher::start(client, settings.one_by_one),
            state,
            blobs,
            heads: Mutex::default(),
            durability,
            append_deadline: settings.append_deadline,
            lease_ttl: settings.lease_ttl,
        })
    }
}

fn unavailable(error: impl std::fmt::Display) -> ReadError {
    ReadError::Unavailable(error.to_string())
}

#[async_trait]
impl Backend for JetStream {
    async fn append(
        &self,
        entity: &Entity,
        expected: Expected,
        commit: Commit,
    ) -> Result<Appended, AppendError> {
        append::append(self, entity, expected, &commit).await
    }

    async fn read(&self, entity: &Entity, after: Version) -> Result<Vec<Recorded>, ReadError> {
        read::read(self, entity, after).await
    }

    fn tail(&self, category: Category, after: Position, shares: Shares) -> Tail {
        tail::tail(self.log.clone(), category, after, shares)
    }

    async fn head(&self, category: Category) -> Result<Position, ReadError> {
        read::head(&self.log, category).await
    }

    async fn at(&self, category: Category, position: Position) -> Result<Option<Recorded>, ReadError> {
        let found = read::at(&self.log, position.0).await?;
        Ok(found.filter(|recorded| recorded.entity.category() == category))
    }

    async fn durability(&self) -> Durability {
        self.durability
    }

    async fn ping(&self) -> Result<(), ReadError> {
        let asked = timeout(REQUEST_MAX, self.log.get_info()).await.map_err(unavailable)?;
        asked.map(|_| ()).map_err(unavailable)
    }

    fn lease_ttl(&self) -> Option<Duration> {
        Some(self.lease_ttl)
    }

    async fn key_get_or_create(&self, group: &str) -> Result<DataKey, ReadError> {
        keys::get_or_create(self, group).await
    }

    async fn key_find(&self, group: &str) -> Result<Option<DataKey>, ReadError> {
        Ok(keys::find(self, group).await?.map(|(_, key)| key))
    }

    async fn key_destroy(&self, group: &str) -> Result<(), ReadError> {
        keys::destroy(self, group).await
    }

    async fn blob_put(&self, digest: &Digest, bytes: Bytes) -> Result<(), BlobError> {
        Ok(blobs::put(&self.blobs, digest, &bytes).await?)
    }

    async fn blob_delete(&self, digest: &Digest) -> Result<(), BlobError> {
        Ok(blobs::delete(&self.blobs, digest).await?)
    }

    async fn blob_get(&self, digest: &Digest) -> Result<Option<Bytes>, BlobError> {
        Ok(blobs::get(&self.blobs, digest).await?)
    }

    async fn state_get(&self, key: &str) -> Result<Option<Entry>, ReadError> {
        Ok(state::get(self, key).await?.entry)
    }

    async fn state_put(
        &self,
        key: &str,
        expected: Option<Revision>,
        value: Bytes,
    ) -> Result<Revision, StateError> {
        state::put(self, key, Some(expected), Some(value)).await
    }

    async fn state_delete(&self, key: &str, expected: Option<Revision>) -> Result<(), StateError> {
        state::put(self, key, expected.map(Some), None).await.map(|_| ())
    }

    async fn state_list(&self, prefix: &str) -> Result<Vec<(String, Entry)>, ReadError> {
        state::list(self, prefix).await
    }
}
