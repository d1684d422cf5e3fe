//! Calling PandaDoc (pandadoc.md §3): who asks, at which address, how fast. What is asked stands beside it, in
//! `documents`, `history` and `subscriptions`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::ids::{ConnectionId, EnvelopeId, ProviderEnvelopeId};
use domain::parties::Parties;
use domain::retry::Retry;
use domain::time::Timestamp;
use http::header::AUTHORIZATION;
use outbound::{Request, Response};
use parking_lot::Mutex;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use super::credential::Credential;
use super::limits::Limits;
use super::{error, requests};
use crate::calls::{Calls, Pace};
use crate::error::Call;
use crate::{
    Capabilities, Changed, Class, ConnectError, ConnectionSettings, CreateOrder, Created, MissedDelivery,
    NewSubscription, Page, Provider, ProviderError, Snapshot, Subscription,
};

/// Where the API stands below the base address.
const PREFIX: [&str; 2] = ["public", "v1"];
/// A document that the vendor does not know is too young rather than gone for so long after it was made.
const YOUNG: Duration = Duration::from_secs(60);
/// Documents remembered as young; beyond, the oldest are taken for grown up.
const YOUNG_MAX: usize = 10_000;
/// Other credentials that one call is tried with: what somebody else has kept, and what a refresh gives.
const OTHERS_MAX: usize = 2;
/// Pause before a document is looked at again that is too young to be known.
const YOUNG_PAUSE: Duration = Duration::from_secs(2);

/// Options of a PandaDoc connection.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// One pace for every kind of call, in place of the vendor's table.
    pace: Option<Pace>,
    /// Time for one call, in milliseconds, where `pace` is absent; transfers of documents have four times as much.
    deadline_ms: u64,
    /// Limits of this account that differ from the published ones.
    limits_per_minute: Limits,
    /// The key is one of the sandbox: ten calls a minute of each kind, and no sealed documents.
    sandbox: bool,
    /// How long a new document may be missing in lists, in seconds: a create of unknown outcome is not repeated before.
    search_lag_seconds: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            pace: None,
            deadline_ms: Pace::default().deadline_ms,
            limits_per_minute: Limits::default(),
            sandbox: false,
            search_lag_seconds: 15,
        }
    }
}

impl Options {
    fn calls(&self, settings: &ConnectionSettings) -> Result<Calls, ConnectError> {
        if let Some(name) = self.limits_per_minute.unknown() {
            let reason = format!("limits_per_minute: there is no operation `{name}`");
            return Err(ConnectError::Options { connection: settings.connection.clone(), reason });
        }
        let Some(pace) = self.pace else {
            let others = self.limits_per_minute.others(self.sandbox);
            let (per_second, burst) = (others.per_second, others.burst);
            let pace = Pace { per_second, burst, deadline_ms: self.deadline_ms };
            return Calls::paced(settings, pace, self.limits_per_minute.operations(self.sandbox));
        };
        Calls::new(settings, pace)
    }
}

/// One connection to PandaDoc. Beside tokens it remembers which documents are young, which a crash may forget.
pub struct Adapter {
    calls: Arc<Calls>,
    credential: Credential,
    young: Mutex<VecDeque<(ProviderEnvelopeId, Instant)>>,
    pub(super) connection: ConnectionId,
    pub(super) webhook_url: Option<Url>,
    pub(super) sandbox: bool,
    pub(super) search_lag: Duration,
}

impl Adapter {
    /// Makes the adapter; opens nothing yet.
    ///
    /// # Errors
    /// An unknown or wrong option, or an HTTP client that cannot be made.
    pub fn new(settings: ConnectionSettings) -> Result<Self, ConnectError> {
        let options: Options = settings.options()?;
        let calls = Arc::new(options.calls(&settings)?);
        Ok(Self {
            credential: Credential::new(settings.oauth, settings.key, &calls),
            calls,
            young: Mutex::default(),
            connection: settings.connection,
            webhook_url: settings.webhook_url,
            sandbox: options.sandbox,
            search_lag: Duration::from_secs(options.search_lag_seconds),
        })
    }

    pub(super) fn documents_url(&self, rest: &[&str]) -> Url {
        self.api_url("documents", rest)
    }

    pub(super) fn api_url(&self, collection: &str, rest: &[&str]) -> Url {
        let path: Vec<&str> = std::iter::once(collection).chain(rest.iter().copied()).collect();
        self.calls.url(&PREFIX, &path)
    }

    /// An address below another version of the API.
    pub(super) fn v2_url(&self, rest: &[&str]) -> Url {
        let path: Vec<&str> = ["public", "v2"].iter().chain(rest).copied().collect();
        self.calls.beside(&PREFIX, &path)
    }

    /// One attempt; one more if access had expired, which the vendor says before it does anything, and a third if what
    /// another replica had kept is expired as well.
    pub(super) async fn send_checked(&self, request: Request, call: Call) -> Result<Response, ProviderError> {
        self.exchange(request, call, false).await
    }

    /// [`Adapter::send_checked`] with the time that moving a document takes.
    pub(super) async fn transfer(&self, request: Request, call: Call) -> Result<Response, ProviderError> {
        self.exchange(request, call, true).await
    }

