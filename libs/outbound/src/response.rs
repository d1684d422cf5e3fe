//! What a vendor answered.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};
use serde::de::DeserializeOwned;

/// No vendor is waited for longer than this in one go.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// An answer, whatever its status. Printed as status and length only.
#[derive(Clone)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Headers as received.
    pub headers: HeaderMap,
    /// The whole body, within the limit of the client.
    pub body: Bytes,
}

impl Response {
    /// Whether the status is 2xx.
    pub const fn is_success(&self) -> bool {
        self.status / 100 == 2
    }

    /// How long the vendor asks us to wait: `Retry-After` in seconds (fractions allowed), or as a date measured
    /// against the answer's own `Date`. At most 7 days.
    pub fn retry_after(&self) -> Option<Duration> {
        let text = self.header(RETRY_AFTER.as_str())?.trim();
        let seconds = match text.parse::<f64>() {
            Ok(seconds) => seconds,
            Err(_) => {
                let until = jiff::fmt::rfc2822::parse(text).ok()?;
                let now = jiff::fmt::rfc2822::parse(self.header(DATE.as_str())?).ok()?;
                (until.timestamp().as_second() - now.timestamp().as_second()) as f64
            }
        };
        if !seconds.is_finite() {
            return None;
        }
        Some(Duration::from_secs_f64(seconds.clamp(0.0, RETRY_AFTER_MAX.as_secs_f64())))
    }

    /// A header as text, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Reads the body as JSON.
    ///
    /// # Errors
    /// If it is not, or not of this shape. The error's text may quote the body: do not print it.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(headers: &[(&'static str, &'static str)]) -> Response {
        let headers =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        Response { status: 429, headers, body: Bytes::new() }
    }

    #[test]
    fn retry_after_is_read_in_seconds_and_as_a_date() {
        assert_eq!(response(&[("retry-after", "30")]).retry_after(), Some(Duration::from_secs(30)));
        let dated = response(&[
            ("date", "Thu, 01 Jan 2026 00:00:00 GMT"),
            ("retry-after", "Thu, 01 Jan 2026 00:02:00 GMT"),
        ]);
        assert_eq!(dated.retry_after(), Some(Duration::from_secs(120)));
    }

    #[test]
    fn a_retry_after_without_sense_is_no_retry_after() {
        for value in ["soon", "NaN", "inf", ""] {
            assert_eq!(response(&[("retry-after", value)]).retry_after(), None, "{value}");
        }
        assert_eq!(response(&[("retry-after", "1e300")]).retry_after(), Some(RETRY_AFTER_MAX));
    }
}
