//! Blobs in the object store, by digest: writing the same twice is harmless.

use std::time::Duration;

use async_nats::jetstream::object_store::{DeleteErrorKind, GetErrorKind, ObjectStore};
use bytes::Bytes;
use domain::envelope::Digest;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use super::unavailable;
use crate::blobs::{BLOB_BYTES_MAX, digest_of};
use crate::error::ReadError;

/// For the largest blob over a slow disk.
const TRANSFER_MAX: Duration = Duration::from_secs(60);

pub(super) async fn put(store: &ObjectStore, digest: &Digest, bytes: &Bytes) -> Result<(), ReadError> {
    let name = digest.to_string();
    let transfer = async {
        // What is there and whole is not written again.
        if get_now(store, &name).await?.is_some_and(|found| digest_of(&found) == *digest) {
            return Ok(());
        }
        store.put(name.as_str(), &mut bytes.as_ref()).await.map(|_| ()).map_err(unavailable)
    };
    timeout(TRANSFER_MAX, transfer).await.map_err(unavailable)?
}

pub(super) async fn get(store: &ObjectStore, digest: &Digest) -> Result<Option<Bytes>, ReadError> {
    timeout(TRANSFER_MAX, get_now(store, &digest.to_string())).await.map_err(unavailable)?
}

pub(super) async fn delete(store: &ObjectStore, digest: &Digest) -> Result<(), ReadError> {
    match timeout(TRANSFER_MAX, store.delete(digest.to_string())).await.map_err(unavailable)? {
        Ok(()) => Ok(()),
        Err(error) if matches!(error.kind(), DeleteErrorKind::NotFound) => Ok(()),
        Err(error) => Err(unavailable(error)),
    }
}

async fn get_now(store: &ObjectStore, name: &str) -> Result<Option<Bytes>, ReadError> {
    let mut object = match store.get(name).await {
        Ok(object) => object,
        Err(error) if matches!(error.kind(), GetErrorKind::NotFound) => return Ok(None),
        Err(error) => return Err(unavailable(error)),
    };
    if object.info.size > BLOB_BYTES_MAX {
        return Err(ReadError::Corrupt(format!("blob {name} is larger than any blob may be")));
    }
    let mut bytes = Vec::with_capacity(object.info.size);
    object.read_to_end(&mut bytes).await.map_err(unavailable)?;
    Ok(Some(bytes.into()))
}
