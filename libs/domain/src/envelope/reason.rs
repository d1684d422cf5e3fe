//! Why something happened to an envelope, or did not.

/// Why creation failed for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CreateFailure {
    /// The provider calls the request malformed (400, 422): parties, document, template.
    InvalidRequest,
    /// The key may not do this (401, 403).
    Forbidden,
    /// Too large, or of a type the provider does not take (413, 415).
    TooLarge,
    /// The provider's own processing failed.
    ProviderFailed,
    /// No try succeeded within the time the idempotency key is remembered.
    Exhausted,
}

impl CreateFailure {
    /// Why, in people's words, for where the provider said nothing that may be repeated.
    pub const fn words(self) -> &'static str {
        match self {
            CreateFailure::InvalidRequest => {
                "the provider does not accept the document, a signer or the template"
            }
            CreateFailure::Forbidden => "the provider does not allow it to this account",
            CreateFailure::TooLarge => "the document is too large, or of a type the provider does not take",
            CreateFailure::ProviderFailed => "the provider could not prepare the document",
            CreateFailure::Exhausted => "the provider could not be reached in time",
        }
    }
}

/// What a person must look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attention {
    /// Field detection failed.
    DetectionFailed,
    /// No field was found.
    NoFields,
    /// Preparation took longer than 15 minutes.
    PreparationSlow,
    /// The approval was refused.
    ApprovalRefused,
    /// A recipient suggests changes.
    ChangesSuggested,
    /// The fields' version moved again after a repeated send: somebody is editing.
    FieldsMoving,
}

/// Why a send waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HoldReason {
    /// The provider's credits are used up (402). Sends of this connection wait in order.
    CreditsExhausted,
    /// Field detection is still running (409).
    NotReady,
    /// The fields' version moved (409): it is read again and sent once more.
    VersionMoved,
    /// The document is locked by an editor (423).
    Locked,
}

/// Why an envelope is to be voided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VoidReason {
    /// An operator or an API client asked.
    Requested,
    /// Our own deadline passed; it ends as expired.
    Deadline,
}

/// Why a signal changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IgnoreReason {
    /// Older than what is known.
    Stale,
    /// What it says is the case already.
    NothingNew,
    /// A lower rank than the present one: late news.
    Late,
    /// The envelope is closed, and the claim does not reopen it.
    Closed,
    /// The provider's closed states are final: an integrity alert.
    Illegal,
    /// Contradicts what is known; a GET was asked for.
    Contradiction,
    /// Without meaning for the lifecycle (extraction, hints).
    NoEffect,
}

impl IgnoreReason {
    /// The stable code, as it stands in the ledger.
    pub const fn code(self) -> &'static str {
        match self {
            IgnoreReason::Stale => "stale",
            IgnoreReason::NothingNew => "nothing_new",
            IgnoreReason::Late => "late",
            IgnoreReason::Closed => "closed",
            IgnoreReason::Illegal => "illegal",
            IgnoreReason::Contradiction => "contradiction",
            IgnoreReason::NoEffect => "no_effect",
        }
    }
}

/// How a closed envelope's end was corrected by the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Correction {
    /// T24.
    Completed,
    /// T25, T26.
    Declined,
    /// Voided by us, but the signer was faster: the contract is binding (lifecycle.md §5.4).
    CompletedAfterVoid,
}
