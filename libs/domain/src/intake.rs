//! What comes in: deliveries as they arrive, and the signals they turn out to carry.
//!
//! A delivery is bytes from a stranger. A vendor's scheme proves who sent it ([`Refusal`] when it cannot) and
//! splits it into signals; each signal has a dedupe key of its own, because a batch may be re-sent in another
//! grouping. Nothing in here changes an envelope: a signal is a claim, which `envelope::decide` weighs.

use std::collections::BTreeMap;

use crate::ids::{ConnectionId, ProviderEnvelopeId};
use crate::personal::Personal;
use crate::time::Timestamp;

/// Largest body taken from outside, in bytes: more than any vendor's contract allows.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Most signals one delivery may carry (the largest known batch is 100).
pub const SIGNALS_MAX: usize = 500;

/// A webhook exactly as it arrived. Nothing in it may be trusted, and it is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct RawDelivery {
    /// The connection named in the path.
    pub connection: ConnectionId,
    /// HTTP method, upper case, as received.
    pub method: String,
    /// Path and query as received, without scheme and host.
    pub path_and_query: String,
    /// Header names in lower case with their raw values, in the order received, repeated ones kept.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, byte for byte; at most [`BODY_BYTES_MAX`].
    pub body: Vec<u8>,
    /// When we had read it.
    pub received_at: Timestamp,
}

impl RawDelivery {
    /// Every value of a header, by lower-case name.
    pub fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_slice())
    }
}

impl std::fmt::Debug for RawDelivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawDelivery")
            .field("connection", &self.connection)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Why a delivery was not believed. Answered with 401 and kept in quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// No signature came with it.
    SignatureMissing,
    /// More than one signature came with it, so it is unclear which one counts.
    SignatureRepeated,
    /// The signature has not the form the scheme prescribes.
    SignatureMalformed,
    /// The signature fits no key in force.
    SignatureWrong,
    /// The scheme's timestamp is missing, repeated or not a number.
    TimestampMalformed,
    /// The scheme's timestamp lies too far from now: a replay, or a wrong clock.
    TimestampOutOfWindow,
    /// The path is not the one the connection is registered with.
    PathWrong,
}

impl Refusal {
    /// The stable code, as it stands in events, metrics and `docs/errors`.
    pub const fn code(self) -> &'static str {
        match self {
            Refusal::SignatureMissing => "signature_missing",
            Refusal::SignatureRepeated => "signature_repeated",
            Refusal::SignatureMalformed => "signature_malformed",
            Refusal::SignatureWrong => "signature_wrong",
            Refusal::TimestampMalformed => "timestamp_malformed",
            Refusal::TimestampOutOfWindow => "timestamp_out_of_window",
            Refusal::PathWrong => "path_wrong",
        }
    }
}

/// One thing a delivery says, after verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Equal for the same news however often and in whatever batch it is sent; unique within a connection.
    /// At most 512 bytes; hashed before it is stored.
    pub dedupe: String,
    /// Whose personal data it may hold: the provider's envelope id or the CRM record, unique within the connection.
    pub subject: String,
    /// The vendor's own name for it, for example `envelope.signed`; at most 100 bytes.
    pub event: String,
    /// When it happened, if the vendor says so.
    pub occurred_at: Option<Timestamp>,
    /// What it means to us.
    pub meaning: Meaning,
    /// The exact bytes of this one signal within the body.
    pub raw: Vec<u8>,
}

/// What a signal means to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A signature provider speaks of one of its envelopes.
    Envelope(EnvelopeNews),
    /// A CRM speaks of one of its records.
    Record(RecordChange),
    /// Stored, counted, without effect.
    Nothing(NoMeaning),
}

/// Why a verified signal has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoMeaning {
    /// The body is not what the vendor sends (bad JSON, wrong shape); kept for a person to look at.
    Unreadable,
    /// An event this version does not know.
    UnknownEvent,
    /// A known event without effect on envelopes (templates, quotes).
    NotOurs,
}

impl NoMeaning {
    /// The stable code, as it stands in events and metrics.
    pub const fn code(self) -> &'static str {
        match self {
            NoMeaning::Unreadable => "unreadable",
            NoMeaning::UnknownEvent => "unknown_event",
            NoMeaning::NotOurs => "not_ours",
        }
    }
}

/// News of a provider's envelope, in neutral words (lifecycle.md §4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvelopeNews {
    /// The provider's id of it.
    pub provider_id: ProviderEnvelopeId,
    /// What is claimed.
    pub claim: Claim,
    /// The correlation data we (or a salesperson) attached, flattened to text; at most 50 entries are kept.
    pub correlation: BTreeMap<String, String>,
    /// The provider's revision or modification time in milliseconds, where it has one: older is stale.
    pub revision: Option<i64>,
    /// What the news says of single parties; empty when it says nothing.
    pub parties: Vec<PartyNews>,
    /// Whether the provider's words are final (`true`) or must be confirmed by a GET before they count.
    pub conclusive: bool,
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

/// A record of a CRM: the one that fired, or the one to be written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordRef {
    /// The CRM connection.
    pub connection: ConnectionId,
    /// Kind of object in the CRM's words, lower case, for example `deal`.
    pub object_type: String,
    /// The record's id, always as text.
    pub object_id: String,
}

/// A CRM record changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordChange {
    /// The CRM account (portal, organisation) the event is from.
    pub account: String,
    /// Kind of object, lower case, for example `deal`.
    pub object_type: String,
    /// The record's id, always as text.
    pub object_id: String,
    /// The property that changed; empty when the event is not about one.
    pub property: String,
    /// Its new value, as text. May hold personal data.
    pub value: Personal,
    /// When it changed, by the CRM's clock.
    pub changed_at: Timestamp,
    /// Who changed it.
    pub actor: Actor,
    /// The CRM's id of who changed it (application id or user id), for telling our own writes apart.
    pub actor_id: String,
}

/// Who changed a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Actor {
    /// A person in the CRM's interface.
    Human,
    /// An application over the API, perhaps we ourselves.
    Integration,
    /// A list import.
    Import,
    /// A workflow inside the CRM.
    Workflow,
    /// The CRM does not say, or says something new.
    Unknown,
}

impl Actor {
    /// The stable name, as it stands in events and expressions.
    pub const fn name(self) -> &'static str {
        match self {
            Actor::Human => "human",
            Actor::Integration => "integration",
            Actor::Import => "import",
            Actor::Workflow => "workflow",
            Actor::Unknown => "unknown",
        }
    }
}
