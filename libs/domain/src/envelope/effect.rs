//! Work for the outside world. Returned as data, carried out elsewhere.

use super::reason::VoidReason;

/// What an event calls for. Every effect may run twice; its idempotency key comes from the event that asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Make the envelope at the provider.
    Create,
    /// Send it to the first signer.
    Send,
    /// Cancel it at the provider.
    Void {
        /// Why.
        reason: VoidReason,
    },
    /// Nudge the current signer.
    Remind {
        /// Which reminder this is, from 1.
        number: u32,
    },
    /// Ask the provider how it stands.
    Confirm,
    /// Fetch the signed document into the blob store.
    FetchArtifact,
}
