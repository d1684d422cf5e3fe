//! Documents and other large bytes, under their SHA-256.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::backend::Backend;
use crate::error::{BlobError, ReadError};

/// Largest blob, in bytes.
pub const BLOB_BYTES_MAX: usize = 64 * 1024 * 1024;

/// SHA-256 of a blob: its name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }

    /// A digest that was stored elsewhere.
    pub const fn from_bytes(bytes: [u8; 32]) -> Digest {
        Digest(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a digest is 64 hexadecimal digits")]
pub struct DigestError;

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let bytes = hex::decode(text).map_err(|_| DigestError)?;
        bytes.try_into().map(Digest).map_err(|_| DigestError)
    }
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
        let digest = Digest::of(&bytes);
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
        if Digest::of(&bytes) != *digest {
            return Err(ReadError::Corrupt(format!("blob {digest} has other bytes")).into());
        }
        Ok(Some(bytes))
    }
}
