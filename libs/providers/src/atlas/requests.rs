//! What is sent to Atlas: bodies of create, template send and send (atlas.md §4, §7, §14).

use bytes::Bytes;
use domain::parties::{PARTIES_MAX, Parties};
use outbound::{Part, Request};
use serde_json::{Map, Value, json};
use url::Url;

use crate::calls;
use crate::{CreateOrder, ProviderError, Source};

/// Longest upload, in bytes (atlas.md §18: not published, our own bound).
pub(super) const UPLOAD_BYTES_MAX: usize = 25 * 1024 * 1024;

/// The create call of an order. The transport follows from the source alone, because the vendor keeps its
/// idempotency keys by transport.
pub(super) fn create(
    order: &CreateOrder,
    webhook_url: Option<&str>,
    route: impl Fn(&[&str]) -> Url,
) -> Result<Request, ProviderError> {
    let metadata = calls::correlation(&order.correlation)?;
    match &order.source {
        Source::Url(address) => {
            let mut body = common(order, webhook_url, metadata, parties(&order.parties, false)?);
            body.insert("document_url".into(), json!(address));
            Ok(Request::post_json(route(&["envelope"]), "create_envelope", &body))
        }
        Source::Template { id, prefill } => {
            let mut body = common(order, webhook_url, metadata, parties(&order.parties, true)?);
            body.insert("prefill".into(), json!(prefill));
            Ok(Request::post_json(route(&["templates", id, "send"]), "send_template", &body))
        }
        Source::Upload { file_name, content_type, bytes } => {
            if bytes.len() > UPLOAD_BYTES_MAX {
                return Err(ProviderError::ours(
                    crate::Class::TooLarge,
                    domain::retry::Retry::Never,
                    "upload_too_large",
                ));
            }
            let file = Part {
                name: "file".into(),
                file_name: Some(file_name.clone()),
                content_type: Some(content_type.clone()),
                bytes: bytes.clone(),
            };
            let fields = common(order, webhook_url, metadata, parties(&order.parties, false)?);
            let parts = std::iter::once(file).chain(fields.into_iter().map(part)).collect();
            Ok(Request::post_multipart(route(&["envelope"]), "create_envelope", parts))
        }
    }
}

/// What all three ways have in common; `auto_send` is always said, because its default differs by way.
fn common(
    order: &CreateOrder,
    webhook_url: Option<&str>,
    metadata: Value,
    parties: Value,
) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("parties".into(), parties);
    body.insert("metadata".into(), metadata);
    body.insert("auto_send".into(), json!(order.auto_send));
    if let Some(webhook_url) = webhook_url {
        body.insert("webhook_url".into(), json!(webhook_url));
    }
    body
}

/// A form part: text as it is, everything else as JSON text.
fn part((name, value): (String, Value)) -> Part {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Part { name, file_name: None, content_type: None, bytes: Bytes::from(text) }
}

/// The parties; for templates the role goes under both names that the vendor's pages use.
fn parties(parties: &Parties, template: bool) -> Result<Value, ProviderError> {
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
            let mut entry = json!({"email": email, "name": name, "role": party.role, "order": party.order});
            if let (true, Some(entry)) = (template, entry.as_object_mut()) {
                entry.insert("role_name".into(), json!(party.role));
            }
            Ok(entry)
        })
        .collect::<Result<Vec<Value>, ProviderError>>()
        .map(Value::Array)
}

/// The send call: parties and version together, which avoids a drift between the two (atlas.md §6).
pub(super) fn send(url: Url, order: &Parties, fields_version: Option<u64>) -> Result<Request, ProviderError> {
    let mut body = Map::from_iter([("parties".to_owned(), parties(order, false)?)]);
    if let Some(version) = fields_version {
        body.insert("fields_version".into(), json!(version));
    }
    Ok(Request::post_json(url, "send_envelope", &body))
}
