//! A stand-in for Atlas, both generations: the envelope APIs, connected accounts, the review and sign pages, the signed webhooks.
//!
//! It keeps the promises the contract names and has a knob for every behaviour on which the vendor is silent. An envelope is
//! created as a draft, its fields are detected after a moment, a person presses Send on the review page, the parties sign one
//! after another, each through a link of their own, and the signed PDF appears a little later behind a link that works once.
//! Each envelope's webhooks go to its `webhook_url`, signed with the API key that created it. An envelope made through the
//! second generation's API is shown in that generation's words, and reported to the account's endpoint under its own secret.
//!
//! Where it is more definite than the vendor's texts (`SIM` in the contract): a repeated idempotency key returns the remembered
//! answer only if that answer was a success, so 402 and 409 can be repeated with the same key; `auto_send` sends at once and
//! does not wait for detection; the list pages like generation 2 (`items`, `nextCursor`). A stop forgets everything.

mod accounts;
mod api;
mod control;
mod create;
mod draft;
mod pages;
mod second;
mod shared;
mod state;
mod webhooks;
mod words;
mod world;

use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use simulation::webhooks::Policy;
use simulation::{Kit, Running};
use tokio::net::TcpListener;

/// How the simulated account is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Seed of every id and token.
    pub seed: u64,
    /// API keys that are accepted; more can be added and revoked while it runs.
    pub api_keys: Vec<SecretString>,
    /// Further API keys, which may act for connected accounts.
    pub platform_keys: Vec<SecretString>,
    /// Where envelopes of generation 2 are reported, and the secret their webhooks are signed with.
    pub endpoint: Option<(url::Url, SecretString)>,
    /// Credits at the start; one is used per envelope sent.
    pub credits: u64,
    /// Hours of the vendor (retries, idempotency window, reminder window) are divided by it.
    pub time_factor: f64,
    /// Time a webhook receiver has for its answer.
    pub webhook_answer_within: Duration,
    /// What links start with, without a slash at the end; the listener's address if absent.
    pub public_url: Option<String>,
    /// What links to signed PDFs start with, if storage is to look like another host. It then refuses API keys.
    pub storage_url: Option<String>,
    /// What can also be changed while it runs.
    pub switches: Switches,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            api_keys: vec![],
            platform_keys: vec![],
            endpoint: None,
            credits: 5,
            time_factor: 1.0,
            webhook_answer_within: Duration::from_secs(10),
            public_url: None,
            storage_url: None,
            switches: Switches::default(),
        }
    }
}

/// Behaviours on which the vendor is silent or has changed: `POST /__sim/settings` with any subset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// Time detection takes, unless a detection rule says otherwise.
    pub detection_delay_ms: u64,
    /// Time from the last signature to the signed PDF.
    pub pdf_delay_ms: u64,
    /// Signature header as bare hex instead of `sha256=` and hex.
    pub bare_hex_signature: bool,
    /// `envelope.signed` after every signature instead of only the last.
    pub signed_per_signer: bool,
    /// Also `envelope.created` and `envelope.viewed`.
    pub created_and_viewed: bool,
    /// Also `contract.extracted` after the last signature.
    pub extraction: bool,
    /// Whether documents must be PDF or DOCX (400 otherwise).
    pub check_documents: bool,
    /// A used idempotency key with another body returns the first answer instead of 422.
    pub other_body_replays: bool,
    /// Generation 2 also reports what only its own log needs: `participant.link_issued` and the like.
    pub internal_events: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            detection_delay_ms: 300,
            pdf_delay_ms: 200,
            bare_hex_signature: false,
            signed_per_signer: false,
            created_and_viewed: true,
            extraction: false,
            check_documents: true,
            other_body_replays: false,
            internal_events: false,
        }
    }
}

/// Opens the simulator on `listener`.
///
/// # Errors
/// If the listener has no address or the outgoing client cannot be made.
pub fn start(listener: TcpListener, settings: Settings) -> std::io::Result<Running> {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let kit = Kit::new(simulation::Settings {
        name: "atlas-simulator".to_owned(),
        seed: settings.seed,
        time_factor: settings.time_factor,
        webhooks: Policy {
            retries: vec![minutes(1), minutes(5), minutes(30), minutes(120)],
            answer_within: settings.webhook_answer_within,
            ..Policy::default()
        },
    })
    .map_err(std::io::Error::other)?;
    let account = shared::Account::new(kit.clone(), settings, listener.local_addr()?);
    let vendor = api::routes().merge(create::routes()).merge(second::routes()).merge(accounts::routes());
    let routes = vendor.merge(pages::routes()).merge(control::routes());
    kit.serve(listener, routes.with_state(account))
}
