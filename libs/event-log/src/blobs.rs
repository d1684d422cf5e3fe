//! Documents and other large bytes, under their SHA-256.

use std::sync::Arc;

use bytes::Bytes;
use domain::envelope::Digest;
use sha2::{Digest as _, Sha256};

use crate::backend::Backend;
use crate::error::{BlobError, ReadError};

/// Largest blob, in bytes.
pub const BLOB_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The name of a blob.
pub fn digest_of(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// Handle to the blobs.
#[derive(Clone)]
pub struct Blobs(pub(crate) Arc<dyn Backend>);

impl Blobs {
    /// Keeps the bytes, durably. The same bytes twice are kept once.
    ///
    /// # Errors
    /// More than [`BLOB_BYTES_MAX`], or the store does not answer.
    pub async fn put(&self, bytes: Bytes) -> Result<Digest, BlobError> {
        if bytes.len() > BLOB_BYTES_MAX {
            return Err(BlobError::TooLarge { bytes: bytes.len(), bytes_max: BLOB_BYTES_MAX });
        }
        let digest = digest_of(&bytes);
        self.0.blob_put(&digest, bytes).await?;
        Ok(digest)
    }

    /// The bytes of this digest, checked against it.
    ///
    /// # Errors
    /// When the store does not answer, or the stored bytes have another digest.
    pub async fn get(&self, digest: &Digest) -> Result<Option<Bytes>, BlobError> {
        let Some(bytes) = self.0.blob_get(digest).await? else {
            return Ok(None);
        };
        if digest_of(&bytes) != *digest {
            return Err(ReadError::Corrupt(format!("blob {digest} has other bytes")).into());
        }
        Ok(Some(bytes))
    }

    /// Removes the bytes of this digest; nothing happens when there are none. Only for bytes that nobody else can have
    /// put, such as sealed ones: whoever has the same bytes loses them.
    ///
    /// # Errors
    /// When the store does not answer; then the bytes may still be there.
    pub async fn delete(&self, digest: &Digest) -> Result<(), BlobError> {
        self.0.blob_delete(digest).await
    }
}
