//! Signature providers: one trait, one folder per vendor.
//!
//! A room between our words and theirs. Each vendor's folder holds everything about it: how to call it
//! (`adapter`), its JSON (`wire`), how it signs webhooks and what they say (`webhook`), and a simulator that
//! behaves like it.
mod reading;

pub mod atlas;
pub mod pandadoc;

use std::sync::Arc;

use signatures::WebhookScheme;

/// The webhook scheme of a provider, by the `kind` of its connection; `None` for an unknown kind.
pub fn scheme(kind: &str) -> Option<Arc<dyn WebhookScheme>> {
    match kind {
        "atlas" => Some(Arc::new(atlas::Scheme)),
        "pandadoc" => Some(Arc::new(pandadoc::Scheme)),
        _ => None,
    }
}
