//! Bytes from outside, kept as they came.

use std::fmt;

use domain::envelope::Digest;
use domain::ids::EventId;

use crate::DecodeError;
use crate::fields::{digest, required};
use crate::seal::{EventOpener, EventSealer, Opener, Sealer};
use crate::wire::common::Sealed;
use crate::wire::verification as wire;
use crate::wire::verification::raw::Place;

/// What is larger, in bytes, is sealed into the blob store ([`crate::seal::Sealer::seal_blob`]).
pub const RAW_INLINE_BYTES_MAX: usize = 64 * 1024;

/// Bytes from outside: personal data, never printed.
#[derive(Clone, PartialEq, Eq)]
pub enum Raw {
    /// In the event itself; at most [`RAW_INLINE_BYTES_MAX`].
    Inline(Vec<u8>),
    /// Sealed in the blob store.
    Stored {
        /// The blob.
        digest: Digest,
        /// Its size in bytes, sealed.
        bytes: u64,
    },
    /// The key is gone.
    Erased,
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Raw::Inline(bytes) => write!(f, "Raw({} bytes, redacted)", bytes.len()),
            Raw::Stored { digest, bytes } => write!(f, "Raw({bytes} bytes in blob {digest})"),
            Raw::Erased => f.write_str("Raw(erased)"),
        }
    }
}

impl Raw {
    /// Keeps bytes where they belong: small ones in the event `id`, larger ones sealed in the blob store, into
    /// which `put` writes them and answers with their digest.
    ///
    /// # Errors
    /// That of `put`.
    pub async fn keep<E, F>(
        clear: Vec<u8>,
        id: &EventId,
        sealer: &Sealer,
        put: impl FnOnce(Vec<u8>) -> F,
    ) -> Result<Raw, E>
    where
        F: Future<Output = Result<Digest, E>>,
    {
        if clear.len() <= RAW_INLINE_BYTES_MAX {
            return Ok(Raw::Inline(clear));
        }
        let sealed = sealer.seal_blob(id, &clear);
        let bytes = u64::try_from(sealed.len()).unwrap_or(u64::MAX);
        Ok(Raw::Stored { digest: put(sealed).await?, bytes })
    }

    /// The bytes in clear; `None` once they are erased. `get` reads the blob store, and is not asked once the key
    /// is gone: a blob that is missing although its key is there is an error of `get`.
    ///
    /// # Errors
    /// That of `get`, or the blob does not open under the event `id`.
    pub async fn reveal<E, F, B>(
        self,
        id: &EventId,
        opener: &Opener,
        get: impl FnOnce(Digest) -> F,
    ) -> Result<Option<Vec<u8>>, E>
    where
        E: From<DecodeError>,
        F: Future<Output = Result<B, E>>,
        B: AsRef<[u8]>,
    {
        Ok(match self {
            Raw::Inline(clear) => Some(clear),
            Raw::Stored { digest, .. } if opener.has_key() => {
                opener.open_blob(id, get(digest).await?.as_ref())?
            }
            Raw::Stored { .. } | Raw::Erased => None,
        })
    }
}

pub(crate) fn to_wire(raw: &Raw, field: &str, seal: EventSealer<'_>) -> wire::Raw {
    let place = match raw {
        Raw::Inline(bytes) => Place::Inline(seal.bytes(field, bytes)),
        Raw::Stored { digest, bytes } => {
            Place::Stored(wire::StoredRaw { digest: digest.0.to_vec(), bytes: *bytes })
        }
        Raw::Erased => Place::Inline(Sealed::default()),
    };
    wire::Raw { place: Some(place) }
}

pub(crate) fn from_wire(raw: wire::Raw, field: &str, open: EventOpener<'_>) -> Result<Raw, DecodeError> {
    Ok(match required(raw.place, field)? {
        Place::Inline(sealed) => open.bytes(field, &sealed)?.map_or(Raw::Erased, Raw::Inline),
        Place::Stored(stored) => Raw::Stored { digest: digest(&stored.digest, field)?, bytes: stored.bytes },
    })
}
