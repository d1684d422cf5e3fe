//! HubSpot: deals that start envelopes and are told how they end (crm.md §2).
//!
//! * [`Scheme`]: webhooks, signature version 3, and the older ones where the options say so;
//! * [`HubSpot`]: reading and writing single records, with a private app's or service key's token, and searching for
//!   what changed;
//! * [`simulator`]: a HubSpot of our own.
//!
//! Options of a connection: `app_id` (text, tells foreign apps' events apart), `base_path` (default
//! `/crm/v3/objects/{type}`; dated API versions live 18 months), `requests_per_ten_seconds` (the published limit, default
//! 100; we use nine tenths of it), `replay_window_seconds` (10 to 300, default 300: how old a delivery may be),
//! `allow_legacy_v1` and `allow_legacy_v2` (default false: signatures without a timestamp are not believed; version 2 is
//! what workflow actions send). `docs/crms/hubspot.md` says what is read of a workflow's body, and how a flow asks for it.

mod adapter;
mod error;
mod options;
mod search;
pub mod simulator;
mod webhook;
mod wire;
mod workflow;

pub use adapter::HubSpot;
pub use webhook::Scheme;

/// What an operator should know of options that are allowed; nothing of options that are not.
pub(crate) fn warnings(options: &serde_json::Map<String, serde_json::Value>) -> Vec<&'static str> {
    options::Options::read(options).map(|options| options.warnings()).unwrap_or_default()
}

/// The kind in the configuration.
pub const KIND: &str = "hubspot";

/// Our names of HubSpot's objects: the name in the configuration, its type id, its name in a path.
const OBJECTS: [(&str, &str, &str); 6] = [
    ("deal", "0-3", "deals"),
    ("contact", "0-1", "contacts"),
    ("company", "0-2", "companies"),
    ("ticket", "0-5", "tickets"),
    ("product", "0-7", "products"),
    ("line_item", "0-8", "line_items"),
];