    async fn exchange(&self, request: Request, call: Call, large: bool) -> Result<Response, ProviderError> {
        let operation = request.operation;
        let attempt = async |credential: SecretString| {
            let request = request.clone().secret_header(AUTHORIZATION, credential);
            if large {
                self.calls.transfer(request, call).await
            } else {
                self.calls.send(request, call).await
            }
        };
        let mut credential = self.credential.now(&self.calls).await?;
        let mut response = attempt(credential.clone()).await?;
        for _ in 0..OTHERS_MAX {
            if response.status != 401 {
                break;
            }
            let Some(other) = self.credential.instead_of(&credential, &self.calls).await? else { break };
            response = attempt(other.clone()).await?;
            if response.status == 401 {
                self.credential.refused_again(&other).await;
            }
            credential = other;
        }
        // a vendor in trouble, or one that has enough, may not have looked who we are
        if !matches!(response.status, 401 | 429 | 500..) {
            self.credential.accepted();
        }
        error::check(response, call).inspect_err(|error| self.calls.slow_down_operation(operation, error))
    }

    pub(super) async fn read(&self, url: Url, operation: &'static str) -> Result<Value, ProviderError> {
        let response = self.send_checked(Request::get(url, operation), Call::Read).await?;
        response.json().map_err(|_| ProviderError::unreadable(Call::Read, response.status))
    }

    /// Remembers that a document was made just now.
    pub(super) fn is_new(&self, id: &ProviderEnvelopeId) {
        let mut young = self.young.lock();
        if young.len() >= YOUNG_MAX {
            young.pop_front();
        }
        young.push_back((id.clone(), Instant::now()));
    }

    /// What "not found" means of this document: the vendor is known to say so of those that it is still making.
    pub(super) fn unless_young(&self, id: &ProviderEnvelopeId, error: ProviderError) -> ProviderError {
        if error.class != Class::NotFound {
            return error;
        }
        let mut young = self.young.lock();
        while young.front().is_some_and(|(_, since)| since.elapsed() >= YOUNG) {
            young.pop_front();
        }
        if young.iter().any(|(known, _)| known == id) {
            return ProviderError { class: Class::NotReady, retry: Retry::After(YOUNG_PAUSE), ..error };
        }
        error
    }
}

#[async_trait]
impl Provider for Adapter {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            idempotency_keys: false,
            key_window: Duration::ZERO,
            search_lag: self.search_lag,
            reopens: true,
            strictly_sequential: false,
            auto_send: false,
            detects_fields: false,
            edits_fields: false,
            review_link: false,
            templates: true,
            document_urls: true,
            uploads: true,
            docx_uploads: false,
            upload_bytes_max: requests::UPLOAD_BYTES_MAX,
            lists_changes: true,
            replays_deliveries: true,
            subscriptions: true,
        }
    }

    async fn create(&self, order: &CreateOrder, _key: &str) -> Result<Created, ProviderError> {
        self.make(order).await
    }

    async fn find(
        &self,
        envelope_id: &EnvelopeId,
        _external_id: &str,
    ) -> Result<Option<Snapshot>, ProviderError> {
        self.search(envelope_id).await
    }

    async fn snapshot(&self, id: &ProviderEnvelopeId) -> Result<Snapshot, ProviderError> {
        self.look(id).await.map_err(|error| self.unless_young(id, error))
    }

    async fn send(
        &self,
        id: &ProviderEnvelopeId,
        _parties: &Parties,
        _fields_version: Option<u64>,
        _key: &str,
    ) -> Result<(), ProviderError> {
        self.send_out(id).await.map_err(|error| self.unless_young(id, error))
    }

    async fn reopen(&self, id: &ProviderEnvelopeId) -> Result<(), ProviderError> {
        self.revert(id).await
    }

    async fn remind(&self, id: &ProviderEnvelopeId) -> Result<(), ProviderError> {
        self.nudge(id).await
    }

    async fn void(&self, id: &ProviderEnvelopeId, reason: &str) -> Result<(), ProviderError> {
        self.end(id, reason).await.map_err(|error| self.unless_young(id, error))
    }

    async fn download(&self, id: &ProviderEnvelopeId) -> Result<Bytes, ProviderError> {
        self.fetch(id).await
    }

    async fn changed_since(&self, since: Timestamp, page: u32) -> Result<Page<Changed>, ProviderError> {
        self.changed(since, page).await
    }

    async fn missed_deliveries(
        &self,
        since: Timestamp,
        page: u32,
    ) -> Result<Page<MissedDelivery>, ProviderError> {
        self.missed(since, page).await
    }

    async fn subscription(&self) -> Result<Option<Subscription>, ProviderError> {
        self.our_subscription().await
    }

    async fn activate_subscription(&self, id: &str) -> Result<(), ProviderError> {
        self.activate(id).await
    }

    async fn subscribe(&self, name: &str) -> Result<NewSubscription, ProviderError> {
        self.subscribe_here(name).await
    }

    async fn rotate_shared_key(&self, id: &str) -> Result<SecretString, ProviderError> {
        self.rotate(id).await
    }
}
