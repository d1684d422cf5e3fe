//! What every signature provider can be asked, in neutral words.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::envelope::Detection;
use domain::ids::{EnvelopeId, ProviderEnvelopeId};
use domain::intake::{Claim, PartyNews};
use domain::parties::Parties;
use domain::personal::Personal;
use domain::time::Timestamp;
use secrecy::SecretString;

use crate::{CreditTerms, FieldEdit, ProviderError};

/// Correlation key that holds our own envelope id: what [`Provider::find`] matches.
pub const ENVELOPE_ID_KEY: &str = "countersign_envelope_id";
/// Correlation key that holds the external (CRM) record's id.
pub const EXTERNAL_ID_KEY: &str = "external_id";
/// Correlation key that holds what a person recognises.
pub const CLIENT_REFERENCE_KEY: &str = "client_reference_id";

/// A connection to a signature provider. One attempt per call, with a deadline; cheap to share.
#[async_trait]
pub trait Provider: Send + Sync {
    /// What this vendor can do and how it differs from others.
    fn capabilities(&self) -> Capabilities;

    /// How the vendor counts credits; `None` if it does not.
    fn credits(&self) -> Option<CreditTerms> {
        None
    }

    /// The way in which uploads travel over this connection, where a way has keys of its own: the same key on another
    /// way makes another envelope. The caller records it before the first call of a key and names it with every one
    /// ([`CreateOrder::way`]). `None` where a key holds whichever way is taken. At most 20 bytes.
    fn upload_way(&self) -> Option<&'static str> {
        None
    }

    /// Makes an envelope. `key` is the idempotency key, at most 255 printable ASCII characters; it is ignored by
    /// vendors without keys, where the caller asks [`Provider::find`] before it tries again. A `Conflict` means
    /// that a twin of this very call is still running: repeat it with the same key.
    async fn create(&self, order: &CreateOrder, key: &str) -> Result<Created, ProviderError>;

    /// Looks for what an earlier try may have left: the envelope whose correlation carries our `envelope_id`.
    /// `external_id` narrows the search at vendors that can only filter by it. A `NotReady` means that something is
    /// being made that does not say yet whose it is: neither adopt nor repeat, search again.
    async fn find(
        &self,
        envelope_id: &EnvelopeId,
        external_id: &str,
    ) -> Result<Option<Snapshot>, ProviderError>;

    /// Reads how an envelope stands: the provider's present truth.
    async fn snapshot(&self, id: &ProviderEnvelopeId) -> Result<Snapshot, ProviderError>;

    /// Sends a draft to its first signer: to the parties that stand in it at the vendor, whom a reviewer may have
    /// replaced. `parties` are those ordered, for a vendor whose draft names nobody yet: at a vendor that has no way to
    /// say "only if it still names nobody", and at one that wants everybody named, whoever is put in between our last
    /// reading and the call is overwritten. `fields_version` is the version the caller has seen, where the vendor
    /// counts versions. A `Conflict` means: read it again and decide.
    async fn send(
        &self,
        id: &ProviderEnvelopeId,
        parties: &Parties,
        fields_version: Option<u64>,
        key: &str,
    ) -> Result<(), ProviderError>;

    /// Writes other texts into fields of a draft, under the vendor's optimistic lock; answers with the version that
    /// follows. A `Conflict` means: read it again and decide. For vendors with [`Capabilities::edits_fields`].
    async fn edit_fields(
        &self,
        id: &ProviderEnvelopeId,
        fields_version: u64,
        edits: &[FieldEdit],
    ) -> Result<u64, ProviderError> {
        let _ = (id, fields_version, edits);
        Err(ProviderError::unsupported())
    }

    /// Takes what is out, or has ended, back to draft, where it stays if it is one: signatures are gone, and it must be
    /// sent again. No vendor offers a lock for it, so the caller looks first. A `Conflict` means that it is nothing yet
    /// that could be a draft. For vendors with [`Capabilities::reopens`].
    async fn reopen(&self, id: &ProviderEnvelopeId) -> Result<(), ProviderError> {
        let _ = id;
        Err(ProviderError::unsupported())
    }

    /// Nudges the signer whose turn it is. A vendor may allow it only so often (`RateLimited`).
    async fn remind(&self, id: &ProviderEnvelopeId) -> Result<(), ProviderError>;

    /// Cancels it. `reason` is shown to people at the vendor; no personal data. A `Conflict` means that it has
    /// ended there already: read it and adopt the truth.
    async fn void(&self, id: &ProviderEnvelopeId, reason: &str) -> Result<(), ProviderError>;

    /// Fetches the signed PDF; it is checked to be a whole PDF. `NotReady` until the vendor has it; `InvalidRequest`
    /// where there will never be one, because staff called it completed and nobody signed.
    async fn download(&self, id: &ProviderEnvelopeId) -> Result<Bytes, ProviderError>;

    /// One page of the account's envelopes that changed at or after `since`, oldest change first; pages count from
    /// 1. For vendors with [`Capabilities::lists_changes`].
    async fn changed_since(&self, since: Timestamp, page: u32) -> Result<Page<Changed>, ProviderError> {
        let _ = (since, page);
        Err(ProviderError::unsupported())
    }

    /// One page of the deliveries that the vendor made at or after `since` and that did not arrive; pages count
    /// from 1, and within a page the oldest comes first. One that cannot be read fails no page: it is named in
    /// [`Page::unread`]. For vendors with [`Capabilities::replays_deliveries`].
    async fn missed_deliveries(
        &self,
        since: Timestamp,
        page: u32,
    ) -> Result<Page<MissedDelivery>, ProviderError> {
        let _ = (since, page);
        Err(ProviderError::unsupported())
    }

    /// The subscription by which the vendor reports to our webhook address; `None` if there is none. For vendors
    /// with [`Capabilities::subscriptions`].
    async fn subscription(&self) -> Result<Option<Subscription>, ProviderError> {
        Err(ProviderError::unsupported())
    }

    /// Turns a subscription on again. For vendors with [`Capabilities::subscriptions`].
    async fn activate_subscription(&self, id: &str) -> Result<(), ProviderError> {
        let _ = id;
        Err(ProviderError::unsupported())
    }

    /// Makes a subscription under this name at our webhook address; refused if there is one. For vendors with
    /// [`Capabilities::subscriptions`].
    async fn subscribe(&self, name: &str) -> Result<NewSubscription, ProviderError> {
        let _ = name;
        Err(ProviderError::unsupported())
    }

    /// Has the vendor sign with a new key from now on. For vendors with [`Capabilities::subscriptions`].
    async fn rotate_shared_key(&self, id: &str) -> Result<SecretString, ProviderError> {
        let _ = id;
        Err(ProviderError::unsupported())
    }
}

