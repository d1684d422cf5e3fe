//! What may be wished of an envelope, and why a wish is refused.

use std::fmt;

use super::order::{Adoption, Order};
use super::reason::{CreateFailure, HoldReason, VoidReason};
use super::stage::Stage;
use super::state::{Detection, Digest};
use super::timers::TimerKind;
use crate::ids::ProviderEnvelopeId;
use crate::intake::{Claim, PartyNews};
use crate::personal::Personal;
use crate::time::Timestamp;

/// Where an observation comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A verified webhook.
    Webhook,
    /// The answer of a GET: the provider's present truth.
    Poll,
    /// The answer of a call that changes something (create, send, void).
    Call,
    /// The answer of a GET that nobody's news had asked for: a sweep found what no webhook told. As true as
    /// [`Source::Poll`]; what it changes is marked by [`super::event::Event::Reconciled`].
    Reconciliation,
}

/// A wish. It carries its own clock reading: deciding never asks for the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// T1: make this envelope. The same operation key again changes nothing.
    Request {
        /// What is wanted.
        order: Box<Order>,
        /// Now.
        at: Timestamp,
    },
    /// Follow an envelope that exists at the provider already.
    Adopt {
        /// Which one.
        adoption: Adoption,
        /// Now.
        at: Timestamp,
    },
    /// T2: a worker is about to call the provider's create.
    StartCreate {
        /// The way in which the document shall travel, where the provider knows several; the first one said holds.
        way: Option<String>,
        /// Now.
        at: Timestamp,
    },
    /// T3: the provider made it, or an earlier try was found there.
    ConfirmCreated {
        /// The provider's id.
        provider_id: ProviderEnvelopeId,
        /// Where a person reviews it.
        review_link: Option<Personal>,
        /// Whether creating it also sent it.
        sent: bool,
        /// Now.
        at: Timestamp,
    },
    /// T4: the provider refused for good.
    FailCreate {
        /// Why.
        failure: CreateFailure,
        /// Why in the provider's words, if it said.
        reason: Option<Personal>,
        /// Now.
        at: Timestamp,
    },
    /// Something is known of it from outside: lifecycle.md §5.3 and §5.4 decide what it means.
    Observe {
        /// What is known.
        observation: Observation,
        /// From where.
        source: Source,
        /// Whether the provider can reopen and correct closed envelopes (T23–T26).
        reopens: bool,
        /// Now.
        at: Timestamp,
    },
    /// T12: send it, by policy or by an operator.
    RequestSend {
        /// Now.
        at: Timestamp,
    },
    /// T14: the provider did not take the send; it waits for `reason` to pass.
    HoldSend {
        /// Why.
        reason: HoldReason,
        /// Now.
        at: Timestamp,
    },
    /// The reason to hold has passed; a worker is about to call send again.
    ResumeSend {
        /// Now.
        at: Timestamp,
    },
    /// Cancel it at the provider.
    RequestVoid {
        /// Why.
        reason: VoidReason,
        /// Now.
        at: Timestamp,
    },
    /// The provider refused to void it: it has ended there already. Its truth is asked for.
    RefuseVoid {
        /// Now.
        at: Timestamp,
    },
    /// Nudge the signer whose turn it is.
    RequestReminder {
        /// Now.
        at: Timestamp,
    },
    /// The provider has written other texts into its fields.
    ConfirmFieldsEdited {
        /// Version of the fields since then.
        fields_version: u64,
        /// Now.
        at: Timestamp,
    },
    /// A worker is about to make the call that nudges the signer; nothing comes of it if somebody was there before.
    StartReminder {
        /// Which reminder, from 1.
        number: u32,
        /// Now.
        at: Timestamp,
    },
    /// That call nudged nobody, for certain, and is to be made again.
    PutOffReminder {
        /// Which reminder, from 1.
        number: u32,
        /// Now.
        at: Timestamp,
    },
    /// The signed document is in our blob store.
    StoreArtifact {
        /// The blob.
        digest: Digest,
        /// Its size in bytes.
        bytes: u64,
        /// Now.
        at: Timestamp,
    },
    /// The signed document will not come.
    GiveUpArtifact {
        /// Now.
        at: Timestamp,
    },
    /// A timer of [`super::timers`] is due.
    Fire {
        /// Which one.
        timer: TimerKind,
        /// Now.
        at: Timestamp,
    },
}

/// What is known of an envelope from outside, however it was learnt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The provider's id of it.
    pub provider_id: ProviderEnvelopeId,
    /// What the provider says it is.
    pub claim: Claim,
    /// Field detection, if the provider speaks of it.
    pub detection: Option<Detection>,
    /// Version of the fields, if the provider speaks of it.
    pub fields_version: Option<u64>,
    /// The provider's revision, if it has one.
    pub revision: Option<i64>,
    /// The parties it speaks of.
    pub parties: Vec<PartyNews>,
    /// How many parties there are, if it says so.
    pub total: Option<u32>,
    /// Where a person reviews it, if it says so.
    pub review_link: Option<Personal>,
    /// Whether the words are final without a GET. Always true for [`Source::Poll`] and
    /// [`Source::Reconciliation`].
    pub conclusive: bool,
}

/// Why a command was refused. `Display` names the state and the mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// There is no such envelope.
    NeverRequested,
    /// The id is taken by an order with another operation key.
    AlreadyRequested,
    /// The stage does not allow it.
    WrongStage {
        /// What was wished, for example `send`.
        wish: &'static str,
        /// Where the envelope stands.
        stage: Stage,
    },
    /// The provider's fields are not ready, so sending would be refused.
    NotReady {
        /// How far detection is.
        detection: Detection,
    },
    /// The fields are not as the caller has seen them.
    FieldsMoved {
        /// Their version now.
        known: u64,
    },
}

impl Rejection {
    /// The stable code, as it stands in the ledger.
    pub const fn code(self) -> &'static str {
        match self {
            Rejection::NeverRequested => "never_requested",
            Rejection::AlreadyRequested => "already_requested",
            Rejection::WrongStage { .. } => "wrong_stage",
            Rejection::NotReady { .. } => "not_ready",
            Rejection::FieldsMoved { .. } => "fields_moved",
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejection::NeverRequested => f.write_str("no such envelope; check the id"),
            Rejection::AlreadyRequested => {
                f.write_str("this envelope id belongs to another request; use a new request_id")
            }
            Rejection::WrongStage { wish, stage } => {
                write!(f, "cannot {wish} an envelope that is {}", stage.name())
            }
            Rejection::NotReady { detection } => {
                write!(f, "cannot send yet: field detection is {detection:?}; wait until it is Ready")
            }
            Rejection::FieldsMoved { known } => {
                write!(f, "the fields have moved to version {known}; read the envelope again and decide")
            }
        }
    }
}

impl std::error::Error for Rejection {}
