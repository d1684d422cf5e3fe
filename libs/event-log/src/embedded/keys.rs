//! Data keys in a database of their own, `<dir>/keys`: backups of the log do not hold them.

use std::collections::HashMap;
use std::time::Duration;

use fjall::{Database, Keyspace, PersistMode};
use tokio::sync::{mpsc, oneshot};

use super::erasing::{Erasing, REWRITE_EVERY};
use super::store::{broken, open_database, open_keyspace};
use super::{blocking, unreadable};
use crate::EmbeddedSettings;
use crate::error::{OpenError, ReadError};
use crate::keys::DataKey;

const CACHE_BYTES_MAX: u64 = 4 * 1024 * 1024;
const MEMTABLE_BYTES_MAX: u64 = 4 * 1024 * 1024;
const QUEUE_MAX: usize = 1_024;
const GROUP_MAX: usize = 512;
/// Beside the database, which has a folder to itself.
const REWRITE_MARK: &str = "keys.unerased";

#[cfg(test)]
mod tests;

enum Request {
    Make { group: String, reply: oneshot::Sender<Result<DataKey, ReadError>> },
    Destroy { group: String, reply: oneshot::Sender<Result<(), ReadError>> },
}

pub(super) struct KeyStore {
    keyspace: Keyspace,
    requests: mpsc::Sender<Request>,
    deadline: Duration,
    #[cfg(test)]
    erasing: Erasing,
}

/// Groups of keys, each with whoever waits for the answer.
type Waiting<T> = Vec<(String, oneshot::Sender<Result<T, ReadError>>)>;

impl KeyStore {
    pub(super) fn open(settings: &EmbeddedSettings) -> Result<KeyStore, OpenError> {
        Self::open_with(settings, REWRITE_EVERY)
    }

    /// Opens with another pause between two rewritings of the table.
    fn open_with(settings: &EmbeddedSettings, rewrite_every: Duration) -> Result<KeyStore, OpenError> {
        let dir = settings.dir.join("keys");
        let database = open_database(&dir, CACHE_BYTES_MAX)?;
        let keyspace = open_keyspace(&database, &dir, "keys", MEMTABLE_BYTES_MAX)?;
        let (requests, queue) = mpsc::channel(QUEUE_MAX);
        let erasing = Erasing::new(settings.dir.join(REWRITE_MARK));
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let (eraser, whole, table) = (erasing.clone(), database.clone(), keyspace.clone());
        thread("event-log-erase")
            .spawn(move || eraser.run(whole, &table, rewrite_every))
            .map_err(|source| broken(&dir, source))?;
        let writer = KeyWriter { database, keyspace: keyspace.clone(), erasing: erasing.clone() };
        thread("event-log-keys").spawn(move || writer.run(queue)).map_err(|source| broken(&dir, source))?;
        Ok(KeyStore {
            keyspace,
            requests,
            deadline: settings.append_deadline,
            #[cfg(test)]
            erasing,
        })
    }

    pub(super) async fn find(&self, group: &str) -> Result<Option<DataKey>, ReadError> {
        let (keyspace, group) = (self.keyspace.clone(), group.to_owned());
        blocking(move || find(&keyspace, &group)).await?
    }

    pub(super) async fn get_or_create(&self, group: &str) -> Result<DataKey, ReadError> {
        if let Some(key) = self.find(group).await? {
            return Ok(key);
        }
        let (reply, answer) = oneshot::channel();
        self.submit(Request::Make { group: group.to_owned(), reply }, answer).await
    }

    pub(super) async fn destroy(&self, group: &str) -> Result<(), ReadError> {
        let (reply, answer) = oneshot::channel();
        self.submit(Request::Destroy { group: group.to_owned(), reply }, answer).await
    }

    async fn submit<T>(
        &self,
        request: Request,
        answer: oneshot::Receiver<Result<T, ReadError>>,
    ) -> Result<T, ReadError> {
        let silent = || ReadError::Unavailable("the key store does not answer".to_owned());
        let exchange = async {
            self.requests.send(request).await.map_err(|_| silent())?;
            answer.await.map_err(|_| silent())?
        };
        tokio::time::timeout(self.deadline, exchange).await.unwrap_or_else(|_| Err(silent()))
    }
}

fn find(keyspace: &Keyspace, group: &str) -> Result<Option<DataKey>, ReadError> {
    let found = keyspace.get(group).map_err(|error| unreadable(&error))?;
    found.map(|bytes| DataKey::from_slice(&bytes)).transpose()
}

struct KeyWriter {
    database: Database,
    keyspace: Keyspace,
    erasing: Erasing,
}

impl Drop for KeyWriter {
    fn drop(&mut self) {
        self.erasing.close();
    }
}

impl KeyWriter {
    fn run(self, mut queue: mpsc::Receiver<Request>) {
        let mut group = Vec::new();
        while queue.blocking_recv_many(&mut group, GROUP_MAX) > 0 {
            self.write(&mut group);
        }
    }

    /// Serves a group with one sync for all that is destroyed and one for all that is made. Nobody of a group has had an
    /// answer, so any order is right; destroyed first, a key that is answered is none that its own group destroys.
    fn write(&self, group: &mut Vec<Request>) {
        let (mut wanted, mut unwanted) = (Vec::new(), Vec::new());
        for request in group.drain(..) {
            match request {
                Request::Make { group, reply } => wanted.push((group, reply)),
                Request::Destroy { group, reply } => unwanted.push((group, reply)),
            }
        }
        self.destroy(unwanted);
        self.make(wanted);
    }

    fn make(&self, wanted: Waiting<DataKey>) {
        if wanted.is_empty() {
            return;
        }
        let mut batch = self.database.batch();
        let mut made: HashMap<String, DataKey> = HashMap::new();
        let mut answers = Vec::with_capacity(wanted.len());
        for (group, reply) in wanted {
            let known =
                made.get(&group).cloned().map_or_else(|| find(&self.keyspace, &group), |key| Ok(Some(key)));
            let key = known.and_then(|known| known.map_or_else(DataKey::random, Ok));
            if let Ok(key) = &key {
                batch.insert(&self.keyspace, group.as_str(), key.as_bytes());
                made.insert(group, key.clone());
            }
            answers.push((key, reply));
        }
        let synced =
            batch.durability(Some(PersistMode::SyncData)).commit().map_err(|error| unreadable(&error));
        for (key, reply) in answers {
            drop(reply.send(synced.clone().and(key)));
        }
    }

    /// Deletes durably; the bytes leave the table when it is rewritten, and the journal when that is rotated.
    fn destroy(&self, unwanted: Waiting<()>) {
        if unwanted.is_empty() {
            return;
        }
        let deleted = self.erasing.deleting(|| {
            let mut batch = self.database.batch().durability(Some(PersistMode::SyncAll));
            for (group, _) in &unwanted {
                batch.remove(&self.keyspace, group.as_str());
            }
            batch.commit().map_err(|error| unreadable(&error))
        });
        for (_, reply) in unwanted {
            drop(reply.send(deleted.clone()));
        }
    }
}
