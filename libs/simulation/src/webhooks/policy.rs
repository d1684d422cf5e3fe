//! How a vendor delivers, and the request of one attempt.

use std::time::Duration;

use bytes::Bytes;
use outbound::{Body, Header, OutboundError, Request};

use super::Signed;

/// How a vendor delivers.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Pauses before the retries, as the vendor documents them; divided by the kit's `time_factor`.
    pub retries: Vec<Duration>,
    /// Time the receiver has for its answer; not divided.
    pub answer_within: Duration,
    /// Which statuses end the delivery.
    pub success: fn(u16) -> bool,
    /// Requests under way at the same time.
    pub in_flight_max: usize,
}

impl Default for Policy {
    fn default() -> Self {
        let success = |status: u16| (200..300).contains(&status);
        Self { retries: vec![], answer_within: Duration::from_secs(10), success, in_flight_max: 64 }
    }
}

/// The request of one attempt.
pub(super) fn request(signed: &Signed, body: &Bytes, deadline: Duration) -> Request {
    let header = |(name, value): &(String, String)| {
        Some((name.parse().ok()?, Header::Plain(http::HeaderValue::from_str(value).ok()?)))
    };
    Request {
        method: http::Method::POST,
        url: signed.url.clone(),
        headers: signed.headers.iter().filter_map(header).collect(),
        body: Body::Bytes { content_type: "application/json".to_owned(), bytes: body.clone() },
        deadline,
        operation: "webhook",
        follow_redirects: 0,
    }
}

pub(super) fn vendor_word(error: &OutboundError) -> &'static str {
    match error {
        OutboundError::Refused { .. } => "NOT_VALID_URL",
        OutboundError::NotSent(..) => "CONNECT_ERROR",
        OutboundError::OutcomeUnknown => "TIMEOUT_ERROR",
        OutboundError::BodyTooLarge { .. }
        | OutboundError::BreakerOpen { .. }
        | OutboundError::Throttled { .. } => "INTERNAL_ERROR",
    }
}

pub(super) fn without_query(url: &url::Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.to_string()
}

pub(super) fn redacted((name, value): &(String, String)) -> (String, String) {
    let secret = name.to_ascii_lowercase().contains("signature");
    (name.clone(), if secret { "***".to_owned() } else { value.clone() })
}
