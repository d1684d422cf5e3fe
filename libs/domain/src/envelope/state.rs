//! Where an envelope stands.

use std::fmt;

use super::order::{Adoption, Order};
use super::reason::{Attention, HoldReason, VoidReason};
use super::stage::Stage;
use crate::ids::{ConnectionId, FlowName, ProviderEnvelopeId};
use crate::intake::{RecordRef, Standing};
use crate::parties::Parties;
use crate::personal::Personal;
use crate::time::Timestamp;

/// SHA-256 of a blob.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How far the provider's field detection has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Detection {
    /// Still running, or not reported yet.
    #[default]
    Pending,
    /// Fields found.
    Ready,
    /// The pipeline failed.
    Failed,
    /// No field was found; a person must place them.
    RecoveredEmpty,
}

/// Where the signed document is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Artifact {
    /// Not expected yet.
    #[default]
    None,
    /// Expected; to be fetched.
    Pending,
    /// The provider says it can be fetched.
    Ready,
    /// In our blob store.
    Stored {
        /// The blob.
        digest: Digest,
        /// Its size in bytes.
        bytes: u64,
    },
    /// Will not come.
    Unavailable,
}

/// Whether money is owed on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Payment {
    /// Nothing asked.
    #[default]
    None,
    /// Asked for.
    Due,
    /// Settled.
    Paid,
}

/// Where one party stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartyState {
    /// Place in the signing order, from 1.
    pub order: u32,
    /// Waiting, pending, signed or declined. Never falls back from signed within a generation.
    pub standing: Standing,
    /// When we learnt of the signature.
    pub signed_at: Option<Timestamp>,
}

/// An envelope: its stage and everything known beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// The main state.
    pub stage: Stage,
    /// When the present stage was entered.
    pub stage_since: Timestamp,
    /// 1 for the first life; grows with each reopening by the provider (T23).
    pub generation: u32,
    /// What was ordered; `None` if it was adopted or never requested.
    pub order: Option<Order>,
    /// What was adopted; `None` if we ordered it.
    pub adoption: Option<Adoption>,
    /// The way in which the document travels to the provider, as its first create call was begun.
    pub create_way: Option<String>,
    /// The provider's id, once known.
    pub provider_id: Option<ProviderEnvelopeId>,
    /// Where a person reviews and sends it. A secret.
    pub review_link: Option<Personal>,
    /// Field detection at the provider.
    pub detection: Detection,
    /// The provider's version of the fields, to be named when sending.
    pub fields_version: Option<u64>,
    /// Version of the fields that our own last edit made; 0 for none.
    pub fields_edited: u64,
    /// The provider's revision that was applied last, where it has one.
    pub revision: Option<i64>,
    /// News with an older revision belongs to an earlier generation and is not even merged.
    pub generation_floor: Option<i64>,
    /// Parties as the provider knows them, by order.
    pub parties: Vec<PartyState>,
    /// Why it needs attention, while it does.
    pub attention: Option<Attention>,
    /// Why the send is held, while it is.
    pub hold: Option<HoldReason>,
    /// How often a send call was started in this generation.
    pub send_attempts: u32,
    /// How often in a row the provider refused to send because the fields' version had moved.
    pub versions_moved: u32,
    /// A void was asked for and has no outcome yet; carries why.
    pub void_requested: Option<VoidReason>,
    /// When the provider last refused to void it; the deadline waits before it asks again.
    pub void_refused_at: Option<Timestamp>,
    /// The signed document.
    pub artifact: Artifact,
    /// The payment.
    pub payment: Payment,
    /// Whether the closing fact was verified by a GET at the provider.
    pub confirmed: bool,
    /// A GET was asked for and has not been answered yet.
    pub confirmation_requested: bool,
    /// How many reminders were asked for.
    pub reminders_sent: u32,
    /// Up to which of them a call was begun that may have nudged somebody.
    pub reminders_started: u32,
    /// Why it was declined, voided or failed, in people's words.
    pub reason: Option<Personal>,
    /// When it was requested or adopted.
    pub requested_at: Option<Timestamp>,
    /// When the provider id became known.
    pub created_at: Option<Timestamp>,
    /// When the first signer was invited, or when we learnt that it must have happened.
    pub sent_at: Option<Timestamp>,
    /// When it was first opened.
    pub viewed_at: Option<Timestamp>,
    /// When all had signed.
    pub completed_at: Option<Timestamp>,
    /// When it closed, however it ended.
    pub closed_at: Option<Timestamp>,
}

impl Envelope {
    /// The provider connection that carries it.
    pub fn provider(&self) -> Option<&ConnectionId> {
        match (&self.order, &self.adoption) {
            (Some(order), _) => Some(&order.provider),
            (None, Some(adoption)) => Some(&adoption.provider),
            (None, None) => None,
        }
    }

    /// The flow it belongs to.
    pub fn flow(&self) -> Option<&FlowName> {
        match (&self.order, &self.adoption) {
            (Some(order), _) => Some(&order.flow),
            (None, Some(adoption)) => Some(&adoption.flow),
            (None, None) => None,
        }
    }

    /// The CRM record it is about.
    pub fn record(&self) -> Option<&RecordRef> {
        match (&self.order, &self.adoption) {
            (Some(order), _) => order.record.as_ref(),
            (None, Some(adoption)) => adoption.record.as_ref(),
            (None, None) => None,
        }
    }

    /// The parties that were ordered.
    pub fn ordered_parties(&self) -> Option<&Parties> {
        self.order.as_ref().map(|order| &order.parties)
    }

    /// How many parties have signed in this generation.
    pub fn signed_count(&self) -> u32 {
        let signed = self.parties.iter().filter(|party| party.standing == Standing::Signed).count();
        u32::try_from(signed).unwrap_or(u32::MAX)
    }
}
