//! Calling Atlas (atlas.md §3).

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::ids::{EnvelopeId, ProviderEnvelopeId};
use domain::parties::Parties;
use domain::retry::Retry;
use http::{HeaderName, HeaderValue};
use outbound::{Request, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::{error, requests, wire};
use crate::calls::{self, Calls, Pace};
use crate::error::Call;
use crate::{
    Capabilities, Class, ConnectError, ConnectionSettings, CreateOrder, Created, ENVELOPE_ID_KEY, Provider,
    ProviderError, Snapshot, Source,
};

/// Pages read at most when an envelope is looked for.
const PAGES_MAX: usize = 50;
/// Envelopes read one by one at most, when a list leaves their correlation out.
const READS_MAX: usize = 20;
/// Redirects followed at most on the way to the signed PDF.
const REDIRECTS_MAX: u8 = 3;
/// How long the vendor remembers an idempotency key.
const KEY_WINDOW: Duration = Duration::from_secs(24 * 3600);

/// Options of an Atlas connection.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// The connected account of a platform key, `ext_…` or an id; none for one's own.
    account: Option<String>,
    /// After how many seconds a connection without credits is tried again.
    quota_pause_seconds: f64,
    /// How fast the vendor is called.
    pace: Pace,
}

impl Default for Options {
    fn default() -> Self {
        Self { account: None, quota_pause_seconds: 900.0, pace: Pace::default() }
    }
}

/// On whose behalf calls are made. Without it an envelope silently lands on the platform's own account.
enum Account {
    Own,
    Connected(HeaderValue),
}

/// One connection to Atlas.
pub struct Adapter {
    calls: Calls,
    account: Account,
    webhook_url: Option<Url>,
    quota_pause: Duration,
}

impl Adapter {
    /// Makes the adapter; opens nothing yet.
    ///
    /// # Errors
    /// An unknown or wrong option, or an HTTP client that cannot be made.
    pub fn new(settings: ConnectionSettings) -> Result<Self, ConnectError> {
        let options: Options = settings.options()?;
        let wrong = |reason: &str| ConnectError::Options {
            connection: settings.connection.clone(),
            reason: reason.to_owned(),
        };
        let account = match &options.account {
            None => Account::Own,
            Some(account) => Account::Connected(
                HeaderValue::from_str(account).map_err(|_| wrong("account must be printable ASCII"))?,
            ),
        };
        let quota_pause = Duration::try_from_secs_f64(options.quota_pause_seconds)
            .map_err(|_| wrong("quota_pause_seconds must be a positive number of seconds"))?;
        Ok(Self {
            calls: Calls::new(&settings, options.pace)?,
            account,
            webhook_url: settings.webhook_url,
            quota_pause,
        })
    }

    fn url(&self, rest: &[&str]) -> Url {
        self.calls.url(&["api"], rest)
    }

    fn envelope_url(&self, id: &ProviderEnvelopeId, rest: &[&str]) -> Url {
        let path: Vec<&str> = ["envelope", id.as_str()].iter().chain(rest).copied().collect();
        self.url(&path)
    }

