//! A stand-in for HubSpot: deals, their properties and stages, the object API, and the webhooks of an app.
//!
//! It keeps the promises of crm.md §2: every write is remembered with its author and order, a change of a subscribed
//! property becomes a webhook event, events of a short window travel together (100 at most), deliveries are signed anew for
//! each attempt (version 3, with version 1 beside it) and repeated up to ten times over a day. Our own writes come back as
//! events of our app, if wanted before their answer. A person works on the page at `/`, a test through `/__sim`.
//!
//! Where it is more definite than the vendor: a value that is set again to what it is makes no event but stands in the
//! history as unchanged; a body is repeated byte for byte, so `attemptNumber` stays 0. A stop forgets everything.

mod account;
mod answer;
mod api;
mod control;
mod events;
mod gate;
mod page;
mod schema;
mod search;
mod state;

use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use simulation::webhooks::Policy;
use simulation::{Ids, Kit, Running};
use tokio::net::TcpListener;
use url::Url;

use account::Account;

/// How the simulated portal and the app in it are set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Seed of ids and dice.
    pub seed: u64,
    /// Id of the first deal; the others count up from it. Another portal on the same log needs other ids.
    pub first_deal_id: u64,
    /// The portal's id.
    pub portal_id: u64,
    /// The app's id: author of every write over the API.
    pub app_id: u64,
    /// Bearer tokens that are accepted; can be replaced while it runs.
    pub access_tokens: Vec<SecretString>,
    /// What webhooks are signed with; can be replaced while it runs.
    pub client_secret: SecretString,
    /// The public address of the receiver, which is signed. Without it there are no webhooks.
    pub webhook_url: Option<Url>,
    /// Where webhooks are really sent, if a proxy would stand between; the public address if absent.
    pub deliver_to: Option<Url>,
    /// Hours of the vendor (retries) are divided by it.
    pub time_factor: f64,
    /// Time a receiver has for its answer.
    pub webhook_answer_within: Duration,
    /// What can also be changed while it runs.
    pub switches: Switches,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            first_deal_id: state::FIRST_ID,
            portal_id: 44_001_122,
            app_id: 9900,
            access_tokens: vec![],
            client_secret: SecretString::default(),
            webhook_url: None,
            deliver_to: None,
            time_factor: 1.0,
            webhook_answer_within: Duration::from_secs(5),
            switches: Switches::default(),
        }
    }
}

/// Behaviours to choose from: `POST /__sim/settings` with any subset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// Properties whose changes become events; `*` is every property.
    pub subscribed: Vec<String>,
    /// Whether new deals become `deal.creation` events.
    pub subscribed_to_creation: bool,
    /// Whether events have the generic form, `object.propertyChange` with an `objectTypeId`.
    pub generic_events: bool,
    /// How long events are collected into one delivery.
    pub collect_ms: u64,
    /// How often (in percent) an API write is answered only after its own event was delivered.
    pub echo_before_answer_percent: u8,
    /// How far the search index lags behind.
    pub search_lag_ms: u64,
    /// Calls in ten seconds after which 429 is answered; not enforced if absent.
    pub calls_per_ten_seconds_max: Option<u32>,
    /// Calls since the last reset after which 429 with the policy DAILY is answered; not enforced if absent.
    pub calls_per_day_max: Option<u32>,
    /// Searches in one second after which 429 is answered.
    pub searches_per_second_max: u32,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            subscribed: vec!["dealstage".to_owned()],
            subscribed_to_creation: false,
            generic_events: false,
            collect_ms: 50,
            echo_before_answer_percent: 0,
            search_lag_ms: 5_000,
            calls_per_ten_seconds_max: None,
            calls_per_day_max: None,
            searches_per_second_max: 5,
        }
    }
}

/// Opens the simulator on `listener`.
///
/// # Errors
/// If the listener has no address or the outgoing client cannot be made.
pub fn start(listener: TcpListener, settings: Settings) -> std::io::Result<Running> {
    let kit = Kit::new(simulation::Settings {
        name: "hubspot-simulator".to_owned(),
        seed: settings.seed,
        time_factor: settings.time_factor,
        webhooks: Policy {
            retries: retries(settings.seed),
            answer_within: settings.webhook_answer_within,
            in_flight_max: 10,
            ..Policy::default()
        },
    })
    .map_err(std::io::Error::other)?;
    let account = Account::new(kit.clone(), settings);
    let reset = account.clone();
    kit.on_reset(move |_seed| reset.reset());
    let router =
        api::router(account.clone()).merge(control::router(account.clone())).merge(page::router(account));
    kit.serve(listener, router)
}

/// Ten retries within a day, at random distances.
fn retries(seed: u64) -> Vec<Duration> {
    let dice = Ids::new(seed ^ 0x4855_4253);
    [1, 5, 15, 30, 60, 120, 180, 240, 300, 400]
        .into_iter()
        .map(|minutes: u64| {
            Duration::from_secs(60 * minutes) * u32::try_from(80 + dice.bits() % 21).unwrap_or(80) / 100
        })
        .collect()
}
