//! What every adapter does the same: addresses, deadlines, pace, and the check that a PDF is one.

use std::time::Duration;

use bytes::Bytes;
use domain::retry::Retry;
use outbound::{Outbound, OutboundError, Rate, Request, Response};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::error::Call;
use crate::{Class, ConnectError, ConnectionSettings, CurrentKey, ProviderError};

/// Longest idempotency key, in characters.
const KEY_CHARS_MAX: usize = 255;
/// Longest correlation data, as JSON, in bytes.
const CORRELATION_BYTES_MAX: usize = 8 * 1024;
/// The end mark of a PDF stands within so many bytes of its end.
const PDF_END_WITHIN: usize = 1024;
/// Transfers of documents have so many times the deadline of other calls.
const TRANSFER_FACTOR: u32 = 4;

/// Options that every adapter has.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Pace {
    /// Calls per second, on average.
    pub(crate) per_second: f64,
    /// Calls at once after a pause.
    pub(crate) burst: u32,
    /// Time for one call, in milliseconds; transfers of documents have four times as much.
    pub(crate) deadline_ms: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { per_second: 5.0, burst: 10, deadline_ms: 15_000 }
    }
}

/// The way to one vendor over one connection.
pub(crate) struct Calls {
    outbound: Outbound,
    base_url: Url,
    key: CurrentKey,
    deadline: Duration,
}

impl Calls {
    pub(crate) fn new(settings: &ConnectionSettings, pace: Pace) -> Result<Self, ConnectError> {
        Self::paced(settings, pace, Vec::new())
    }

    /// With a pace of their own for some operations.
    pub(crate) fn paced(
        settings: &ConnectionSettings,
        pace: Pace,
        operation_rates: Vec<(&'static str, Rate)>,
    ) -> Result<Self, ConnectError> {
        let connection = settings.connection.clone();
        if settings.base_url.cannot_be_a_base() {
            return Err(ConnectError::BaseUrl { connection });
        }
        let mut client = outbound::Settings::new(connection.as_str());
        client.allow_private_addresses = settings.allow_private_addresses;
        client.rate = Some(Rate { per_second: pace.per_second, burst: pace.burst });
        client.operation_rates = operation_rates;
        let outbound = Outbound::new(client)
            .map_err(|source: OutboundError| ConnectError::Client { connection, source })?;
        Ok(Self {
            outbound,
            base_url: settings.base_url.clone(),
            key: settings.key.clone(),
            deadline: Duration::from_millis(pace.deadline_ms),
        })
    }

    /// The address below the base; a prefix that the base ends with already is not repeated.
    pub(crate) fn url(&self, prefix: &[&str], rest: &[&str]) -> Url {
        let mut url = self.base_url.clone();
        let has_prefix = {
            let present: Vec<&str> =
                url.path_segments().into_iter().flatten().filter(|s| !s.is_empty()).collect();
            present.ends_with(prefix)
        };
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty();
            if !has_prefix {
                path.extend(prefix);
            }
            path.extend(rest);
        }
        url
    }

    /// The address on the same host that does not stand below the API's prefix.
    pub(crate) fn beside(&self, prefix: &[&str], rest: &[&str]) -> Url {
        let mut url = self.url(prefix, &[]);
        if let Ok(mut path) = url.path_segments_mut() {
            prefix.iter().for_each(|_| {
                path.pop();
            });
            path.extend(rest);
        }
        url
    }

    /// The key that counts now.
    pub(crate) fn key(&self) -> SecretString {
        (self.key)()
    }

    /// One attempt; any status is an answer.
    pub(crate) async fn send(&self, request: Request, call: Call) -> Result<Response, ProviderError> {
        let request = request.deadline(self.deadline);
        self.outbound.send(request).await.map_err(|error| ProviderError::unanswered(call, &error))
    }

    /// One attempt at moving a document, with more time.
    pub(crate) async fn transfer(&self, request: Request, call: Call) -> Result<Response, ProviderError> {
        let request = request.deadline(self.deadline.saturating_mul(TRANSFER_FACTOR));
        self.outbound.send(request).await.map_err(|error| ProviderError::unanswered(call, &error))
    }

    /// Holds the calls back that share the operation's pace, where a vendor limits each kind of call by itself.
    pub(crate) fn slow_down_operation(&self, operation: &str, error: &ProviderError) {
        if (error.class, error.http) == (Class::RateLimited, Some(429)) {
            let pause = if let Retry::After(pause) = error.retry { pause } else { Duration::ZERO };
            self.outbound.pause_operation(operation, pause);
        }
    }

    /// Holds all calls back for as long as a vendor asks whose limit counts all of them.
    pub(crate) fn slow_down(&self, error: &ProviderError) {
        if let (Class::RateLimited, Some(429), Retry::After(pause)) = (error.class, error.http, error.retry) {
            self.outbound.pause(pause);
        }
    }
}

/// The body as JSON, or null if it is none: refusals need no body.
pub(crate) fn json_or_null(response: &Response) -> Value {
    response.json().unwrap_or_default()
}

/// An idempotency key that fits into a header.
pub(crate) fn idempotency_key(key: &str) -> Result<http::HeaderValue, ProviderError> {
    let fits =
        !key.is_empty() && key.len() <= KEY_CHARS_MAX && key.bytes().all(|byte| byte.is_ascii_graphic());
    let value = fits.then(|| http::HeaderValue::from_str(key).ok()).flatten();
    value.ok_or_else(|| ProviderError::invalid("idempotency_key_malformed"))
}

/// Correlation data as JSON, within its limit.
pub(crate) fn correlation(
    entries: &std::collections::BTreeMap<String, String>,
) -> Result<Value, ProviderError> {
    let value = serde_json::to_value(entries).expect("invariant: a map of text has a JSON form");
    if value.to_string().len() > CORRELATION_BYTES_MAX {
        return Err(ProviderError::invalid("correlation_too_large"));
    }
    Ok(value)
}

/// Checks that a download is a whole PDF: its first bytes, and its end mark near the end.
pub(crate) fn whole_pdf(response: &Response) -> Result<Bytes, ProviderError> {
    let body = &response.body;
    let tail = body.get(body.len().saturating_sub(PDF_END_WITHIN)..).unwrap_or_default();
    let whole = body.starts_with(b"%PDF-") && tail.windows(5).any(|window| window == b"%%EOF");
    if whole {
        Ok(body.clone())
    } else {
        Err(ProviderError {
            http: Some(response.status),
            ..ProviderError::ours(Class::Transient, Retry::WithBackoff, "not_a_whole_pdf")
        })
    }
}
