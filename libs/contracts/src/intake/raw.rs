//! Bytes from outside, kept as they came.

use std::fmt;

use domain::envelope::Digest;

use crate::DecodeError;
use crate::fields::{digest, required};
use crate::seal::{EventOpener, EventSealer};
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
