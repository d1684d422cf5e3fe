//! Bodies of the second generation.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::parties::Parties;
use outbound::Request;
use serde_json::{Value, json};
use url::Url;

use crate::{CreateOrder, ProviderError, Source, calls};

/// A draft. Bytes travel inside the body: the other way, an upload address of the vendor's, is never issued again,
/// so an answer that is lost would leave an envelope that nobody can fill.
pub(super) fn create(order: &CreateOrder, route: impl Fn(&[&str]) -> Url) -> Result<Request, ProviderError> {
    if order.auto_send {
        return Err(ProviderError::unsupported());
    }
    let document = match &order.source {
        Source::Url(address) => json!({"url": address}),
        Source::Upload { file_name, content_type, bytes } => json!({
            "base64": STANDARD.encode(bytes), "filename": file_name, "contentType": content_type,
        }),
        Source::Template { .. } => return Err(ProviderError::unsupported()),
    };
    let body = json!({
        "document": document,
        "participants": participants(&order.parties)?,
        "metadata": calls::correlation(&order.correlation)?,
    });
    Ok(Request::post_json(route(&["envelopes"]), "create_envelope", &body))
}

/// In signing order, which is their place in the list; roles and orders have no place here.
fn participants(parties: &Parties) -> Result<Value, ProviderError> {
    let mut sorted = parties.as_slice().to_vec();
    sorted.sort_by_key(|party| party.order);
    super::parties(&sorted, |_, _| {})
}

/// The participants are the draft's.
pub(super) fn send(version: Option<u64>) -> serde_json::Map<String, Value> {
    version.map(|version| ("expectedVersion".to_owned(), json!(version))).into_iter().collect()
}
