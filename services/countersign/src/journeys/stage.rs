//! Where a journey plays: addresses, an HTTP client, gRPC clients, and patience.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use contracts::wire::crmsync::crm_sync_service_client::CrmSyncServiceClient;
use contracts::wire::envelope::envelope_service_client::EnvelopeServiceClient;
use contracts::wire::verification::verification_service_client::VerificationServiceClient;
use reqwest::StatusCode;
use runtime::grpc::{Client, ClientSettings};
use serde::Deserialize;
use serde_json::Value;

/// Longest wait for anything that must happen.
const PATIENCE: Duration = Duration::from_secs(45);
/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// Longest wait for an answer of a simulator; a flush answers only when everything was delivered.
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);
/// Largest uploaded or downloaded message in a journey, in bytes.
const MESSAGE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Where everything is: the ready line of `countersign up --simulators --json`.
#[derive(Clone, Debug, Deserialize)]
pub struct Addresses {
    /// Ingress, HTTP, without a slash at the end.
    pub ingress: String,
    /// Verification, gRPC.
    pub verification: String,
    /// The orchestrator, gRPC.
    pub orchestrator: String,
    /// crm-sync, gRPC.
    pub crm_sync: String,
    /// The first provider's simulator, HTTP.
    pub atlas: String,
    /// The second provider's simulator, HTTP.
    pub pandadoc: String,
    /// The CRM's simulator, HTTP.
    pub hubspot: String,
    /// Where the process keeps its data; the vendors' keys are in `secrets` below it.
    pub data_dir: PathBuf,
}

/// Hears what a journey says, in plain words.
pub type Listener = Arc<dyn Fn(&str) + Send + Sync>;

/// The world a journey plays in, seen from outside: HTTP and gRPC only. Cheap to clone.
#[derive(Clone)]
pub struct Stage {
    addresses: Arc<Addresses>,
    http: reqwest::Client,
    verification: Client,
    orchestrator: Client,
    crm_sync: Client,
    listener: Option<Listener>,
}

impl Stage {
    /// A stage at these addresses. Call it inside the tokio runtime.
    ///
    /// # Errors
    /// When an address is none.
    pub fn new(addresses: Addresses) -> Result<Self> {
        let grpc = |address: &str| Client::new(address, ClientSettings::default());
        Ok(Self {
            http: visitor()?,
            verification: grpc(&addresses.verification)?,
            orchestrator: grpc(&addresses.orchestrator)?,
            crm_sync: grpc(&addresses.crm_sync)?,
            addresses: Arc::new(addresses),
            listener: None,
        })
    }

    /// The same stage, telling what happens to `listener`.
    pub fn heard_by(&self, listener: Listener) -> Self {
        Self { listener: Some(listener), ..self.clone() }
    }

    /// The same stage, heard by nobody.
    pub fn unheard(&self) -> Self {
        Self { listener: None, ..self.clone() }
    }

    /// Says what happened, for whoever listens.
    pub fn say(&self, what: impl AsRef<str>) {
        if let Some(listener) = &self.listener {
            listener(what.as_ref());
        }
    }

    /// Where everything is.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The orchestrator.
    pub fn envelopes(&self) -> EnvelopeServiceClient<Client> {
        let client = EnvelopeServiceClient::new(self.orchestrator.clone());
        client.max_encoding_message_size(MESSAGE_BYTES_MAX).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// crm-sync.
    pub fn crm_sync(&self) -> CrmSyncServiceClient<Client> {
        CrmSyncServiceClient::new(self.crm_sync.clone())
    }

    /// Verification.
    pub fn verification(&self) -> VerificationServiceClient<Client> {
        VerificationServiceClient::new(self.verification.clone())
    }

    /// JSON from a simulator.
    ///
    /// # Errors
    /// When it does not answer with success and JSON.
    pub async fn get(&self, url: &str) -> Result<Value> {
        let response = self.http.get(url).send().await.map_err(reqwest::Error::without_url)?;
        answer(response, url).await
    }

    /// The bytes behind an address.
    ///
    /// # Errors
    /// When it does not answer with success.
    pub async fn bytes(&self, url: &str) -> Result<Vec<u8>> {
        let response = self.http.get(url).send().await.map_err(reqwest::Error::without_url)?;
        ensure!(response.status().is_success(), "GET {} answered {}", path(url), response.status());
        Ok(response.bytes().await.map_err(reqwest::Error::without_url)?.to_vec())
    }

    /// Sends JSON to a simulator; an answer without body is `null`.
    ///
    /// # Errors
    /// When it does not answer with success.
    pub async fn post(&self, url: &str, body: &Value) -> Result<Value> {
        let response = self.http.post(url).json(body).send().await.map_err(reqwest::Error::without_url)?;
        answer(response, url).await
    }

    /// Presses a button of a page: sends a form, which a page answers with 303.
    ///
    /// # Errors
    /// When the page says no.
    pub async fn press(&self, url: &str, form: &[(&str, &str)]) -> Result<()> {
        let response = self.http.post(url).form(form).send().await.map_err(reqwest::Error::without_url)?;
        let status = response.status();
        ensure!(status == StatusCode::SEE_OTHER, "the button of {} answered {status}", path(url));
        Ok(())
    }
}

/// A client of its own: its connections are shared with nobody.
///
/// # Errors
/// When this machine has no TLS.
pub fn visitor() -> Result<reqwest::Client> {
    // Somebody else may have chosen a provider already: then theirs is used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let policy = reqwest::redirect::Policy::none();
    Ok(reqwest::Client::builder().redirect(policy).timeout(ANSWER_DEADLINE).no_proxy().build()?)
}

/// Looks until `look` answers `Some`; an error counts as "not yet".
///
/// # Errors
/// When patience ends; the message says what was waited for and what the last look saw.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let started = Instant::now();
    loop {
        let seen = match look().await {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => "it was not so".to_owned(),
            Err(error) => format!("{error:#}"),
        };
        if started.elapsed() > PATIENCE {
            bail!("waited {} s for {what}: {seen}", PATIENCE.as_secs());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn answer(response: reqwest::Response, url: &str) -> Result<Value> {
    let status = response.status();
    let body = response.bytes().await.map_err(reqwest::Error::without_url)?;
    if !status.is_success() {
        bail!("{} answered {status}: {}", path(url), String::from_utf8_lossy(&body));
    }
    if body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&body).with_context(|| format!("{} did not answer with JSON", path(url)))
}

/// The path alone: a query may hold a person's token.
fn path(url: &str) -> &str {
    url.split('?').next().unwrap_or_default()
}
