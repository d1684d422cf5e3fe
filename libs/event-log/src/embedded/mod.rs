//! The log in a directory of this machine: fjall below, one writer thread above.
//!
//! `<dir>/log` holds the records, the entities' heads and the state; `<dir>/keys` the data keys, never with
//! the log, and `<dir>/keys.unerased` says that bytes of destroyed ones are among them; `<dir>/blobs` the documents.
//! One process owns the directory (fjall's lock), so there are no leases.

mod blobs;
mod erasing;
mod heads;
mod keys;
mod queue;
mod reader;
mod request;
mod state;
mod store;
mod writer;

#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::envelope::Digest;
use tokio::sync::{oneshot, watch};

use self::blobs::BlobFiles;
use self::keys::KeyStore;
use self::queue::Requests;
use self::request::{Draft, Request};
use self::store::Store;
use self::writer::{CommitGroup, Writer};
use crate::backend::{Backend, Shares, Tail};
use crate::error::{AppendError, BlobError, OpenError, ReadError, StateError};
use crate::keys::DataKey;
use crate::state::{Entry, Revision};
use crate::{
    Appended, Category, Commit, Durability, EmbeddedSettings, Entity, Expected, Position, Recorded, Version,
};

pub(crate) struct Embedded {
    store: Store,
    requests: Requests,
    heads: [watch::Receiver<Position>; 5],
    keys: KeyStore,
    blobs: BlobFiles,
    append_deadline: Duration,
}

impl Embedded {
    pub(crate) async fn open(settings: EmbeddedSettings) -> Result<Embedded, OpenError> {
        Self::open_with(settings, writer::commit_synced()).await
    }

    /// Opens with another way to make a group durable: tests watch or break it.
    async fn open_with(settings: EmbeddedSettings, commit_group: CommitGroup) -> Result<Embedded, OpenError> {
        let dir = settings.dir.display().to_string();
        blocking(move || Self::open_blocking(settings, commit_group))
            .await
            .map_err(|error| OpenError::Store { dir, source: error.into() })?
    }

    fn open_blocking(settings: EmbeddedSettings, commit_group: CommitGroup) -> Result<Embedded, OpenError> {
        let store = Store::open(&settings)?;
        let keys = KeyStore::open(&settings)?;
        let blobs = BlobFiles::open(&settings)?;
        let (requests, groups) = queue::queue();
        let (writer, heads) = Writer::recover(store.clone(), &settings, commit_group)?;
        std::thread::Builder::new()
            .name("event-log-writer".to_owned())
            .spawn(move || writer.run(&groups))
            .map_err(|source| OpenError::Store {
                dir: settings.dir.display().to_string(),
                source: source.into(),
            })?;
        Ok(Embedded { store, requests, heads, keys, blobs, append_deadline: settings.append_deadline })
    }

    /// Queues a request; `Err` says that it was certainly not taken.
    async fn submit(&self, request: Request) -> Result<(), String> {
        let taken = self.requests.submit(request, self.append_deadline).await;
        taken.map_err(|refused| refused.to_string())
    }

    /// Waits for the writer's answer; `None` when there is none within the deadline.
    async fn answer<T>(&self, reply: oneshot::Receiver<T>) -> Option<T> {
        tokio::time::timeout(self.append_deadline, reply).await.ok()?.ok()
    }

    async fn state_request<T>(
        &self,
        request: Request,
        reply: oneshot::Receiver<Result<T, StateError>>,
    ) -> Result<T, StateError> {
        self.submit(request).await.map_err(ReadError::Unavailable)?;
        let no_answer =
            || StateError::Store(ReadError::Unavailable("no answer within the deadline".to_owned()));
        self.answer(reply).await.unwrap_or_else(|| Err(no_answer()))
    }
}

/// Runs file work off the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ReadError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| ReadError::Unavailable(format!("the store did not finish: {error}")))
}

fn unreadable(error: &fjall::Error) -> ReadError {
    ReadError::Unavailable(error.to_string())
}

