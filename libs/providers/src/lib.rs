//! Signature providers: one trait, one folder per vendor.
//!
//! The room between our words and theirs. Each vendor's folder holds everything about it: how to call it
//! (`adapter`), its JSON (`wire`), its refusals (`error`), how it signs webhooks and what they say (`webhook`),
//! and a simulator that behaves like it. What differs between vendors is a field of [`Capabilities`]; nobody
//! outside a folder asks for a name. Adding a vendor is a new folder and its lines in the registry below; the
//! conformance suite in `tests/` then judges it.
//!
//! An adapter makes one attempt per call and says what it knows afterwards: [`ProviderError`] has a class
//! (lifecycle.md §7) and tells whether trying again can help. It never sleeps, never retries and keeps nothing,
//! so a crash loses nothing here. Repeating a call with the same key is safe where [`Capabilities`] say that
//! the vendor knows keys; elsewhere the caller looks with [`Provider::find`] before it creates again.
//!
//! Names, e-mail addresses, links, reasons and bodies never appear in an error, a log line or `Debug` output.

mod calls;
mod draft;
mod error;
mod oauth;
mod provider;
mod reading;
mod settings;

pub mod atlas;
pub mod pandadoc;

use std::sync::Arc;

use serde_json::{Map, Value};
use signatures::WebhookScheme;

pub use domain::credits::Terms as CreditTerms;
pub use domain::envelope::Detection;
pub use draft::FieldEdit;
pub use error::{Class, ProviderError};
pub use oauth::{Kept, OAuth, TokenStore, TokenStoreError, Tokens, TokensInMemory};
pub use provider::{
    CLIENT_REFERENCE_KEY, Capabilities, Changed, CreateOrder, Created, ENVELOPE_ID_KEY, EXTERNAL_ID_KEY,
    MissedDelivery, NewSubscription, Page, Provider, Snapshot, Source, Subscription, SubscriptionStanding,
};
pub use settings::{ConnectError, ConnectionSettings, CurrentKey};

/// The kinds of connection this room knows, as they stand in the configuration.
pub const fn kinds() -> &'static [&'static str] {
    &["atlas", "pandadoc"]
}

/// Makes the adapter of one connection; opens nothing yet.
///
/// # Errors
/// An unknown kind, an option the vendor does not know, or TLS that cannot be set up.
pub fn connect(kind: &str, settings: ConnectionSettings) -> Result<Arc<dyn Provider>, ConnectError> {
    match kind {
        "atlas" => {
            settings.without_oauth()?;
            Ok(Arc::new(atlas::Adapter::new(settings)?))
        }
        "pandadoc" => Ok(Arc::new(pandadoc::Adapter::new(settings)?)),
        _ => Err(ConnectError::UnknownKind { kind: kind.to_owned() }),
    }
}

/// The webhook scheme of a kind of connection under its options, or `None` for an unknown kind. Options that are wrong
/// are refused by [`connect`].
pub fn scheme(kind: &str, options: &Map<String, Value>) -> Option<Arc<dyn WebhookScheme>> {
    match kind {
        "atlas" => Some(Arc::new(atlas::Scheme::new(options))),
        "pandadoc" => Some(Arc::new(pandadoc::Scheme)),
        _ => None,
    }
}

/// The regions whose published addresses a kind's webhooks come from; empty if the vendor publishes none.
pub const fn source_regions(kind: &str) -> &'static [&'static str] {
    match kind.as_bytes() {
        b"pandadoc" => pandadoc::SOURCE_REGIONS,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_region_of_a_kind_has_addresses_and_no_other_has() {
        for kind in kinds() {
            let scheme = scheme(kind, &Map::new()).expect("every kind has one");
            assert!(source_regions(kind).iter().all(|region| !scheme.sources(region).is_empty()), "{kind}");
            assert!(scheme.sources("atlantis").is_empty(), "{kind}");
        }
    }

    #[test]
    fn every_kind_has_a_webhook_scheme_and_an_unknown_one_has_none() {
        assert!(kinds().iter().all(|kind| scheme(kind, &Map::new()).is_some()));
        assert!(scheme("faxmachine", &Map::new()).is_none());
    }
}
