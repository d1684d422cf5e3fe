//! Calling PandaDoc (pandadoc.md §3).

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::ids::{EnvelopeId, ProviderEnvelopeId};
use domain::intake::Claim;
use domain::parties::Parties;
use domain::retry::Retry;
use domain::time::Timestamp;
use http::header::AUTHORIZATION;
use outbound::{Request, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::{error, requests, wire};
use crate::calls::{self, Calls, Pace};
use crate::error::Call;
use crate::{
    Capabilities, Changed, Class, ConnectError, ConnectionSettings, CreateOrder, Created, ENVELOPE_ID_KEY,
    MissedDelivery, NewSubscription, Page, Provider, ProviderError, Snapshot, Subscription, reading,
};

/// The status number that expires a document: this vendor's void.
const STATUS_VOIDED: u8 = 11;

/// Options of a PandaDoc connection.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// How fast the vendor is called.
    pace: Pace,
}

/// One connection to PandaDoc.
pub struct Adapter {
    calls: Calls,
    pub(super) webhook_url: Option<Url>,
}

impl Adapter {
    /// Makes the adapter; opens nothing yet.
    ///
    /// # Errors
    /// An unknown or wrong option, or an HTTP client that cannot be made.
    pub fn new(settings: ConnectionSettings) -> Result<Self, ConnectError> {
        let options: Options = settings.options()?;
        Ok(Self { calls: Calls::new(&settings, options.pace)?, webhook_url: settings.webhook_url })
    }

    pub(super) fn documents_url(&self, rest: &[&str]) -> Url {
        self.api_url("documents", rest)
    }

    pub(super) fn api_url(&self, collection: &str, rest: &[&str]) -> Url {
        let path: Vec<&str> = std::iter::once(collection).chain(rest.iter().copied()).collect();
        self.calls.url(&["public", "v1"], &path)
    }

    fn authorised(&self, request: Request) -> Request {
        let value = format!("API-Key {}", self.calls.key().expose_secret());
        request.secret_header(AUTHORIZATION, SecretString::from(value))
    }

    pub(super) async fn send_checked(&self, request: Request, call: Call) -> Result<Response, ProviderError> {
        let response = self.calls.send(self.authorised(request), call).await?;
        error::check(response, call).inspect_err(|error| self.calls.slow_down(error))
    }

    pub(super) async fn read(&self, url: Url, operation: &'static str) -> Result<Value, ProviderError> {
        let response = self.send_checked(Request::get(url, operation), Call::Read).await?;
        response.json().map_err(|_| ProviderError::unreadable(Call::Read, response.status))
    }

    /// The details; while the document is being made there are none, and the bare status has to do.
    async fn document(&self, id: &ProviderEnvelopeId) -> Result<Value, ProviderError> {
        let details = || self.read(self.documents_url(&[id.as_str(), "details"]), "get_details");
        match details().await {
            Err(error) if matches!(error.class, Class::NotReady | Class::Conflict) => {
                let status = self.read(self.documents_url(&[id.as_str()]), "get_status").await?;
                // made in between: the bare status would hide the parties and the correlation
                if wire::is_being_made(&status) { Ok(status) } else { details().await }
            }
            answer => answer,
        }
    }

    /// What a refused send means is told by the document: on its way already counts as sent.
    async fn after_refused_send(
        &self,
        id: &ProviderEnvelopeId,
        refusal: ProviderError,
    ) -> Result<(), ProviderError> {
        match self.snapshot(id).await?.claim {
            Claim::Sent
            | Claim::Viewed
            | Claim::ChangesSuggested
            | Claim::PartySigned
            | Claim::PaymentDue
            | Claim::Paid
            | Claim::Completed
            | Claim::Scheduled
            | Claim::ApprovalRequested => Ok(()),
            Claim::Processing => Err(ProviderError { class: Class::NotReady, ..refusal }),
            Claim::Draft
            | Claim::PreparationFailed { .. }
            | Claim::ApprovalGranted
            | Claim::ApprovalRefused
            | Claim::Declined { .. }
            | Claim::Voided
            | Claim::Expired
            | Claim::Deleted
            | Claim::ArtifactReady
            | Claim::DataExtracted
            | Claim::Hint => Err(refusal),
        }
    }
}

