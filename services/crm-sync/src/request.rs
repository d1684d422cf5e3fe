//! From a flow and a record to the request for an envelope.

use std::time::Duration;

use bytes::Bytes;
use contracts::wire::common::RecordRef as WireRecord;
use contracts::wire::envelope::create_envelope_request::Document;
use contracts::wire::envelope::{Correlation, CreateEnvelopeRequest, NewParty, SendPolicy, Template, Upload};
use domain::intake::RecordRef;
use outbound::{Outbound, OutboundError, Request, Settings};
use runtime::config::{Flow, Loaded, Send, Span};
use runtime::expressions::{ExpressionError, is_template};
use serde_json::Value;

use crate::desired::evaluate;

/// Longest wait for a document of the CRM.
const DOCUMENT_DEADLINE: Duration = Duration::from_secs(30);
/// The media type of a DOCX file.
const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

/// Why no request could be made of a record.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// A property is missing, or an expression does not fit the record.
    #[error(transparent)]
    Expression(#[from] ExpressionError),
    /// The record names no document that can be fetched, or what it names is none.
    #[error("envelope.upload: {0}")]
    Document(&'static str),
    /// The document cannot be fetched now.
    #[error("envelope.upload: the document cannot be fetched now")]
    Unreachable(#[source] OutboundError),
    /// The document's server asks to come back later.
    #[error("envelope.upload: the document's server answered {0}")]
    Busy(u16),
}

/// What a request is made of.
pub struct Source<'a> {
    /// The configuration in force.
    pub loaded: &'a Loaded,
    /// The flow that asks.
    pub flow: &'a Flow,
    /// The record that fired.
    pub record: &'a RecordRef,
    /// What the expressions see.
    pub context: &'a Value,
    /// Whether a document may be fetched from a private or loopback address.
    pub allow_private_addresses: bool,
}

impl Source<'_> {
    /// The request, under this key.
    pub async fn request(&self, key: &str) -> Result<CreateEnvelopeRequest, RequestError> {
        let plan = &self.flow.envelope;
        let mut parties = Vec::with_capacity(plan.parties.len());
        for party in &plan.parties {
            let (name, email) = (self.text(&party.name)?, self.text(&party.email)?);
            parties.push(NewParty { role: self.text(&party.role)?, name: named(name, &email), email });
        }
        let title = plan.title.as_deref().unwrap_or(self.flow.name.as_str());
        let RecordRef { connection, object_type, object_id } = self.record;
        Ok(CreateEnvelopeRequest {
            request_id: key.to_owned(),
            provider: plan.provider.to_string(),
            flow: self.flow.name.to_string(),
            record: Some(wire_record(self.record)),
            parties,
            send: match plan.send {
                Send::Review => SendPolicy::Review,
                Send::Auto => SendPolicy::Auto,
            }
            .into(),
            title: self.text(title)?,
            expires_after_ms: plan.expires_after.map(milliseconds).unwrap_or_default(),
            remind_after_ms: plan.remind_after.iter().copied().map(milliseconds).collect(),
            correlation: Some(Correlation {
                external_id: format!("{connection}:{object_type}:{object_id}"),
                client_reference_id: format!("{object_type}-{object_id}"),
            }),
            document: Some(self.document().await?),
        })
    }

    async fn document(&self) -> Result<Document, RequestError> {
        let plan = &self.flow.envelope;
        if let Some(template) = &plan.template {
            let prefill = evaluate(self.loaded, &plan.prefill, self.context)?;
            let template_id = self.text(template)?;
            return Ok(Document::Template(Template { template_id, prefill: prefill.into_iter().collect() }));
        }
        if let Some(url) = &plan.document_url {
            return Ok(Document::Url(self.text(url)?));
        }
        let property = plan.upload.as_deref().ok_or(RequestError::Document("the flow names no document"))?;
        let address = self.context["record"][property].as_str().unwrap_or_default();
        let address = address.parse().map_err(|_| RequestError::Document("the property holds no address"))?;
        let content = self.fetch(address).await?;
        let (extension, content_type) = if content.starts_with(b"%PDF-") {
            ("pdf", "application/pdf")
        } else if content.starts_with(b"PK\x03\x04") {
            ("docx", DOCX)
        } else {
            return Err(RequestError::Document("the document is neither a PDF nor a DOCX file"));
        };
        Ok(Document::Upload(Upload {
            file_name: format!("{}.{extension}", self.flow.name),
            content_type: content_type.to_owned(),
            content: content.into(),
        }))
    }

    async fn fetch(&self, address: url::Url) -> Result<Bytes, RequestError> {
        let mut settings = Settings::new(self.record.connection.as_str());
        settings.allow_private_addresses = self.allow_private_addresses;
        settings.body_bytes_max = contracts::envelope::UPLOAD_BYTES_MAX;
        let client = Outbound::new(settings).map_err(RequestError::Unreachable)?;
        let request = Request::get(address, "fetch_document").deadline(DOCUMENT_DEADLINE).follow_redirects(3);
        let response = client.send(request).await.map_err(|error| match error {
            OutboundError::Refused { reason } => RequestError::Document(reason),
            OutboundError::BodyTooLarge { .. } => RequestError::Document("the document is too large"),
            error @ (OutboundError::NotSent(_)
            | OutboundError::OutcomeUnknown
            | OutboundError::BreakerOpen { .. }
            | OutboundError::Throttled { .. }) => RequestError::Unreachable(error),
        })?;
        judged(response.status).map(|()| response.body)
    }

    fn text(&self, text: &str) -> Result<String, ExpressionError> {
        if is_template(text) {
            self.loaded.expressions().evaluate(text, self.context)
        } else {
            Ok(text.to_owned())
        }
    }
}

/// A record on the wire.
pub fn wire_record(record: &RecordRef) -> WireRecord {
    WireRecord {
        connection: record.connection.to_string(),
        object_type: record.object_type.clone(),
        object_id: record.object_id.clone(),
    }
}

/// Somebody without a name in the record is called by what stands before the `@` of their address (lifecycle.md §3).
fn named(name: String, email: &str) -> String {
    match email.trim().split_once('@') {
        Some((local, _)) if name.trim().is_empty() => local.to_owned(),
        Some(_) | None => name,
    }
}

/// What the document's server means by its answer.
fn judged(status: u16) -> Result<(), RequestError> {
    match status {
        200 => Ok(()),
        408 | 425 | 429 | 500..=599 => Err(RequestError::Busy(status)),
        _ => Err(RequestError::Document("the address did not answer with a document")),
    }
}

fn milliseconds(span: Span) -> u64 {
    u64::try_from(span.duration().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{RequestError, judged, named};

    #[test]
    fn somebody_without_a_name_is_called_by_their_address() {
        let called = |name: &str| named(name.to_owned(), " dana.buyer@buyer.test ");
        assert_eq!(called("Dana Buyer"), "Dana Buyer");
        assert_eq!((called("").as_str(), called(" ").as_str()), ("dana.buyer", "dana.buyer"));
        assert_eq!(named(String::new(), "nobody"), "", "what is no address gives no name");
    }

    #[test]
    fn a_document_server_that_is_busy_is_asked_again_and_one_that_refuses_is_not() {
        for busy in [408, 425, 429, 500, 502, 503, 504] {
            assert!(matches!(judged(busy), Err(RequestError::Busy(status)) if status == busy));
        }
        for refused in [301, 401, 403, 404, 410] {
            assert!(matches!(judged(refused), Err(RequestError::Document(_))));
        }
        assert!(judged(200).is_ok());
    }
}
