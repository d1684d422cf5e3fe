//! State entries: revision (8 bytes), 1 or 0 for present or deleted, value. A deleted entry stays as a mark,
//! so that its revision never comes back.

use std::collections::HashMap;

use bytes::Bytes;
use fjall::Slice;

use super::store::Store;
use super::unreadable;
use crate::error::ReadError;
use crate::state::{Entry, Revision};

pub(super) fn encode(revision: Revision, value: Option<&[u8]>) -> Vec<u8> {
    let mut bytes = revision.0.to_be_bytes().to_vec();
    bytes.push(u8::from(value.is_some()));
    bytes.extend_from_slice(value.unwrap_or_default());
    bytes
}

fn decode(bytes: &Slice) -> Result<(Revision, Option<Bytes>), ReadError> {
    let wrong = || ReadError::Corrupt("a state entry is too short".to_owned());
    let (revision, rest) = bytes.split_first_chunk::<8>().ok_or_else(wrong)?;
    let (present, value) = rest.split_first().ok_or_else(wrong)?;
    let value = (*present == 1).then(|| Bytes::copy_from_slice(value));
    Ok((Revision(u64::from_be_bytes(*revision)), value))
}

pub(super) fn get(store: &Store, key: &str) -> Result<Option<Entry>, ReadError> {
    let Some(bytes) = store.state.get(key).map_err(|error| unreadable(&error))? else {
        return Ok(None);
    };
    let (revision, value) = decode(&bytes)?;
    Ok(value.map(|value| Entry { revision, value }))
}

pub(super) fn list(store: &Store, prefix: &str) -> Result<Vec<(String, Entry)>, ReadError> {
    let mut entries = Vec::new();
    for item in store.state.prefix(prefix) {
        let (key, bytes) = item.into_inner().map_err(|error| unreadable(&error))?;
        let (revision, value) = decode(&bytes)?;
        if let Some(value) = value {
            entries.push((String::from_utf8_lossy(&key).into_owned(), Entry { revision, value }));
        }
    }
    Ok(entries)
}

/// The highest revision ever given out.
pub(super) fn revision_last(store: &Store) -> Result<u64, ReadError> {
    let mut last = 0;
    for item in store.state.iter() {
        let bytes = item.value().map_err(|error| unreadable(&error))?;
        last = last.max(decode(&bytes)?.0.0);
    }
    Ok(last)
}

/// What the group under way has changed already.
#[derive(Default)]
pub(super) struct Overlay(HashMap<String, Option<Revision>>);

impl Overlay {
    pub(super) fn current(&self, store: &Store, key: &str) -> Result<Option<Revision>, ReadError> {
        match self.0.get(key) {
            Some(revision) => Ok(*revision),
            None => Ok(get(store, key)?.map(|entry| entry.revision)),
        }
    }

    pub(super) fn keep(&mut self, key: String, revision: Option<Revision>) {
        self.0.insert(key, revision);
    }
}
