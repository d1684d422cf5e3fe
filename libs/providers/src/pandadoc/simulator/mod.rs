//! A stand-in for PandaDoc: documents, their recipients, the sales people who click, and the webhooks of a workspace.
//!
//! Documents are created asynchronously (`uploaded`, then `draft` or `error`), sent, viewed, signed in order, and sealed into a
//! PDF a little later. Unlike other vendors this one reopens: staff may revert a finished document to a draft or set a status by
//! hand, within the vendor's matrix. There is no idempotency key: a repeated create makes a second document.
//!
//! Webhooks go to every active subscription of the workspace as JSON arrays, signed in the query with the subscription's shared
//! key as it is at the time of the attempt. One answer of 410, or seven days (scaled) without a success, deactivates a
//! subscription. What sales people and recipients do is offered under `/__sim/ui` and as buttons on `/documents/{id}`.
//! Where the vendor's texts disagree (retries, id header, batching) there is a switch. A stop forgets everything.

mod account;
mod api;
mod control;
mod create;
mod events_api;
mod lists;
mod oauth;
mod pages;
mod shape;
mod state;
mod subscriptions;
mod ui;
mod webhooks;
mod words;

use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use simulation::webhooks::Policy;
use simulation::{Kit, Running};
use tokio::net::TcpListener;
use url::Url;

pub use oauth::OAuthApp;

/// How the simulated workspace is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Seed of every id and token.
    pub seed: u64,
    /// API keys that are accepted, as `API-Key …` or `Bearer …`.
    pub api_keys: Vec<SecretString>,
    /// An application whose tokens are accepted as `Bearer …`; they are refreshed at `/oauth2/access_token`.
    pub oauth: Option<OAuthApp>,
    /// A subscription to every event that exists from the start: address and shared key.
    pub subscription: Option<(Url, SecretString)>,
    /// Retries, rate windows and the seven days of deactivation are divided by it.
    pub time_factor: f64,
    /// Time a webhook receiver has for its answer.
    pub webhook_answer_within: Duration,
    /// What links start with, without a slash at the end; the listener's address if absent.
    pub public_url: Option<String>,
    /// What can also be changed while it runs.
    pub switches: Switches,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            api_keys: vec![],
            oauth: None,
            subscription: None,
            time_factor: 1.0,
            webhook_answer_within: Duration::from_secs(20),
            public_url: None,
            switches: Switches::default(),
        }
    }
}

/// Behaviours on which the vendor's texts disagree or which depend on the account: `POST /__sim/settings` with any subset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// Time from `uploaded` to `draft` or `error`.
    pub creation_delay_ms: u64,
    /// Time from completion to the sealed PDF and its event.
    pub pdf_delay_ms: u64,
    /// For this long after its creation a document answers 404.
    pub not_found_first_ms: u64,
    /// For this long after its creation a document is missing in lists.
    pub search_lag_ms: u64,
    /// Events of one document within this time travel in one delivery; 0 = each alone.
    pub batch_ms: u64,
    /// Whether deliveries carry `X-PandaDoc-Webhook-Event-Id`.
    pub event_id_header: bool,
    /// Automatic retries of a webhook, after 5, 25 and 125 s (scaled): 0 to 3.
    pub retries: u8,
    /// Time from sending to expiry; 0 = never by itself.
    pub expires_after_ms: u64,
    /// Whether documents need an internal approval before they go out.
    pub approval: bool,
    /// Whether documents have a payment block.
    pub payment: bool,
    /// Whether the sliding-window limits are enforced (429).
    pub rate_limit: bool,
    /// Sandbox key: 10 calls a minute, `[DEV]` names, no protected download.
    pub sandbox: bool,
    /// `document_updated` also when a document is sent (older texts).
    pub updated_on_send: bool,
    /// `recipient_completed` tells its time as `action_on` (older texts) instead of `action_date`.
    pub action_on: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            creation_delay_ms: 300,
            pdf_delay_ms: 300,
            not_found_first_ms: 0,
            search_lag_ms: 0,
            batch_ms: 0,
            event_id_header: true,
            retries: 3,
            expires_after_ms: 0,
            approval: false,
            payment: false,
            rate_limit: false,
            sandbox: false,
            updated_on_send: false,
            action_on: false,
        }
    }
}

/// Opens the simulator on `listener`.
///
/// # Errors
/// If the listener has no address or the outgoing client cannot be made.
pub fn start(listener: TcpListener, settings: Settings) -> std::io::Result<Running> {
    let kit = Kit::new(simulation::Settings {
        name: "pandadoc-simulator".to_owned(),
        seed: settings.seed,
        time_factor: settings.time_factor,
        webhooks: Policy {
            answer_within: settings.webhook_answer_within,
            success: |status| status == 200,
            ..Policy::default()
        },
    })
    .map_err(std::io::Error::other)?;
    let account = account::Account::new(kit.clone(), settings, listener.local_addr()?);
    let documents = api::routes().merge(create::routes()).merge(lists::routes());
    let hooks = subscriptions::routes().merge(events_api::routes()).merge(oauth::routes());
    let people = ui::routes().merge(pages::routes()).merge(control::routes());
    kit.serve(listener, documents.merge(hooks).merge(people).with_state(account))
}
