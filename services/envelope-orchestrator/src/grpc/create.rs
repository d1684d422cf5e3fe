//! Asking for a new envelope.

use bytes::Bytes;
use contracts::envelope::{self as codec, CreateEnvelope, FieldViolation};
use contracts::wire::envelope as wire;
use domain::envelope::{Command, Document, Order};
use domain::ids::{CommandId, EnvelopeId, TenantId};
use tonic::Status;

use super::Grpc;
use super::refuse::{bad_request, refused, request_id_taken, unavailable, violation};
use crate::store::{Cause, Executed, Subject};

impl Grpc {
    /// The same request id is the same envelope: its id is derived from it.
    pub(super) async fn create(
        &self,
        request: wire::CreateEnvelopeRequest,
    ) -> Result<(Subject, Executed), Status> {
        let CreateEnvelope { order, upload } = codec::create_request(request).map_err(bad_request)?;
        let upload = upload.map(Bytes::from);
        let tenant = self.check(&order, upload.as_ref()).map_err(bad_request)?;
        let key = order.operation_key.to_string();
        let id = runtime::random::derive_id("countersign envelope", &[tenant.as_str(), &key]);
        let subject = Subject { tenant, id: EnvelopeId::from_bytes(id) };
        if let Some(bytes) = upload {
            self.store.log().blobs().put(bytes).await.map_err(unavailable)?;
        }
        let cause = Cause {
            command_id: CommandId::from_bytes(runtime::random::derive_id(
                "countersign wish",
                &["create", &subject.id.to_string(), &key],
            )),
            correlation_id: key,
            event: None,
        };
        let command = Command::Request { order: Box::new(order.clone()), at: self.store.clock().now() };
        let done =
            self.store.execute(&subject, command, &cause).await.map_err(|error| refused(&subject, error))?;
        if done.envelope.order.as_ref() != Some(&order) {
            return Err(request_id_taken(&subject.id));
        }
        Ok((subject, done))
    }

    /// What only this installation knows: the connection, what its provider can do, the bytes themselves.
    fn check(&self, order: &Order, upload: Option<&Bytes>) -> Result<TenantId, Vec<FieldViolation>> {
        let current = self.configuration.current();
        let known = current.connection(&order.provider).zip((self.providers)(&order.provider));
        let Some((connection, provider)) = known else {
            let all = current.configuration().connections.keys();
            let usable: Vec<&str> = all
                .filter(|id| (self.providers)(id).is_some())
                .map(domain::ids::ConnectionId::as_str)
                .collect();
            let description = format!("is no provider connection; known ones: {}", usable.join(", "));
            return Err(vec![violation("provider", description)]);
        };
        let can = provider.capabilities();
        let mut found = Vec::new();
        let (field, able) = match order.document {
            Document::Url(_) => ("url", can.document_urls),
            Document::Upload { .. } => ("upload", can.uploads),
            Document::Template { .. } => ("template", can.templates),
        };
        if !able {
            found.push(violation(field, "this provider does not take documents this way"));
        }
        if let Some(bytes) = upload {
            if bytes.len() > can.upload_bytes_max {
                found.push(violation("upload.content", format!("at most {} bytes", can.upload_bytes_max)));
            }
            if let Some(wrong) = not_that(&order.document, bytes) {
                found.push(violation("upload.content", wrong));
            }
            if bytes.starts_with(DOCX) && !can.docx_uploads {
                found.push(violation("upload.content_type", "this provider takes PDF only"));
            }
        }
        if found.is_empty() { Ok(connection.tenant.clone()) } else { Err(found) }
    }
}

/// How a PDF begins.
const PDF: &[u8] = b"%PDF-";
/// How a DOCX file begins: it is a zip archive.
const DOCX: &[u8] = b"PK\x03\x04";

/// What is wrong with bytes that are not what they are said to be.
fn not_that(document: &Document, bytes: &Bytes) -> Option<&'static str> {
    let Document::Upload { content_type, .. } = document else { return None };
    let pdf = content_type == "application/pdf";
    match pdf {
        true if !bytes.starts_with(PDF) => Some("is not a PDF file"),
        false if !bytes.starts_with(DOCX) => Some("is not a DOCX file"),
        true | false => None,
    }
}
