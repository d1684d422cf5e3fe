//! What a provider says of one of its envelopes, in neutral words.

use std::collections::BTreeMap;
use std::fmt;

use crate::ids::ProviderEnvelopeId;
use crate::personal::Personal;

/// News of a provider's envelope, in neutral words (lifecycle.md §4).
#[derive(Clone, PartialEq, Eq)]
pub struct EnvelopeNews {
    /// The provider's id of it.
    pub provider_id: ProviderEnvelopeId,
    /// What is claimed.
    pub claim: Claim,
    /// The correlation data we (or a salesperson) attached, flattened to text; at most 50 entries are kept. A
    /// salesperson may write anything into it, so it is never printed.
    pub correlation: BTreeMap<String, String>,
    /// The provider's revision or modification time in milliseconds, where it has one: older is stale.
    pub revision: Option<i64>,
    /// What the news says of single parties; empty when it says nothing.
    pub parties: Vec<PartyNews>,
    /// Whether the provider's words are final (`true`) or must be confirmed by a GET before they count.
    pub conclusive: bool,
}

impl fmt::Debug for EnvelopeNews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvelopeNews")
            .field("provider_id", &self.provider_id)
            .field("claim", &self.claim)
            .field("correlation_entries", &self.correlation.len())
            .field("revision", &self.revision)
            .field("parties", &self.parties)
            .field("conclusive", &self.conclusive)
            .finish()
    }
}

/// What is said of one party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartyNews {
    /// Place in the signing order, from 1.
    pub order: u32,
    /// Where this party stands.
    pub standing: Standing,
}

/// Where a party stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Not yet their turn.
    #[default]
    Waiting,
    /// May sign now.
    Pending,
    /// Has signed.
    Signed,
    /// Has declined.
    Declined,
}

/// A neutral claim about an envelope: the last column of lifecycle.md §4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The provider is still working on the document.
    Processing,
    /// A draft that can be reviewed and sent. A draft after `Sent` may be a reopening.
    Draft,
    /// Creation failed at the provider.
    PreparationFailed {
        /// The provider's words; may name fields or people.
        reason: Personal,
    },
    /// Will be sent later by the provider.
    Scheduled,
    /// An approval inside the provider is awaited.
    ApprovalRequested,
    /// That approval was given; it must be sent again.
    ApprovalGranted,
    /// That approval was refused.
    ApprovalRefused,
    /// The first signer was invited.
    Sent,
    /// A signer opened it.
    Viewed,
    /// A recipient suggests changes.
    ChangesSuggested,
    /// One party signed; the envelope as a whole may or may not be done.
    PartySigned,
    /// All signed, payment is open.
    PaymentDue,
    /// Paid.
    Paid,
    /// Everybody signed.
    Completed,
    /// A party (or the staff) declined.
    Declined {
        /// The reason given, if any.
        reason: Option<Personal>,
    },
    /// The sender cancelled.
    Voided,
    /// The deadline passed.
    Expired,
    /// It is gone at the provider.
    Deleted,
    /// The final PDF can be fetched.
    ArtifactReady,
    /// Data was extracted from the signed document.
    DataExtracted,
    /// Something changed; only a GET can tell what.
    Hint,
}

impl Claim {
    /// The stable name, as it stands in events and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Claim::Processing => "processing",
            Claim::Draft => "draft",
            Claim::PreparationFailed { .. } => "preparation_failed",
            Claim::Scheduled => "scheduled",
            Claim::ApprovalRequested => "approval_requested",
            Claim::ApprovalGranted => "approval_granted",
            Claim::ApprovalRefused => "approval_refused",
            Claim::Sent => "sent",
            Claim::Viewed => "viewed",
            Claim::ChangesSuggested => "changes_suggested",
            Claim::PartySigned => "party_signed",
            Claim::PaymentDue => "payment_due",
            Claim::Paid => "paid",
            Claim::Completed => "completed",
            Claim::Declined { .. } => "declined",
            Claim::Voided => "voided",
            Claim::Expired => "expired",
            Claim::Deleted => "deleted",
            Claim::ArtifactReady => "artifact_ready",
            Claim::DataExtracted => "data_extracted",
            Claim::Hint => "hint",
        }
    }
}
