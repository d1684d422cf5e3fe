//! What has happened to an envelope. Facts are never edited: a new meaning is a new variant.

use super::order::{Adoption, Order};
use super::reason::{Attention, Correction, CreateFailure, HoldReason, IgnoreReason, VoidReason};
use super::state::{Detection, Digest};
use crate::ids::ProviderEnvelopeId;
use crate::intake::PartyNews;
use crate::personal::Personal;
use crate::time::Timestamp;

/// A fact. The time it became known to us stands beside it in the log's metadata as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// T1.
    Requested {
        /// What was ordered.
        order: Box<Order>,
        /// When.
        at: Timestamp,
    },
    /// A flow took up an envelope made at the provider; it is in preparation until an observation says more.
    Adopted {
        /// Which one.
        adoption: Adoption,
        /// When.
        at: Timestamp,
    },
    /// T2.
    CreateStarted {
        /// The way in which the document travels; every repetition goes the same way. `None` where there is one only.
        way: Option<String>,
        /// When.
        at: Timestamp,
    },
    /// T3.
    Created {
        /// The provider's id.
        provider_id: ProviderEnvelopeId,
        /// Where a person reviews it.
        review_link: Option<Personal>,
        /// When.
        at: Timestamp,
    },
    /// T4, T7.
    Failed {
        /// Why.
        failure: CreateFailure,
        /// The provider's words, if any.
        reason: Option<Personal>,
        /// When.
        at: Timestamp,
    },
    /// T5, T8, T10: fields are ready, nothing is in the way of sending.
    ReadyForReview {
        /// When.
        at: Timestamp,
    },
    /// T6, T11: a person must look.
    AttentionNeeded {
        /// Why.
        attention: Attention,
        /// When.
        at: Timestamp,
    },
    /// Detection or the fields' version changed at the provider; no transition by itself.
    FieldsChanged {
        /// Field detection.
        detection: Detection,
        /// Version of the fields.
        fields_version: Option<u64>,
        /// When.
        at: Timestamp,
    },
    /// T9.
    ApprovalRequested {
        /// When.
        at: Timestamp,
    },
    /// T12: the send call is to be made.
    SendRequested {
        /// Version of the fields to be named.
        fields_version: Option<u64>,
        /// When.
        at: Timestamp,
    },
    /// T14.
    SendHeld {
        /// Why.
        reason: HoldReason,
        /// When.
        at: Timestamp,
    },
    /// The hold is over; the send call is being made again.
    SendResumed {
        /// Version of the fields to be named.
        fields_version: Option<u64>,
        /// When.
        at: Timestamp,
    },
    /// T13.
    Sent {
        /// When.
        at: Timestamp,
    },
    /// T15.
    Viewed {
        /// When.
        at: Timestamp,
    },
    /// T16, and party facts learnt later: what is newly known of single parties.
    PartiesProgressed {
        /// Only parties whose standing moved forward.
        parties: Vec<PartyNews>,
        /// How many parties there are in all.
        total: u32,
        /// When.
        at: Timestamp,
    },
    /// T17.
    PaymentDue {
        /// When.
        at: Timestamp,
    },
    /// The money came.
    Paid {
        /// When.
        at: Timestamp,
    },
    /// T18.
    Completed {
        /// Whether a GET said so, or only a webhook.
        confirmed: bool,
        /// When.
        at: Timestamp,
    },
    /// T19.
    Declined {
        /// Why, in the party's words.
        reason: Option<Personal>,
        /// When.
        at: Timestamp,
    },
    /// Somebody wants it cancelled; the void call is to be made.
    VoidRequested {
        /// Why.
        reason: VoidReason,
        /// When.
        at: Timestamp,
    },
    /// The provider refused to void it.
    VoidRefused {
        /// When.
        at: Timestamp,
    },
    /// T20.
    Voided {
        /// When.
        at: Timestamp,
    },
    /// T21.
    Expired {
        /// When.
        at: Timestamp,
    },
    /// T22.
    Deleted {
        /// When.
        at: Timestamp,
    },
    /// T23: the provider made it a draft again; a new generation begins without signatures.
    Reopened {
        /// When.
        at: Timestamp,
    },
    /// T24, T25, T26: the provider changed how it ended.
    Corrected {
        /// To what.
        to: Correction,
        /// When.
        at: Timestamp,
    },
    /// The provider's present truth is to be asked for by a GET.
    ConfirmationRequested {
        /// When.
        at: Timestamp,
    },
    /// A GET confirmed how it stands; nothing else changed.
    Confirmed {
        /// When.
        at: Timestamp,
    },
    /// The signed document can be fetched.
    ArtifactReady {
        /// When.
        at: Timestamp,
    },
    /// The signed document is in our blob store.
    ArtifactStored {
        /// The blob.
        digest: Digest,
        /// Its size in bytes.
        bytes: u64,
        /// When.
        at: Timestamp,
    },
    /// The signed document will not come.
    ArtifactUnavailable {
        /// When.
        at: Timestamp,
    },
    /// The current signer is to be nudged.
    ReminderRequested {
        /// Which reminder this is, from 1.
        number: u32,
        /// When.
        at: Timestamp,
    },
    /// The call that nudges the signer is about to be made: whatever becomes of it, this reminder is not made again.
    ReminderStarted {
        /// Which reminder this is, from 1.
        number: u32,
        /// When.
        at: Timestamp,
    },
    /// The call nudged nobody, for certain: this reminder may be made again.
    ReminderNotMade {
        /// Which reminder this is, from 1.
        number: u32,
        /// When.
        at: Timestamp,
    },
    /// Other texts were written into its fields, at our request.
    FieldsEdited {
        /// Version of the fields since then.
        fields_version: u64,
        /// When.
        at: Timestamp,
    },
    /// The provider's revision up to which its news is applied; older news is stale from here on.
    RevisionMoved {
        /// The provider's revision, in its own unit.
        revision: i64,
        /// When.
        at: Timestamp,
    },
    /// What was recorded just before, in the same commit, was found by reconciliation: no webhook had told it.
    Reconciled {
        /// Name of the claim (`Claim::name`) as the provider answered.
        claim: String,
        /// When.
        at: Timestamp,
    },
    /// News that changes nothing, kept with its reason (lifecycle.md §5.3: every decision appends an event).
    SignalIgnored {
        /// Name of the claim (`Claim::name`).
        claim: String,
        /// Why.
        reason: IgnoreReason,
        /// When.
        at: Timestamp,
    },
}
