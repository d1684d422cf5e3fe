//! The main state of an envelope, and the order of its values.

/// The main state: lifecycle.md §5.1. Ranks grow towards completion; see [`Stage::rank`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Never requested.
    #[default]
    Absent,
    /// Accepted, operation key fixed, no provider call yet.
    Requested,
    /// Create call started; its outcome may be unknown.
    Creating,
    /// Provider id known; the provider is still preparing.
    Preparing,
    /// Ready; waits for a person, or for the auto-send policy.
    InReview,
    /// Something a person must look at before it can be sent.
    NeedsAttention,
    /// An approval is awaited.
    AwaitingApproval,
    /// Send call started; its outcome may be unknown.
    Sending,
    /// The first signer was invited.
    Sent,
    /// Somebody opened it.
    Viewed,
    /// Some signed, others are open.
    PartiallySigned,
    /// All signed, payment is open.
    AwaitingPayment,
    /// All signed.
    Completed,
    /// A party or the staff declined.
    Declined,
    /// The sender cancelled.
    Voided,
    /// The deadline passed.
    Expired,
    /// Creation failed for good.
    Failed,
    /// Vanished at the provider.
    Deleted,
}

impl Stage {
    /// Every stage, in the order of lifecycle.md §5.1.
    pub const ALL: [Stage; 18] = [
        Stage::Absent,
        Stage::Requested,
        Stage::Creating,
        Stage::Preparing,
        Stage::InReview,
        Stage::NeedsAttention,
        Stage::AwaitingApproval,
        Stage::Sending,
        Stage::Sent,
        Stage::Viewed,
        Stage::PartiallySigned,
        Stage::AwaitingPayment,
        Stage::Completed,
        Stage::Declined,
        Stage::Voided,
        Stage::Expired,
        Stage::Failed,
        Stage::Deleted,
    ];

    /// The stable name, as it stands in events, metrics and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Stage::Absent => "absent",
            Stage::Requested => "requested",
            Stage::Creating => "creating",
            Stage::Preparing => "preparing",
            Stage::InReview => "in_review",
            Stage::NeedsAttention => "needs_attention",
            Stage::AwaitingApproval => "awaiting_approval",
            Stage::Sending => "sending",
            Stage::Sent => "sent",
            Stage::Viewed => "viewed",
            Stage::PartiallySigned => "partially_signed",
            Stage::AwaitingPayment => "awaiting_payment",
            Stage::Completed => "completed",
            Stage::Declined => "declined",
            Stage::Voided => "voided",
            Stage::Expired => "expired",
            Stage::Failed => "failed",
            Stage::Deleted => "deleted",
        }
    }

    /// Rank in the open part of life, 0 to 10; closed states other than completion rank 11.
    pub const fn rank(self) -> u8 {
        match self {
            Stage::Absent | Stage::Requested => 0,
            Stage::Creating => 1,
            Stage::Preparing => 2,
            Stage::InReview | Stage::NeedsAttention => 3,
            Stage::AwaitingApproval => 4,
            Stage::Sending => 5,
            Stage::Sent => 6,
            Stage::Viewed => 7,
            Stage::PartiallySigned => 8,
            Stage::AwaitingPayment => 9,
            Stage::Completed => 10,
            Stage::Declined | Stage::Voided | Stage::Expired | Stage::Failed | Stage::Deleted => 11,
        }
    }

    /// Whether life is over (completion included).
    pub const fn is_closed(self) -> bool {
        self.rank() >= 10
    }

    /// Whether signers have it (ranks 6 to 9).
    pub const fn is_out(self) -> bool {
        matches!(self.rank(), 6..=9)
    }
}
