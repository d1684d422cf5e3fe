//! The vendors, in this process.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use secrecy::SecretString;
use simulation::Running;
use tokio::net::TcpListener;

use super::configuration::Secrets;

/// Ids of deals begin here.
const DEALS_FROM: u64 = 50_000_000_000;
/// Runs whose deals have ids of their own, and how many deals each may have.
const DEALS_RUNS: u64 = 1_000_000_000;
const DEALS_PER_RUN: u64 = 1_000_000;

/// The simulators, running. They end when this is dropped.
#[derive(Debug)]
pub struct Simulators {
    atlas: Running,
    pandadoc: Running,
    hubspot: Running,
}

/// Addresses of the simulators, without a slash at the end.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// The first signature provider.
    pub atlas: String,
    /// The second signature provider.
    pub pandadoc: String,
    /// The CRM.
    pub hubspot: String,
}

impl Simulators {
    /// Starts all of them; they know each other's keys and report to `ingress` (address without a slash).
    ///
    /// # Errors
    /// When a port is taken.
    pub async fn start(first_port: u16, time_factor: f64, secrets: &Secrets, ingress: &str) -> Result<Self> {
        let port = |offset| if first_port == 0 { 0 } else { first_port + offset };
        // The simulators forget everything when they stop; the log does not. Ids of another run are other ids.
        let seed = seed();
        let hook = |connection: &str| format!("{ingress}/v1/hooks/{connection}");
        let atlas = providers::atlas::simulator::start(
            listen(port(0)).await?,
            providers::atlas::simulator::Settings {
                seed,
                api_keys: vec![secrets.atlas_api_key.clone()],
                endpoint: Some((hook("atlas-next").parse()?, secrets.atlas_endpoint_secret.clone())),
                credits: 10_000,
                time_factor,
                ..Default::default()
            },
        )?;
        let pandadoc = providers::pandadoc::simulator::start(
            listen(port(1)).await?,
            providers::pandadoc::simulator::Settings {
                seed: seed.rotate_left(21),
                api_keys: vec![secrets.pandadoc_api_key.clone()],
                subscription: Some((hook("pandadoc-sales").parse()?, secrets.pandadoc_shared_key.clone())),
                time_factor,
                ..Default::default()
            },
        )?;
        let hubspot = crms::hubspot::simulator::start(
            listen(port(2)).await?,
            crms::hubspot::simulator::Settings {
                seed: seed.rotate_left(42),
                first_deal_id: DEALS_FROM + seed % DEALS_RUNS * DEALS_PER_RUN,
                access_tokens: vec![secrets.hubspot_token.clone()],
                client_secret: secrets.hubspot_client_secret.clone(),
                webhook_url: Some(hook("hubspot-main").parse()?),
                time_factor,
                webhook_answer_within: Duration::from_secs(5),
                ..Default::default()
            },
        )?;
        Ok(Self { atlas, pandadoc, hubspot })
    }

    /// Where they listen.
    pub fn addresses(&self) -> Addresses {
        Addresses { atlas: self.atlas.url(), pandadoc: self.pandadoc.url(), hubspot: self.hubspot.url() }
    }

    /// Ends them and waits until nothing of them runs.
    pub async fn stop(self) {
        tokio::join!(self.atlas.stop(), self.pandadoc.stop(), self.hubspot.stop());
    }
}

async fn listen(port: u16) -> Result<TcpListener> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).await.with_context(|| {
        format!("a simulator cannot listen on {address}: free it, or give --simulators-port 0")
    })
}

fn seed() -> u64 {
    let [.., a, b, c, d, e, f, g, h] = runtime::random::new_id();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// A secret made for one run.
pub fn secret(prefix: &str) -> SecretString {
    let random = hex::encode(runtime::random::new_id());
    SecretString::from(format!("{prefix}{random}"))
}