#[async_trait]
impl Backend for Embedded {
    async fn append(
        &self,
        entity: &Entity,
        expected: Expected,
        commit: Commit,
    ) -> Result<Appended, AppendError> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Append {
            key: entity.key(),
            entity: entity.clone(),
            expected,
            command_id: commit.command_id,
            draft: Draft::of(entity, expected, commit),
            reply,
        };
        self.submit(request).await.map_err(AppendError::Unavailable)?;
        self.answer(answer).await.unwrap_or(Err(AppendError::Unknown))
    }

    async fn read(&self, entity: &Entity, after: Version) -> Result<Vec<Recorded>, ReadError> {
        let (store, entity) = (self.store.clone(), entity.clone());
        blocking(move || reader::read(&store, &entity, after)).await?
    }

    fn tail(&self, category: Category, after: Position, shares: Shares) -> Tail {
        reader::tail(self.store.clone(), category, after, shares, self.heads[category.index()].clone())
    }

    async fn head(&self, category: Category) -> Result<Position, ReadError> {
        Ok(*self.heads[category.index()].borrow())
    }

    async fn at(&self, category: Category, position: Position) -> Result<Option<Recorded>, ReadError> {
        let store = self.store.clone();
        blocking(move || reader::at(&store, category, position)).await?
    }

    async fn durability(&self) -> Durability {
        Durability::PowerLoss
    }

    async fn ping(&self) -> Result<(), ReadError> {
        if self.requests.is_closed() {
            return Err(ReadError::Unavailable("its writer has stopped".to_owned()));
        }
        let (reply, answer) = oneshot::channel();
        self.submit(Request::Ping { reply }).await.map_err(ReadError::Unavailable)?;
        let silent = || Err(ReadError::Unavailable("its writer does not answer".to_owned()));
        self.answer(answer).await.unwrap_or_else(silent)
    }

    fn lease_ttl(&self) -> Option<Duration> {
        None
    }

    async fn key_get_or_create(&self, group: &str) -> Result<DataKey, ReadError> {
        self.keys.get_or_create(group).await
    }

    async fn key_find(&self, group: &str) -> Result<Option<DataKey>, ReadError> {
        self.keys.find(group).await
    }

    async fn key_destroy(&self, group: &str) -> Result<(), ReadError> {
        self.keys.destroy(group).await
    }

    async fn blob_put(&self, digest: &Digest, bytes: Bytes) -> Result<(), BlobError> {
        let (blobs, digest) = (self.blobs.clone(), *digest);
        Ok(blocking(move || blobs.put(&digest, &bytes)).await??)
    }

    async fn blob_delete(&self, digest: &Digest) -> Result<(), BlobError> {
        let (blobs, digest) = (self.blobs.clone(), *digest);
        Ok(blocking(move || blobs.delete(&digest)).await??)
    }

    async fn blob_get(&self, digest: &Digest) -> Result<Option<Bytes>, BlobError> {
        let (blobs, digest) = (self.blobs.clone(), *digest);
        Ok(blocking(move || blobs.get(&digest)).await??)
    }

    async fn state_get(&self, key: &str) -> Result<Option<Entry>, ReadError> {
        let (store, key) = (self.store.clone(), key.to_owned());
        blocking(move || state::get(&store, &key)).await?
    }

    async fn state_put(
        &self,
        key: &str,
        expected: Option<Revision>,
        value: Bytes,
    ) -> Result<Revision, StateError> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Put { key: key.to_owned(), expected, value, reply };
        self.state_request(request, answer).await
    }

    async fn state_delete(&self, key: &str, expected: Option<Revision>) -> Result<(), StateError> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Delete { key: key.to_owned(), expected, reply };
        self.state_request(request, answer).await
    }

    async fn state_list(&self, prefix: &str) -> Result<Vec<(String, Entry)>, ReadError> {
        let (store, prefix) = (self.store.clone(), prefix.to_owned());
        blocking(move || state::list(&store, &prefix)).await?
    }
}
