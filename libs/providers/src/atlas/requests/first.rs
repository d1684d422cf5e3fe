//! Bodies of the first generation.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use domain::parties::Parties;
use outbound::{Part, Request};
use serde_json::{Map, Value, json};
use url::Url;

use super::super::wire;
use super::Transport;
use crate::{CreateOrder, FieldEdit, ProviderError, Source, calls};

/// Fields changed at once at most.
const EDITS_MAX: usize = 200;

pub(super) fn create(
    transport: Transport,
    order: &CreateOrder,
    webhook_url: Option<&str>,
    route: impl Fn(&[&str]) -> Url,
) -> Result<Request, ProviderError> {
    let template = matches!(order.source, Source::Template { .. });
    let mut body = common(order, webhook_url, parties(&order.parties, template)?)?;
    match (&order.source, transport) {
        (Source::Url(address), _) => {
            body.insert("document_url".into(), json!(address));
            Ok(Request::post_json(route(&["envelope"]), "create_envelope", &body))
        }
        (Source::Template { id, prefill }, _) => {
            body.insert("prefill".into(), json!(prefill));
            Ok(Request::post_json(route(&["templates", id, "send"]), "send_template", &body))
        }
        (Source::Upload { bytes, .. }, Transport::Inline) => {
            body.insert("document".into(), json!(STANDARD.encode(bytes)));
            Ok(Request::post_json(route(&["envelope"]), "create_envelope", &body))
        }
        (Source::Upload { file_name, content_type, bytes }, Transport::Multipart) => {
            let file = Part {
                name: "file".into(),
                file_name: Some(file_name.clone()),
                content_type: Some(content_type.clone()),
                bytes: bytes.clone(),
            };
            let parts = std::iter::once(file).chain(body.into_iter().map(part)).collect();
            Ok(Request::post_multipart(route(&["envelope"]), "create_envelope", parts))
        }
    }
}

/// What all ways have in common; `auto_send` is always said, because its default differs by way.
fn common(
    order: &CreateOrder,
    webhook_url: Option<&str>,
    parties: Value,
) -> Result<Map<String, Value>, ProviderError> {
    let mut body = Map::new();
    body.insert("parties".into(), parties);
    body.insert("metadata".into(), calls::correlation(&order.correlation)?);
    body.insert("auto_send".into(), json!(order.auto_send));
    if let Some(webhook_url) = webhook_url {
        body.insert("webhook_url".into(), json!(webhook_url));
    }
    Ok(body)
}

/// A form part: text as it is, everything else as JSON text.
fn part((name, value): (String, Value)) -> Part {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Part { name, file_name: None, content_type: None, bytes: Bytes::from(text) }
}

/// The parties; for templates the role goes under both names that the vendor's pages use.
fn parties(parties: &Parties, template: bool) -> Result<Value, ProviderError> {
    super::parties(parties.as_slice(), |party, entry| {
        entry.insert("role".into(), json!(party.role));
        entry.insert("order".into(), json!(party.order));
        if template {
            entry.insert("role_name".into(), json!(party.role));
        }
    })
}

/// Whom a send names. What goes along replaces what stands in the draft, where a reviewer may have put other people than
/// were ordered (atlas.md §23.11), and no version tells of it: `fields_version` is that of the fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Naming {
    /// Nobody where the draft names somebody: those who stand there when the call arrives are invited, so nobody can be
    /// overwritten. Those ordered, where it names nobody.
    WhomItLacks,
    /// Those of the draft, as they were just read: for a vendor that wants everybody named.
    WhomItHas,
}

pub(super) fn send(
    naming: Naming,
    draft: &Value,
    ordered: &Parties,
    version: Option<u64>,
) -> Result<Map<String, Value>, ProviderError> {
    let going = match (wire::listed(draft), naming) {
        ([], Naming::WhomItLacks | Naming::WhomItHas) => Some(parties(ordered, false)?),
        (_, Naming::WhomItLacks) => None,
        // where their addresses are hidden there is nobody to name
        (listed, Naming::WhomItHas) => {
            listed.iter().map(kept).collect::<Option<Vec<Value>>>().map(Value::Array)
        }
    };
    let mut body: Map<String, Value> = going.map(|going| ("parties".to_owned(), going)).into_iter().collect();
    if let Some(version) = version {
        body.insert("fields_version".into(), json!(version));
    }
    Ok(body)
}

/// A party of a draft as a send takes it; `None` without an address.
fn kept(party: &Value) -> Option<Value> {
    party.get("email")?.as_str()?;
    let told = |name: &str| Some((name.to_owned(), party.get(name).filter(|told| !told.is_null())?.clone()));
    Some(Value::Object(["email", "name", "role", "order"].into_iter().filter_map(told).collect()))
}

pub(super) fn fields(version: u64, edits: &[FieldEdit]) -> Result<Value, ProviderError> {
    if edits.is_empty() || edits.len() > EDITS_MAX {
        return Err(ProviderError::invalid("fields_number_wrong"));
    }
    let erased = || ProviderError::invalid("field_erased");
    let written = |edit: &FieldEdit| {
        let value = edit.value.reveal().ok_or_else(erased)?;
        Ok(json!({"id": edit.id, "value": value}))
    };
    let fields = edits.iter().map(written).collect::<Result<Vec<Value>, ProviderError>>()?;
    Ok(json!({"fields_version": version, "fields": fields}))
}