    fn authorised(&self, request: Request) -> Request {
        let request = request.bearer(&self.calls.key());
        match &self.account {
            Account::Own => request,
            Account::Connected(account) => {
                request.header(HeaderName::from_static("atlas-account"), account.clone())
            }
        }
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

    async fn write(&self, request: Request) -> Result<Response, ProviderError> {
        let response = self.calls.send(self.authorised(request), Call::Write).await?;
        self.check(response, Call::Write)
    }
}

fn with_key(request: Request, key: &str) -> Result<Request, ProviderError> {
    Ok(request.header(HeaderName::from_static("idempotency-key"), calls::idempotency_key(key)?))
}

#[async_trait]
impl Provider for Adapter {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            idempotency_keys: true,
            key_window: KEY_WINDOW,
            reopens: false,
            strictly_sequential: true,
            auto_send: true,
            detects_fields: true,
            review_link: true,
            templates: true,
            document_urls: true,
            uploads: true,
            docx_uploads: true,
            upload_bytes_max: requests::UPLOAD_BYTES_MAX,
            lists_changes: false,
            replays_deliveries: false,
            subscriptions: false,
        }
    }

    async fn create(&self, order: &CreateOrder, key: &str) -> Result<Created, ProviderError> {
        let webhook_url = order.webhook_url.as_deref().or(self.webhook_url.as_ref().map(Url::as_str));
        let request = requests::create(order, webhook_url, |path| self.url(path))?;
        let request = self.authorised(with_key(request, key)?);
        let response = match &order.source {
            Source::Url(_) | Source::Template { .. } => self.calls.send(request, Call::Write).await?,
            Source::Upload { .. } => self.calls.transfer(request, Call::Write).await?,
        };
        let response = self.check(response, Call::Write).inspect_err(|error| self.calls.slow_down(error))?;
        wire::created(&calls::json_or_null(&response))
            .ok_or_else(|| ProviderError::unreadable(Call::Write, response.status))
    }

    async fn find(
        &self,
        envelope_id: &EnvelopeId,
        external_id: &str,
    ) -> Result<Option<Snapshot>, ProviderError> {
        let wanted = envelope_id.to_string();
        let mut cursors: Vec<String> = Vec::new();
        let mut first_of_last_page = None;
        let mut reads_left = READS_MAX;
        for _ in 0..PAGES_MAX {
            let mut url = self.url(&["envelopes"]);
            if !external_id.is_empty() {
                url.query_pairs_mut().append_pair("external_id", external_id);
            }
            if let Some(cursor) = cursors.last() {
                url.query_pairs_mut().append_pair("cursor", cursor);
            }
            let answer = self.read(url, "list_envelopes").await?;
            let (items, next) = wire::page(&answer);
            let first = items.first().and_then(wire::id);
            if first.is_none() || first == first_of_last_page {
                return Ok(None);
            }
            for id in items.iter().filter_map(|item| candidate(item, &wanted)) {
                reads_left = reads_left.checked_sub(1).ok_or_else(too_many)?;
                let found = self.snapshot(&id).await?;
                if found.correlation.get(ENVELOPE_ID_KEY) == Some(&wanted) {
                    return Ok(Some(found));
                }
            }
            first_of_last_page = first;
            match next {
                Some(next) if !cursors.iter().any(|seen| seen == next) => cursors.push(next.to_owned()),
                Some(_) | None => return Ok(None),
            }
        }
        Err(too_many())
    }

    async fn snapshot(&self, id: &ProviderEnvelopeId) -> Result<Snapshot, ProviderError> {
        let envelope = self.read(self.envelope_url(id, &[]), "get_envelope").await?;
        let progress = match wire::tells_progress(&envelope) {
            true => None,
            false => Some(self.read(self.envelope_url(id, &["status"]), "get_status").await?),
        };
        wire::snapshot(&envelope, progress.as_ref()).ok_or_else(|| ProviderError::unreadable(Call::Read, 200))
    }

    async fn send(
        &self,
        id: &ProviderEnvelopeId,
        parties: &Parties,
        fields_version: Option<u64>,
        key: &str,
    ) -> Result<(), ProviderError> {
        let request = requests::send(self.envelope_url(id, &["send"]), parties, fields_version)?;
        let answer = self.write(with_key(request, key)?).await;
        answer.inspect_err(|error| self.calls.slow_down(error)).map(drop)
    }

    async fn remind(&self, id: &ProviderEnvelopeId) -> Result<(), ProviderError> {
        // its 429 counts this signer's reminders only, so the other calls go on
        self.write(Request::post(self.envelope_url(id, &["remind"]), "remind")).await.map(drop)
    }

    async fn void(&self, id: &ProviderEnvelopeId, reason: &str) -> Result<(), ProviderError> {
        let url = self.envelope_url(id, &["void"]);
        let with_reason = Request::post_json(url.clone(), "void_envelope", &json!({"reason": reason}));
        match self.write(with_reason).await {
            // whether the first generation takes a reason is not documented (atlas.md §23.15)
            Err(error) if error.class == Class::InvalidRequest => {
                self.write(Request::post(url, "void_envelope")).await.map(drop)
            }
            answer => answer.map(drop),
        }
    }

    async fn download(&self, id: &ProviderEnvelopeId) -> Result<Bytes, ProviderError> {
        let request =
            Request::get(self.envelope_url(id, &["pdf"]), "download_pdf").follow_redirects(REDIRECTS_MAX);
        let response = self.calls.transfer(self.authorised(request), Call::Read).await?;
        let response = self.check(response, Call::Read).map_err(error::not_there_yet)?;
        if response.status == 202 {
            return Err(ProviderError::answered(Call::Read, 202, "", response.retry_after()));
        }
        calls::whole_pdf(&response)
    }
}

/// The item's id, unless its correlation shows that it is another's.
fn candidate(item: &Value, wanted: &str) -> Option<ProviderEnvelopeId> {
    let told = item.pointer("/metadata").filter(|metadata| metadata.is_object());
    let fits =
        told.is_none_or(|metadata| metadata.get(ENVELOPE_ID_KEY).and_then(Value::as_str) == Some(wanted));
    if fits { wire::id(item) } else { None }
}

/// The search came to its bound: saying "not there" would invite a second envelope.
fn too_many() -> ProviderError {
    ProviderError::ours(Class::Conflict, Retry::Never, "too_many_candidates")
}

#[cfg(test)]
mod tests;
