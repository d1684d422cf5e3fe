//! The shape of every vendor's webhook scheme.

use std::net::IpAddr;
use std::time::Duration;

use domain::intake::{RawDelivery, Refusal, Signal};
use domain::time::Timestamp;

use crate::VerifyKey;

/// How one vendor signs its webhooks and what they say. Stateless; safe to share.
pub trait WebhookScheme: Send + Sync {
    /// Proves that the delivery was signed with one of `keys`, over its raw bytes.
    ///
    /// `keys` are those in force now, at least one; `now` is when the delivery is judged, for schemes that sign
    /// a timestamp. Returns the index of the key that fits.
    ///
    /// # Errors
    /// The reason why the delivery cannot be believed. An empty `keys` never verifies.
    fn verify(&self, delivery: &RawDelivery, keys: &[VerifyKey], now: Timestamp) -> Result<usize, Refusal>;

    /// Splits a verified delivery into its signals, in the order in which they stand in the body.
    ///
    /// Never fails: what cannot be read is one signal of meaning `Nothing(Unreadable)` whose dedupe key is the
    /// hash of its bytes. A valid but empty batch is an empty vector. Call it only after [`Self::verify`].
    fn split(&self, delivery: &RawDelivery) -> Vec<Signal>;

    /// The addresses the vendor publishes for a region its webhooks come from; empty for a region it does not have.
    /// They only add to the signature, and may change without notice.
    fn sources(&self, _region: &str) -> &'static [IpAddr] {
        &[]
    }

    /// How long after it signed a delivery the vendor may still send those very bytes again: a key that was of use
    /// more recently than that may be needed still.
    fn retry_horizon(&self) -> Duration {
        Duration::from_secs(24 * 3_600)
    }

    /// Whether the vendor signs with the key that was in use when an envelope was made, however long ago: then a key
    /// is needed until every such envelope is closed.
    fn signs_with_key_of_creation(&self) -> bool {
        false
    }
}