/// What a vendor can do, as data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Create and send take an idempotency key.
    pub idempotency_keys: bool,
    /// How long the vendor remembers a key; zero without keys. Older: [`Provider::find`] before creating.
    pub key_window: Duration,
    /// How long [`Provider::find`] may not find what was just made; zero where it always does. Without keys, a create
    /// of unknown outcome is not repeated before.
    pub search_lag: Duration,
    /// Closed envelopes can be reopened or corrected at the vendor (T23–T26), and [`Provider::reopen`] works.
    pub reopens: bool,
    /// Nobody signs before those with a lower order; else the vendor may let some sign in parallel.
    pub strictly_sequential: bool,
    /// Create can send at once.
    pub auto_send: bool,
    /// The vendor looks for fields by itself and says how far it is.
    pub detects_fields: bool,
    /// [`Provider::edit_fields`] works.
    pub edits_fields: bool,
    /// A person can review a draft at a link.
    pub review_link: bool,
    /// Envelopes can be made from a template.
    pub templates: bool,
    /// Envelopes can be made from an address that the vendor fetches.
    pub document_urls: bool,
    /// Envelopes can be made from bytes.
    pub uploads: bool,
    /// Uploads may be Word documents, not only PDF.
    pub docx_uploads: bool,
    /// Longest upload, in bytes.
    pub upload_bytes_max: usize,
    /// [`Provider::changed_since`] works.
    pub lists_changes: bool,
    /// [`Provider::missed_deliveries`] works.
    pub replays_deliveries: bool,
    /// [`Provider::subscription`] and [`Provider::activate_subscription`] work.
    pub subscriptions: bool,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// Its items.
    pub items: Vec<T>,
    /// Whether there is a next page.
    pub more: bool,
    /// When those were made that stand on the page but could not be read now: they must be listed again, from the
    /// oldest of these times on. Empty where everything could be read.
    pub unread: Vec<Timestamp>,
}

