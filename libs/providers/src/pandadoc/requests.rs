//! What is sent to PandaDoc: bodies of create and remind (pandadoc.md §3).

use bytes::Bytes;
use domain::parties::{PARTIES_MAX, Parties};
use domain::retry::Retry;
use outbound::{Part, Request};
use serde_json::{Map, Value, json};
use url::Url;

use super::{limits, wire};
use crate::calls;
use crate::{Class, CreateOrder, ProviderError, Source, reading};

/// Longest upload, in bytes (pandadoc.md §9). The vendor says "50 MB": the smaller reading is certainly taken.
pub(super) const UPLOAD_BYTES_MAX: usize = 50_000_000;
/// Longest JSON body, in bytes (pandadoc.md §9: "2 MB", read as above).
const BODY_BYTES_MAX: usize = 2_000_000;
/// What the vendor takes as an upload, and how such a file begins.
const PDF: (&str, &[u8]) = ("application/pdf", b"%PDF-");

const JSON: &str = "application/json";

/// A label of a prefill that begins so names a field of the template; any other names a variable in its text.
const FIELD: &str = "field:";

/// The create call of an order. What the vendor is known not to take is refused before anything is sent.
pub(super) fn create(order: &CreateOrder, url: Url) -> Result<Request, ProviderError> {
    let mut body = Map::new();
    body.insert("name".into(), json!(order.name));
    body.insert("recipients".into(), recipients(&order.parties)?);
    body.insert("metadata".into(), calls::correlation(&order.correlation)?);
    match &order.source {
        Source::Template { id, prefill } => {
            let mut tokens = Vec::new();
            let mut fields = Map::new();
            for (label, text) in prefill {
                match label.strip_prefix(FIELD) {
                    Some(field) => drop(fields.insert(field.to_owned(), json!({"value": text}))),
                    None => tokens.push(json!({"name": label, "value": text})),
                }
            }
            body.insert("template_uuid".into(), json!(id));
            body.insert("tokens".into(), json!(tokens));
            body.insert("fields".into(), json!(fields));
            Ok(Request::post(url, limits::CREATE_FROM_TEMPLATE).bytes(JSON, fitting(body)?))
        }
        Source::Url(address) => {
            body.insert("url".into(), json!(address));
            body.insert("parse_form_fields".into(), json!(false));
            Ok(Request::post(url, limits::CREATE_FROM_PDF).bytes(JSON, fitting(body)?))
        }
        Source::Upload { file_name, content_type, bytes } => {
            if bytes.len() > UPLOAD_BYTES_MAX {
                return Err(too_large("upload_too_large"));
            }
            if content_type != PDF.0 || !bytes.starts_with(PDF.1) {
                return Err(ProviderError::invalid("upload_not_pdf"));
            }
            body.insert("parse_form_fields".into(), json!(false));
            let mut url = url;
            url.set_query(Some("upload"));
            let file = Part {
                name: "file".into(),
                file_name: Some(file_name.clone()),
                content_type: Some(content_type.clone()),
                bytes: bytes.clone(),
            };
            let data = Part {
                name: "data".into(),
                file_name: None,
                content_type: Some(JSON.into()),
                bytes: fitting(body)?,
            };
            Ok(Request::post_multipart(url, limits::CREATE_FROM_PDF, vec![file, data]))
        }
    }
}

/// A body as JSON, within its limit.
fn fitting(body: Map<String, Value>) -> Result<Bytes, ProviderError> {
    let text = Value::Object(body).to_string();
    if text.len() > BODY_BYTES_MAX { Err(too_large("body_too_large")) } else { Ok(Bytes::from(text)) }
}

fn too_large(code: &str) -> ProviderError {
    ProviderError::ours(Class::TooLarge, Retry::Never, code)
}

/// The recipients, one after the other; a full name is cut at its last space. Without a role the vendor takes a
/// recipient for one who gets a copy, and nobody would sign: such an order is refused.
fn recipients(parties: &Parties) -> Result<Value, ProviderError> {
    if parties.as_slice().len() > PARTIES_MAX {
        return Err(ProviderError::invalid("too_many_parties"));
    }
    let erased = || ProviderError::invalid("party_erased");
    parties
        .as_slice()
        .iter()
        .map(|party| {
            if party.role.trim().is_empty() {
                return Err(ProviderError::invalid("role_missing"));
            }
            // revealed to the vendor, who invites them
            let email = party.email.reveal().ok_or_else(erased)?;
            let name = party.name.reveal().ok_or_else(erased)?;
            let (first, last) = name.rsplit_once(' ').unwrap_or((name, ""));
            Ok(json!({
                "email": email, "first_name": first, "last_name": last, "role": party.role,
                "signing_order": party.order,
            }))
        })
        .collect::<Result<Vec<Value>, ProviderError>>()
        .map(Value::Array)
}

/// A reminder to everybody whose turn it is; `None` if it is nobody's.
pub(super) fn remind(document: &Value, url: Url) -> Option<Request> {
    let signers = wire::signers(document);
    let reminders: Vec<Value> = wire::current(&signers)
        .filter_map(|signer| reading::text(signer.recipient, &["/id"]))
        .map(|id| json!({"recipient_id": id, "delivery_methods": {"email": true}}))
        .collect();
    let somebody = !reminders.is_empty();
    somebody.then(|| Request::post_json(url, "remind", &json!({"reminders": reminders})))
}

#[cfg(test)]
mod tests;
