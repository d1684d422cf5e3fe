//! Calling Atlas (atlas.md §3, §21).

mod account;
mod find;
mod options;
mod templates;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::ids::{EnvelopeId, ProviderEnvelopeId};
use domain::parties::Parties;
use domain::retry::Retry;
use http::{HeaderName, HeaderValue};
use outbound::{Request, Response};
use serde_json::{Value, json};
use url::Url;

use super::dialect::Dialect;
use super::requests::{Naming, Uploads};
use super::{error, requests, wire};
use crate::calls::{self, Calls};
use crate::error::Call;
use crate::{
    Capabilities, Class, ConnectError, ConnectionSettings, CreateOrder, Created, CreditTerms, FieldEdit,
    Provider, ProviderError, Snapshot, Source,
};
use account::Account;
use options::Options;
use templates::Templates;

/// Redirects followed at most on the way to the signed PDF.
const REDIRECTS_MAX: u8 = 3;
/// How long the vendor remembers an idempotency key.
const KEY_WINDOW: Duration = Duration::from_secs(24 * 3600);

/// One connection to Atlas.
pub struct Adapter {
    calls: Calls,
    dialect: Dialect,
    account: Account,
    uploads: Uploads,
    webhook_url: Option<Url>,
    quota_pause: Duration,
    credits: CreditTerms,
    templates: Templates,
}

impl Adapter {
    /// Makes the adapter; opens nothing yet.
    ///
    /// # Errors
    /// An unknown or wrong option, or an HTTP client that cannot be made.
    pub fn new(settings: ConnectionSettings) -> Result<Self, ConnectError> {
        let options: Options = settings.options()?;
        options.check(&settings)?;
        Ok(Self {
            calls: Calls::new(&settings, options.pace)?,
            dialect: options.dialect,
            account: Account::new(options.account.as_deref(), options.provide.clone(), &settings)?,
            uploads: Uploads { transport: options.uploads, bytes_max: options.upload_bytes_max },
            quota_pause: options.quota_pause(&settings)?,
            credits: options.credits(),
            webhook_url: settings.webhook_url,
            templates: Templates::default(),
        })
    }

    fn url(&self, rest: &[&str]) -> Url {
        self.calls.url(self.dialect.prefix(), rest)
    }

    fn envelope_url(&self, id: &ProviderEnvelopeId, rest: &[&str]) -> Url {
        self.url(&self.dialect.envelope(id, rest))
    }

    fn authorised(&self, request: Request) -> Request {
        self.account.named_on(request.bearer(&self.calls.key()))
    }

    fn check(&self, response: Response, call: Call) -> Result<Response, ProviderError> {
        error::check(response, call, self.quota_pause)
    }

    async fn read(&self, url: Url, operation: &'static str) -> Result<Value, ProviderError> {
        let request = self.authorised(Request::get(url, operation));
        let response = self.calls.send(request, Call::Read).await?;
        let response = self.check(response, Call::Read).inspect_err(|error| self.calls.slow_down(error))?;
        response.json().map_err(|_| ProviderError::unreadable(Call::Read, response.status))
    }

    /// One try of a send, on the draft as it stands now.
    async fn send_draft(
        &self,
        naming: Naming,
        id: &ProviderEnvelopeId,
        parties: &Parties,
        fields_version: Option<u64>,
        key: &str,
    ) -> Result<(), ProviderError> {
        let key = calls::idempotency_key(key)?;
        let draft = match self.dialect {
            Dialect::First => self.read(self.envelope_url(id, &[]), "get_envelope").await?,
            // its send takes the parties of the draft by itself
            Dialect::Second => Value::Null,
        };
        if wire::has_left_draft(&draft) {
            // sent by an earlier try or by the reviewer, or over: the caller reads it and decides
            return Err(ProviderError::ours(Class::Conflict, Retry::WithBackoff, "not_a_draft"));
        }
        let url = self.envelope_url(id, &["send"]);
        let request = requests::send(self.dialect, naming, url, &draft, parties, fields_version)?;
        self.write(with_key(request, key)).await.map(drop)
    }

    async fn write(&self, request: Request) -> Result<Response, ProviderError> {
        let response = self.calls.send(self.authorised(request), Call::Write).await?;
        self.check(response, Call::Write)
    }
}

fn with_key(request: Request, key: HeaderValue) -> Request {
    request.header(HeaderName::from_static("idempotency-key"), key)
}

#[async_trait]
impl Provider for Adapter {
    fn capabilities(&self) -> Capabilities {
        let first = self.dialect.is_first();
        Capabilities {
            idempotency_keys: true,
            key_window: KEY_WINDOW,
            search_lag: Duration::ZERO,
            reopens: false,
            strictly_sequential: true,
            auto_send: first,
            detects_fields: true,
            edits_fields: first,
            review_link: true,
            templates: first,
            document_urls: true,
            uploads: true,
            docx_uploads: true,
            upload_bytes_max: self.uploads.bytes_max,
            lists_changes: false,
            replays_deliveries: false,
            subscriptions: false,
        }
    }

    fn credits(&self) -> Option<CreditTerms> {
        Some(self.credits)
    }