/// An envelope as a list shows it: enough to tell whether it is worth a GET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The vendor's id.
    pub provider_id: ProviderEnvelopeId,
    /// What its status word means.
    pub claim: Claim,
    /// The vendor's revision or modification time in milliseconds, where it has one.
    pub revision: Option<i64>,
}

/// A delivery that did not arrive, as the vendor kept it. Never printed; as untrusted as any delivery.
#[derive(Clone, PartialEq, Eq)]
pub struct MissedDelivery {
    /// The vendor's id of it.
    pub id: String,
    /// When the vendor first made it.
    pub made_at: Timestamp,
    /// Query as it would have stood in the address, without `?`; may hold a signature.
    pub query: String,
    /// Headers it would have had, names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, byte for byte.
    pub body: Bytes,
}

impl std::fmt::Debug for MissedDelivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MissedDelivery")
            .field("id", &self.id)
            .field("made_at", &self.made_at)
            .finish_non_exhaustive()
    }
}

/// A webhook subscription at the vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The vendor's id of it.
    pub id: String,
    /// Whether it delivers.
    pub standing: SubscriptionStanding,
}

/// A subscription that was just made.
#[derive(Clone, Debug)]
pub struct NewSubscription {
    /// The vendor's id of it.
    pub id: String,
    /// The key that its webhooks are signed with; never printed.
    pub shared_key: SecretString,
}

/// Whether a subscription delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubscriptionStanding {
    /// It delivers.
    Active,
    /// Somebody turned it off.
    Inactive,
    /// The vendor gave up on it, after too many failures or a 410.
    Deactivated,
}

/// What is to be made. Has no `Debug`: nearly everything in it is personal.
#[derive(Clone)]
pub struct CreateOrder {
    /// Title shown to people, at most 200 bytes.
    pub name: String,
    /// What is to be signed.
    pub source: Source,
    /// Who signs.
    pub parties: Parties,
    /// Send at once, where the vendor can ([`Capabilities::auto_send`]).
    pub auto_send: bool,
    /// Attached to the vendor's envelope. Holds at least [`ENVELOPE_ID_KEY`], [`EXTERNAL_ID_KEY`] and
    /// [`CLIENT_REFERENCE_KEY`]; at most 8 KiB as JSON.
    pub correlation: BTreeMap<String, String>,
    /// Where the vendor reports; `None` takes the connection's own address.
    pub webhook_url: Option<String>,
    /// The way in which the first call of this key went ([`Provider::upload_way`]); `None` takes the connection's own.
    pub way: Option<String>,
}

/// What is to be signed.
#[derive(Clone)]
pub enum Source {
    /// An address that the vendor fetches; may hold an access token.
    Url(String),
    /// Bytes of ours.
    Upload {
        /// File name with extension.
        file_name: String,
        /// `application/pdf` or the DOCX media type.
        content_type: String,
        /// The document.
        bytes: Bytes,
    },
    /// A template at the vendor.
    Template {
        /// The vendor's template id.
        id: String,
        /// Label → text.
        prefill: BTreeMap<String, String>,
    },
}

/// What became of a create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// The vendor's id.
    pub provider_id: ProviderEnvelopeId,
    /// Where a person reviews and sends it.
    pub review_link: Option<Personal>,
    /// Whether the vendor says that it has been sent already.
    pub sent: bool,
}

/// How an envelope stands at the vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The vendor's id.
    pub provider_id: ProviderEnvelopeId,
    /// What its status word means.
    pub claim: Claim,
    /// How far field detection is, where the vendor detects.
    pub detection: Option<Detection>,
    /// Version of the fields, where the vendor counts.
    pub fields_version: Option<u64>,
    /// How many have signed.
    pub signed: u32,
    /// How many sign; 0 if the vendor does not say.
    pub total: u32,
    /// Where each party stands, in signing order.
    pub parties: Vec<PartyNews>,
    /// The vendor's revision or modification time in milliseconds, where it has one.
    pub revision: Option<i64>,
    /// Where a person reviews it, if the answer says so.
    pub review_link: Option<Personal>,
    /// The correlation data it carries.
    pub correlation: BTreeMap<String, String>,
    /// When everybody had signed.
    pub completed_at: Option<Timestamp>,
    /// Why it was declined or voided, if said.
    pub reason: Option<Personal>,
}
