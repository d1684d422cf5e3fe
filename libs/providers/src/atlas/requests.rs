//! What is sent to Atlas, in both generations (atlas.md §4, §6, §7, §14, §21).

mod first;
mod second;

use domain::parties::{PARTIES_MAX, Parties, Party};
use domain::retry::Retry;
use outbound::Request;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::dialect::Dialect;
use crate::{Class, CreateOrder, FieldEdit, ProviderError, Source};
pub(super) use first::Naming;

/// How the bytes of an upload travel in the first generation; the second has one way only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Transport {
    /// As a file, with its name.
    #[default]
    Multipart,
    /// As base64 in the JSON body; a third longer, and without a name.
    Inline,
}

impl Transport {
    /// Its name, as in the connection's options; stands in the log.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Multipart => "multipart",
            Self::Inline => "inline",
        }
    }

    /// The one of this name.
    fn named(name: &str) -> Result<Self, ProviderError> {
        [Self::Multipart, Self::Inline]
            .into_iter()
            .find(|transport| transport.name() == name)
            .ok_or_else(|| ProviderError::invalid("unknown_way"))
    }
}

/// How uploads travel, and how long they may be, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Uploads {
    pub(super) transport: Transport,
    pub(super) bytes_max: usize,
}

/// The create call of an order. The vendor keeps its idempotency keys by transport, so the one of a key's first call
/// goes before that of the connection's options (atlas.md §12).
pub(super) fn create(
    dialect: Dialect,
    uploads: Uploads,
    order: &CreateOrder,
    webhook_url: Option<&str>,
    route: impl Fn(&[&str]) -> Url,
) -> Result<Request, ProviderError> {
    if let Source::Upload { bytes, .. } = &order.source
        && bytes.len() > uploads.bytes_max
    {
        return Err(ProviderError::ours(Class::TooLarge, Retry::Never, "upload_too_large"));
    }
    match dialect {
        Dialect::First => {
            let transport = order.way.as_deref().map_or(Ok(uploads.transport), Transport::named)?;
            first::create(transport, order, webhook_url, route)
        }
        Dialect::Second => second::create(order, route),
    }
}

/// The send call; `draft` is how the envelope was just read, which only the first generation needs. The version the caller has seen goes along, so that nothing is sent that nobody has looked at.
pub(super) fn send(
    dialect: Dialect,
    naming: Naming,
    url: Url,
    draft: &Value,
    ordered: &Parties,
    version: Option<u64>,
) -> Result<Request, ProviderError> {
    let body = match dialect {
        Dialect::First => first::send(naming, draft, ordered, version)?,
        Dialect::Second => second::send(version),
    };
    Ok(Request::post_json(url, "send_envelope", &body))
}

/// The call that changes single fields of a draft; the first generation's only.
pub(super) fn fields(url: Url, version: u64, edits: &[FieldEdit]) -> Result<Request, ProviderError> {
    first::fields(version, edits).map(|body| Request::patch_json(url, "edit_fields", &body))
}

/// Each party as the generation writes it: e-mail and name, revealed to the vendor, who invites them, and the rest.
fn parties(
    parties: &[Party],
    rest: impl Fn(&Party, &mut Map<String, Value>),
) -> Result<Value, ProviderError> {
    if parties.len() > PARTIES_MAX {
        return Err(ProviderError::invalid("too_many_parties"));
    }
    let erased = || ProviderError::invalid("party_erased");
    let written = |party: &Party| {
        let email = party.email.reveal().ok_or_else(erased)?;
        let name = party.name.reveal().ok_or_else(erased)?;
        let mut entry =
            Map::from_iter([("email".to_owned(), json!(email)), ("name".to_owned(), json!(name))]);
        rest(party, &mut entry);
        Ok(Value::Object(entry))
    };
    parties.iter().map(written).collect::<Result<Vec<Value>, ProviderError>>().map(Value::Array)
}