#[async_trait]
impl Provider for Adapter {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            idempotency_keys: false,
            key_window: Duration::ZERO,
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
        let request = self.authorised(requests::create(order, self.documents_url(&[]))?);
        let response = self.calls.transfer(request, Call::Write).await?;
        let response =
            error::check(response, Call::Write).inspect_err(|error| self.calls.slow_down(error))?;
        wire::created(&calls::json_or_null(&response))
            .ok_or_else(|| ProviderError::unreadable(Call::Write, response.status))
    }

    async fn find(
        &self,
        envelope_id: &EnvelopeId,
        _external_id: &str,
    ) -> Result<Option<Snapshot>, ProviderError> {
        let mut url = self.documents_url(&[]);
        url.query_pairs_mut()
            .append_pair(&format!("metadata_{ENVELOPE_ID_KEY}"), &envelope_id.to_string())
            .append_pair("order_by", "date_created")
            .append_pair("count", "100");
        let answer = self.read(url, "list_documents").await?;
        // of several, which only a race can make, the oldest counts
        let results = reading::list(&answer, &["/results"]);
        match results.iter().find_map(|result| reading::envelope_id(result, &["/id", "/uuid"])) {
            Some(id) => self.snapshot(&id).await.map(Some),
            None => Ok(None),
        }
    }

    async fn snapshot(&self, id: &ProviderEnvelopeId) -> Result<Snapshot, ProviderError> {
        let document = self.document(id).await?;
        wire::snapshot(&document).ok_or_else(|| ProviderError::unreadable(Call::Read, 200))
    }

    async fn send(
        &self,
        id: &ProviderEnvelopeId,
        _parties: &Parties,
        _fields_version: Option<u64>,
        _key: &str,
    ) -> Result<(), ProviderError> {
        let url = self.documents_url(&[id.as_str(), "send"]);
        let request = Request::post_json(url, "send_document", &json!({"silent": false}));
        match self.send_checked(request, Call::Write).await {
            Ok(_) => Ok(()),
            Err(refusal) if refusal.class == Class::Conflict => self.after_refused_send(id, refusal).await,
            Err(error) => Err(error),
        }
    }

    async fn remind(&self, id: &ProviderEnvelopeId) -> Result<(), ProviderError> {
        let document = self.document(id).await?;
        let url = self.documents_url(&[id.as_str(), "send-reminder"]);
        let nobody = || ProviderError::ours(Class::Conflict, Retry::Never, "nobody_to_remind");
        let request = requests::remind(&document, url).ok_or_else(nobody)?;
        self.send_checked(request, Call::Write).await.map(drop)
    }

    async fn void(&self, id: &ProviderEnvelopeId, reason: &str) -> Result<(), ProviderError> {
        let body = json!({"status": STATUS_VOIDED, "note": reason, "notify_recipients": false});
        let url = self.documents_url(&[id.as_str(), "status"]);
        self.send_checked(Request::patch_json(url, "void_document", &body), Call::Write).await.map(drop)
    }

    async fn download(&self, id: &ProviderEnvelopeId) -> Result<Bytes, ProviderError> {
        let url = self.documents_url(&[id.as_str(), "download-protected"]);
        let request = self.authorised(Request::get(url, "download_pdf"));
        let response = self.calls.transfer(request, Call::Read).await?;
        let response = error::check(response, Call::Read).map_err(|error| match error.class {
            // "not completed yet" is only a matter of time here
            Class::Conflict => ProviderError { class: Class::NotReady, ..error },
            Class::InvalidRequest
            | Class::Unauthorized
            | Class::Forbidden
            | Class::QuotaExhausted
            | Class::NotFound
            | Class::NotReady
            | Class::Locked
            | Class::TooLarge
            | Class::RateLimited
            | Class::OutcomeUnknown
            | Class::Transient => error,
        })?;
        calls::whole_pdf(&response)
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
