//! What messages with personal data or secrets show of themselves when they are printed: ids and sizes.

use std::fmt::{Debug, Formatter, Result};

use crate::wire::crmsync::PlannedWrite;
use crate::wire::envelope::create_envelope_request::Document;
use crate::wire::envelope::{
    CreateEnvelopeRequest, DownloadArtifactResponse, EditFieldsRequest, Envelope, FieldEdit, NewParty, Party,
    Template, Upload,
};
use crate::wire::verification::{CorrelationData, Delivery};

macro_rules! redacted {
    ($($message:ident { $($field:ident),* })+) => {$(
        impl Debug for $message {
            fn fmt(&self, f: &mut Formatter<'_>) -> Result {
                f.debug_struct(stringify!($message))$(.field(stringify!($field), &self.$field))*.finish_non_exhaustive()
            }
        }
    )+};
}

redacted! {
    PlannedWrite { version, includes_link, skipped_because }
    CreateEnvelopeRequest { request_id, provider, flow, record }
    EditFieldsRequest { request_id, envelope_id, fields_version }
    FieldEdit { field_id }
    Envelope { envelope_id, tenant, version, stage, generation }
    NewParty {}
    Party { order, standing }
    Template { template_id }
    Upload { content_type }
    CorrelationData {}
    Delivery { connection, received_at_ms }
}

impl Debug for Document {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Document::Url(_) => "Url(redacted)",
            Document::Upload(_) => "Upload(redacted)",
            Document::Template(_) => "Template(redacted)",
        })
    }
}

impl Debug for DownloadArtifactResponse {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "DownloadArtifactResponse({} bytes)", self.data.len())
    }
}
