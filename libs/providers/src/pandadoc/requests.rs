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

/// Longest upload, in bytes (pandadoc.md §9).
pub(super) const UPLOAD_BYTES_MAX: usize = 50 * 1024 * 1024;

/// A label of a prefill that begins so names a field of the template; any other names a variable in its text.
const FIELD: &str = "field:";

/// The create call of an order.
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
            Ok(Request::post_json(url, limits::CREATE_FROM_TEMPLATE, &body))
        }
        Source::Url(address) => {
            body.insert("url".into(), json!(address));
            body.insert("parse_form_fields".into(), json!(false));
            Ok(Request::post_json(url, limits::CREATE_FROM_PDF, &body))
        }
        Source::Upload { file_name, content_type, bytes } => {
            if bytes.len() > UPLOAD_BYTES_MAX {
                return Err(ProviderError::ours(Class::TooLarge, Retry::Never, "upload_too_large"));
            }
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
                content_type: Some("application/json".into()),
                bytes: Bytes::from(Value::Object(body).to_string()),
            };
            Ok(Request::post_multipart(url, limits::CREATE_FROM_PDF, vec![file, data]))
        }
    }
}

/// The recipients, one after the other; a full name is cut at its last space.
fn recipients(parties: &Parties) -> Result<Value, ProviderError> {
    if parties.as_slice().len() > PARTIES_MAX {
        return Err(ProviderError::invalid("too_many_parties"));
    }
    let erased = || ProviderError::invalid("party_erased");
    parties
        .as_slice()
        .iter()
        .map(|party| {
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
