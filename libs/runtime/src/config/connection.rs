//! One account at a signature provider or a CRM.

use std::collections::BTreeMap;

use domain::ids::TenantId;
use schemars::JsonSchema;
use serde::Deserialize;

use super::limits::{Limits, QuarantineLimits};
use super::oauth::OAuth;
use super::secret::SecretRef;
use super::span::{self, Span};

/// What a kind of connection needs. The table of all kinds comes from the registries of adapters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindRule {
    /// The `kind` as the file writes it.
    pub kind: &'static str,
    /// The field that holds the key for our calls: `api_keys`, `api_key` or `access_token`.
    pub call: &'static str,
    /// The field that holds the keys webhooks are verified with: `api_keys`, `shared_keys` or `client_secrets`.
    pub verify: &'static str,
    /// The regions whose published addresses its webhooks come from, by their names; empty if the vendor has none.
    pub regions: &'static [&'static str],
}

impl KindRule {
    /// The fields whose keys verify webhooks. Where the key for calls signs them, an address that is registered with
    /// the vendor may have a secret of its own beside it, under `shared_keys`.
    pub fn verifying(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.verify).chain((self.call == self.verify).then_some("shared_keys"))
    }
}

/// One account at a signature provider or a CRM.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// Which adapter speaks for it.
    pub kind: String,
    /// Whose it is.
    #[serde(deserialize_with = "span::parsed")]
    #[schemars(with = "String")]
    pub tenant: TenantId,
    /// Where its API is: scheme, host and port, without a path of its own if the vendor has none.
    pub base_url: String,
    /// The full address under which the vendor reaches us, where the vendor signs it.
    #[serde(default)]
    pub webhook_url: Option<String>,
    /// The account (portal) at the CRM; deliveries of other accounts are not believed.
    #[serde(default)]
    pub portal_id: Option<String>,
    /// The account at the provider, where it has a name.
    #[serde(default)]
    pub account: Option<String>,
    /// Name of the pool of credits that it draws on together with the other connections that say the same: they are
    /// counted together, and after a refusal their sends wait in one line. Absent for credits of its own: no provider
    /// tells whose account a key belongs to.
    #[serde(default)]
    pub credit_pool: Option<String>,
    /// What is done with the sender's address of a delivery.
    #[serde(default)]
    pub source_ips: SourceIps,
    /// What is taken of its deliveries.
    #[serde(default)]
    pub limits: Limits,
    /// How much of what is not believed is kept for an operator.
    #[serde(default)]
    pub quarantine: QuarantineLimits,
    /// How long a key must have verified nothing before it is called safe to remove; what the vendor's own retries
    /// need if absent.
    #[serde(default)]
    pub key_idle: Option<Span>,
    /// Settings of this kind of connection only; the adapter's guide lists them.
    #[serde(default)]
    pub options: BTreeMap<String, serde_json::Value>,
    /// Accepts keys of a test environment (`test_…`). Off, so that a test key never runs in production.
    #[serde(default)]
    pub allow_test_keys: bool,
    /// Keys for calls and webhooks. The first in force is used for calls, all in force verify.
    #[serde(default)]
    pub api_keys: Vec<SecretRef>,
    /// The key for calls.
    #[serde(default)]
    pub api_key: Option<SecretRef>,
    /// Access by OAuth, in place of `api_key`.
    #[serde(default)]
    pub oauth: Option<OAuth>,
    /// Keys that webhooks are verified with.
    #[serde(default)]
    pub shared_keys: Vec<SecretRef>,
    /// The token for calls.
    #[serde(default)]
    pub access_token: Option<SecretRef>,
    /// Application secrets that webhooks are verified with.
    #[serde(default)]
    pub client_secrets: Vec<SecretRef>,
}

/// The fields of a connection that hold secrets.
pub(super) const SECRET_FIELDS: [&str; 5] =
    ["api_keys", "api_key", "shared_keys", "access_token", "client_secrets"];

impl Connection {
    /// What is allowed but costs something whatever its kind, each with the setting it comes from. No secrets.
    pub fn warnings(&self) -> Vec<&'static str> {
        let address = self.base_url.parse::<http::Uri>().ok();
        let host = address.as_ref().and_then(http::Uri::host).unwrap_or_default().trim_matches(['[', ']']);
        let at_home = match host.parse::<std::net::IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => host == "localhost" || host.ends_with(".localhost"),
        };
        let test_keys = "allow_test_keys: keys of a test environment are taken although base_url is not on this machine: \
                         envelopes made with them bind nobody; take it out in production";
        if self.allow_test_keys && !at_home { vec![test_keys] } else { Vec::new() }
    }

    /// The files that hold its secrets.
    pub(super) fn secret_files(&self) -> impl Iterator<Item = &std::path::Path> {
        let of_oauth = self.oauth.iter().flat_map(|oauth| [&oauth.client_secret, &oauth.refresh_token]);
        let keys = SECRET_FIELDS.into_iter().flat_map(|field| self.secrets(field));
        keys.chain(of_oauth).filter_map(|reference| reference.file.as_deref())
    }

    /// The references of one secret field, by its name in the file; empty for any other name.
    pub fn secrets(&self, field: &str) -> Vec<&SecretRef> {
        match field {
            "api_keys" => self.api_keys.iter().collect(),
            "api_key" => self.api_key.iter().collect(),
            "shared_keys" => self.shared_keys.iter().collect(),
            "access_token" => self.access_token.iter().collect(),
            "client_secrets" => self.client_secrets.iter().collect(),
            _ => Vec::new(),
        }
    }
}

/// What is done with the sender's address of a delivery. The signature decides; this only adds to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceIps {
    /// Whether the address is looked at.
    #[serde(default)]
    pub mode: SourceIpsMode,
    /// The vendor's published regions, as the adapter names them.
    #[serde(default)]
    pub regions: Vec<String>,
    /// Further addresses that are in order.
    #[serde(default)]
    pub addresses: Vec<std::net::IpAddr>,
}

/// Whether the sender's address is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceIpsMode {
    /// Not at all.
    #[default]
    Off,
    /// An unexpected address is logged and counted.
    Log,
    /// An unexpected address is refused, whatever the signature says.
    Enforce,
}
