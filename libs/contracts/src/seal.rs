//! Sealing personal data: XChaCha20-Poly1305 under the key of a data subject group.
//!
//! A sealed value is bound to the event it stands in and to its field, so that values cannot be swapped
//! between fields or events. Destroying the key turns every value under it into `Personal::Erased`.

use std::fmt;
use std::sync::Arc;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use domain::ids::EventId;
use domain::personal::Personal;
use zeroize::Zeroizing;

use crate::DecodeError;
use crate::wire::common::Sealed;

const NONCE_BYTES: usize = 24;

/// Where nonces come from. Two values under one key must never share one.
pub trait NonceSource: Send + Sync {
    /// A nonce that was never given before.
    fn nonce(&self) -> [u8; NONCE_BYTES];
}

/// Random nonces: at 24 bytes a collision is out of reach.
#[derive(Clone, Copy, Debug)]
pub struct SystemNonces;

impl NonceSource for SystemNonces {
    fn nonce(&self) -> [u8; NONCE_BYTES] {
        let mut bytes = [0; NONCE_BYTES];
        getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
        bytes
    }
}

/// Seals under one key.
#[derive(Clone)]
pub struct Sealer {
    key: Zeroizing<[u8; 32]>,
    nonces: Arc<dyn NonceSource>,
}

impl Sealer {
    /// Seals under `key` with random nonces.
    pub fn new(key: &[u8; 32]) -> Self {
        Self::with_nonces(key, Arc::new(SystemNonces))
    }

    /// Seals under `key` with nonces from `nonces`; for tests that compare bytes.
    pub fn with_nonces(key: &[u8; 32], nonces: Arc<dyn NonceSource>) -> Self {
        Self { key: Zeroizing::new(*key), nonces }
    }

    /// Seals bytes that are too large for an event and go to the blob store: the nonce, then the ciphertext.
    pub fn seal_blob(&self, event: &EventId, clear: &[u8]) -> Vec<u8> {
        let sealed = self.within(event).bytes("blob", clear);
        [sealed.nonce, sealed.ciphertext].concat()
    }

    pub(crate) fn within<'a>(&'a self, event: &'a EventId) -> EventSealer<'a> {
        EventSealer { sealer: self, event }
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(redacted)")
    }
}

/// Opens what was sealed under one key, or finds it erased.
#[derive(Clone)]
pub struct Opener {
    key: Option<Zeroizing<[u8; 32]>>,
}

impl Opener {
    /// Opens with `key`; `None` means that it was destroyed and every value is erased.
    pub fn new(key: Option<&[u8; 32]>) -> Self {
        Self { key: key.map(|key| Zeroizing::new(*key)) }
    }

    pub(crate) const fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Opens a blob of [`Sealer::seal_blob`]; `None` once its key is gone.
    ///
    /// # Errors
    /// When the key or the event is another one, or the blob was tampered with.
    pub fn open_blob(&self, event: &EventId, blob: &[u8]) -> Result<Option<Vec<u8>>, DecodeError> {
        let Some((nonce, ciphertext)) = blob.split_at_checked(NONCE_BYTES) else {
            return Err(DecodeError::Sealed { field: "blob".to_owned() });
        };
        let sealed = Sealed { nonce: nonce.to_vec(), ciphertext: ciphertext.to_vec() };
        self.within(event).bytes("blob", &sealed)
    }

    pub(crate) fn within<'a>(&'a self, event: &'a EventId) -> EventOpener<'a> {
        EventOpener { opener: self, event }
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.key.is_some() { "Opener(redacted)" } else { "Opener(erased)" })
    }
}

/// Seals the fields of one event.
#[derive(Clone, Copy)]
pub(crate) struct EventSealer<'a> {
    sealer: &'a Sealer,
    event: &'a EventId,
}

impl EventSealer<'_> {
    pub(crate) fn personal(self, field: &str, value: &Personal) -> Sealed {
        match value {
            Personal::Known(text) => self.bytes(field, text.as_bytes()),
            Personal::Erased => Sealed::default(),
        }
    }

    pub(crate) fn optional(self, field: &str, value: Option<&Personal>) -> Option<Sealed> {
        value.map(|value| self.personal(field, value))
    }

    pub(crate) fn bytes(self, field: &str, clear: &[u8]) -> Sealed {
        let nonce = self.sealer.nonces.nonce();
        let place = place(self.event, field);
        let ciphertext = cipher(&self.sealer.key)
            .encrypt(&XNonce::from(nonce), Payload { msg: clear, aad: &place })
            .expect("a value is far below the cipher's limit of 256 GiB");
        Sealed { nonce: nonce.to_vec(), ciphertext }
    }
}

/// Opens the fields of one event.
#[derive(Clone, Copy)]
pub(crate) struct EventOpener<'a> {
    opener: &'a Opener,
    event: &'a EventId,
}

impl EventOpener<'_> {
    pub(crate) fn personal(self, field: &str, sealed: Option<&Sealed>) -> Result<Personal, DecodeError> {
        let sealed = crate::fields::required(sealed, field)?;
        match self.bytes(field, sealed)? {
            Some(bytes) => String::from_utf8(bytes).map(Personal::Known).map_err(|_| refuse(field)),
            None => Ok(Personal::Erased),
        }
    }

    pub(crate) fn optional(
        self,
        field: &str,
        sealed: Option<&Sealed>,
    ) -> Result<Option<Personal>, DecodeError> {
        sealed.map(|sealed| self.personal(field, Some(sealed))).transpose()
    }

    /// The value in clear; `None` once erased.
    pub(crate) fn bytes(self, field: &str, sealed: &Sealed) -> Result<Option<Vec<u8>>, DecodeError> {
        if sealed.nonce.is_empty() && sealed.ciphertext.is_empty() {
            return Ok(None);
        }
        let nonce: [u8; NONCE_BYTES] = sealed.nonce.as_slice().try_into().map_err(|_| refuse(field))?;
        let Some(key) = &self.opener.key else { return Ok(None) };
        let place = place(self.event, field);
        cipher(key)
            .decrypt(&XNonce::from(nonce), Payload { msg: &sealed.ciphertext, aad: &place })
            .map(Some)
            .map_err(|_| refuse(field))
    }
}

/// What a sealed value is bound to: the event's id, then the field's name.
fn place(event: &EventId, field: &str) -> Vec<u8> {
    [event.as_bytes().as_slice(), field.as_bytes()].concat()
}

fn cipher(key: &[u8; 32]) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&(*key).into())
}

fn refuse(field: &str) -> DecodeError {
    DecodeError::Sealed { field: field.to_owned() }
}
