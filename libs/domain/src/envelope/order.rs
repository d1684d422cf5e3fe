//! What is asked for: the order for an envelope, or the adoption of one that exists already.

use std::collections::BTreeMap;
use std::time::Duration;

use super::state::Digest;
use crate::ids::{ConnectionId, FlowName, OperationKey, ProviderEnvelopeId};
use crate::intake::RecordRef;
use crate::parties::Parties;
use crate::personal::Personal;

/// Everything that is needed to make one envelope at a provider, fixed when it is requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// At most one provider envelope exists per key (lifecycle.md §8.2).
    pub operation_key: OperationKey,
    /// The flow that asked, or the name an API client gave.
    pub flow: FlowName,
    /// The provider connection that shall carry it.
    pub provider: ConnectionId,
    /// The CRM record it is about, if any.
    pub record: Option<RecordRef>,
    /// What is to be signed.
    pub document: Document,
    /// Title shown to people, at most 200 bytes; no personal data.
    pub title: String,
    /// Who signs.
    pub parties: Parties,
    /// Who presses Send.
    pub send: SendPolicy,
    /// Void the envelope this long after it was sent, if it is still open.
    pub expires_after: Option<Duration>,
    /// Remind the current signer this long after sending; ascending, at most 10.
    pub remind_after: Vec<Duration>,
    /// How the provider's records find their way back to ours.
    pub correlation: Correlation,
}

/// What is to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// The provider fetches it. The address may hold an access token, so it is sealed.
    Url(Personal),
    /// We upload it from the blob store.
    Upload {
        /// The blob.
        digest: Digest,
        /// File name with extension, at most 200 bytes.
        file_name: String,
        /// `application/pdf` or the DOCX media type.
        content_type: String,
    },
    /// The provider has it as a template.
    Template {
        /// The provider's template id.
        template_id: String,
        /// Label → text; may hold personal data.
        prefill: BTreeMap<String, Personal>,
    },
}

/// Who presses Send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendPolicy {
    /// A person reviews the fields and sends.
    Review,
    /// We send as soon as the provider is ready.
    Auto,
}

/// What we attach to the provider's envelope so that both sides find each other again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Correlation {
    /// The external record's id, searchable at the provider.
    pub external_id: String,
    /// Something a person recognises, for example `deal-20417`.
    pub client_reference_id: String,
}

/// An envelope that somebody made at the provider without us, and that a flow follows from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adoption {
    /// The provider connection.
    pub provider: ConnectionId,
    /// The provider's id.
    pub provider_id: ProviderEnvelopeId,
    /// The flow that takes it up.
    pub flow: FlowName,
    /// The CRM record it is about.
    pub record: Option<RecordRef>,
}