    fn upload_way(&self) -> Option<&'static str> {
        self.dialect.is_first().then(|| self.uploads.transport.name())
    }

    async fn create(&self, order: &CreateOrder, key: &str) -> Result<Created, ProviderError> {
        let webhook_url = order.webhook_url.as_deref().or(self.webhook_url.as_ref().map(Url::as_str));
        let request =
            requests::create(self.dialect, self.uploads, order, webhook_url, |path| self.url(path))?;
        let request = with_key(request, calls::idempotency_key(key)?);
        self.provide_account().await?;
        if let Source::Template { id, prefill } = &order.source {
            self.check_template(id, &order.parties, prefill).await?;
        }
        let request = self.authorised(request);
        let response = match &order.source {
            Source::Url(_) | Source::Template { .. } => self.calls.send(request, Call::Write).await?,
            Source::Upload { .. } => self.calls.transfer(request, Call::Write).await?,
        };
        let response = self.check(response, Call::Write).inspect_err(|error| {
            self.calls.slow_down(error);
            if let Source::Template { id, .. } = &order.source {
                self.templates.forget(id);
            }
        })?;
        let created = wire::created(&calls::json_or_null(&response))
            .ok_or_else(|| ProviderError::unreadable(Call::Write, response.status))?;
        if let Source::Template { .. } = &order.source {
            self.templates.made(&created.provider_id, order, webhook_url);
        }
        Ok(created)
    }

    async fn find(
        &self,
        envelope_id: &EnvelopeId,
        external_id: &str,
    ) -> Result<Option<Snapshot>, ProviderError> {
        self.look_for(envelope_id, external_id).await
    }

    async fn snapshot(&self, id: &ProviderEnvelopeId) -> Result<Snapshot, ProviderError> {
        let envelope = self.read(self.envelope_url(id, &[]), "get_envelope").await?;
        self.templates.compare(id, &envelope);
        let progress = match wire::tells_progress(&envelope) || !self.dialect.is_first() {
            true => None,
            false => Some(self.read(self.envelope_url(id, &["status"]), "get_status").await?),
        };
        wire::snapshot(self.dialect, &envelope, progress.as_ref())
            .ok_or_else(|| ProviderError::unreadable(Call::Read, 200))
    }

    async fn send(
        &self,
        id: &ProviderEnvelopeId,
        parties: &Parties,
        fields_version: Option<u64>,
        key: &str,
    ) -> Result<(), ProviderError> {
        let answer = self.send_draft(Naming::WhomItLacks, id, parties, fields_version, key).await;
        let answer = match answer {
            // "needed by send" (atlas.md §4.2) may mean that everybody is to be named; nothing was sent, and another
            // body goes under another key (atlas.md §12)
            Err(error) if self.dialect.is_first() && error.http == Some(400) => {
                let key = format!("{key}:named");
                self.send_draft(Naming::WhomItHas, id, parties, fields_version, &key).await
            }
            answer => answer,
        };
        answer.inspect_err(|error| self.calls.slow_down(error))
    }

    async fn edit_fields(
        &self,
        id: &ProviderEnvelopeId,
        fields_version: u64,
        edits: &[FieldEdit],
    ) -> Result<u64, ProviderError> {
        if !self.dialect.is_first() {
            return Err(ProviderError::unsupported());
        }
        let request = requests::fields(self.envelope_url(id, &["fields"]), fields_version, edits)?;
        let response = self.write(request).await.inspect_err(|error| self.calls.slow_down(error))?;
        wire::fields_version(&calls::json_or_null(&response))
            .ok_or_else(|| ProviderError::unreadable(Call::Write, response.status))
    }

    async fn remind(&self, id: &ProviderEnvelopeId) -> Result<(), ProviderError> {
        // its 429 counts this signer's reminders only, so the other calls go on
        self.write(Request::post(self.envelope_url(id, &["remind"]), "remind")).await.map(drop)
    }

    async fn void(&self, id: &ProviderEnvelopeId, reason: &str) -> Result<(), ProviderError> {
        let url = self.envelope_url(id, &["void"]);
        let with_reason = Request::post_json(url.clone(), "void_envelope", &json!({"reason": reason}));
        let answer = match self.write(with_reason).await {
            // whether the first generation takes a reason is not documented (atlas.md §23.15)
            Err(error) if error.class == Class::InvalidRequest => {
                self.write(Request::post(url, "void_envelope")).await
            }
            answer => answer,
        };
        answer.inspect_err(|error| self.calls.slow_down(error)).map(drop)
    }

    async fn download(&self, id: &ProviderEnvelopeId) -> Result<Bytes, ProviderError> {
        let request =
            Request::get(self.envelope_url(id, &["pdf"]), "download_pdf").follow_redirects(REDIRECTS_MAX);
        let response = self.calls.transfer(self.authorised(request), Call::Read).await?;
        let response = self.check(response, Call::Read).inspect_err(|error| self.calls.slow_down(error));
        let response = response.map_err(error::not_there_yet)?;
        if response.status == 202 {
            return Err(ProviderError::answered(Call::Read, 202, "", response.retry_after()));
        }
        calls::whole_pdf(&response)
    }
}

#[cfg(test)]
mod tests;
