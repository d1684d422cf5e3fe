//! Who sent this? Proofs of origin for webhooks, and nothing else.
//!
//! A vendor signs the exact bytes of a delivery with a secret we share; this room computes and compares such
//! proofs and defines the shape ([`WebhookScheme`]) in which every vendor folder says how its own scheme works:
//! which header or query parameter, which bytes, which encoding.
//!
//! What it promises: digests are compared in constant time, every key and every variant of the signed bytes is
//! tried whatever the outcome of the others, so that time tells nothing about which one fits; a received digest
//! is decoded strictly (length, alphabet, padding) before it is compared; no secret is ever printed. A key with
//! white space around or inside it is refused when it is made, because such a key fails silently later.
//!
//! The crate is pure: no clock, no I/O, no state. Replay protection is the caller's deduplication, except where
//! a scheme signs a timestamp. Several keys may be in force at once (rotation); the caller selects those whose
//! window is open before it asks.

mod digest;
mod key;
mod scheme;

pub use digest::{
    decode_base64_digest, decode_hex_digest, hmac_sha256, sha256_hex, which_key, which_key_hashed,
};
pub use key::{KeyError, VerifyKey};
pub use scheme::WebhookScheme;
