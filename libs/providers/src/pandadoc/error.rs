//! PandaDoc's refusals (pandadoc.md §8).

use std::time::Duration;

use domain::retry::Retry;
use outbound::Response;
use serde_json::Value;

use crate::calls::json_or_null;
use crate::error::Call;
use crate::{Class, ProviderError, reading};

/// A locked document is tried again after at most so long, even if the lock says longer.
const LOCK_PAUSE_MAX: Duration = Duration::from_secs(30 * 60);
/// No pause is shorter: a lock whose time is up may still stand for a moment.
const LOCK_PAUSE_MIN: Duration = Duration::from_secs(1);
/// Creating takes the vendor 3 to 5 seconds.
const PROCESSING_PAUSE: Duration = Duration::from_secs(2);

/// Passes a 2xx answer on (202 excepted: it means "not ready") and translates every other.
pub(super) fn check(response: Response, call: Call) -> Result<Response, ProviderError> {
    if response.is_success() && response.status != 202 {
        return Ok(response);
    }
    let body = json_or_null(&response);
    let code = reading::text(&body, &["/type", "/code"]).unwrap_or_default();
    let words = body.get("detail").or_else(|| body.get("info_message"));
    let mut error =
        ProviderError::answered(call, response.status, code, response.retry_after()).saying(words);
    match error.class {
        Class::Forbidden if speaks_of_credits(&body) => {
            error.class = Class::QuotaExhausted;
            error.retry = Retry::WithBackoff;
        }
        Class::Conflict if reading::text(&body, &["/status"]) == Some("document.uploaded") => {
            error.class = Class::NotReady;
            error.retry = Retry::After(PROCESSING_PAUSE);
        }
        Class::Locked if error.retry == Retry::WithBackoff => error.retry = lock_pause(&response, &body),
        Class::RateLimited if error.retry == Retry::WithBackoff => {
            error.retry = seconds_in_prose(&body).map_or(Retry::WithBackoff, Retry::After);
        }
        Class::InvalidRequest
        | Class::Unauthorized
        | Class::Forbidden
        | Class::QuotaExhausted
        | Class::NotFound
        | Class::NotReady
        | Class::Conflict
        | Class::Locked
        | Class::TooLarge
        | Class::RateLimited
        | Class::OutcomeUnknown
        | Class::Transient => {}
    }
    Err(error)
}

/// 403 stands for missing rights and for spent credits; only the text tells them apart. It may be a text or an object.
fn speaks_of_credits(body: &Value) -> bool {
    let told = ["detail", "info_message"].iter().filter_map(|name| body.get(name));
    told.into_iter().any(|text| text.to_string().to_ascii_lowercase().contains("credit"))
}

/// How long the lock lasts, measured on the vendor's own clock; nobody knows of one that does not say when it ends.
fn lock_pause(response: &Response, body: &Value) -> Retry {
    let ends = reading::time(body, &["/expires_at"]);
    let now = response.header("date").and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
    match (ends, now) {
        (Some(ends), Some(now)) => {
            let now = domain::time::Timestamp(now.timestamp().as_millisecond());
            Retry::After(ends.since(now).clamp(LOCK_PAUSE_MIN, LOCK_PAUSE_MAX))
        }
        (Some(_), None) | (None, Some(_) | None) => Retry::WithBackoff,
    }
}

/// Older answers say "available in 13 seconds" instead of sending a header.
fn seconds_in_prose(body: &Value) -> Option<Duration> {
    let detail = reading::text(body, &["/detail"])?;
    let (_, rest) = detail.split_once("available in ")?;
    let seconds: u32 = rest.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_secs(seconds.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, headers: &[(&'static str, &'static str)], body: &'static str) -> ProviderError {
        let headers =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        check(Response { status, headers, body: body.into() }, Call::Write).unwrap_err()
    }

    #[test]
    fn a_lock_is_waited_for_on_the_vendors_clock_and_not_too_long() {
        let date = ("date", "Mon, 02 Nov 2026 09:00:00 GMT");
        let locked = |headers: &[_], body| refusal(423, headers, body);
        let soon = locked(&[date], r#"{"type":"document_locked","expires_at":"2026-11-02T09:10:00Z"}"#);
        assert_eq!((soon.class, soon.retry), (Class::Locked, Retry::After(Duration::from_secs(600))));
        assert_eq!(soon.code, "document_locked");
        let late = locked(&[date], r#"{"expires_at":"2026-11-03T09:10:00Z"}"#);
        assert_eq!(late.retry, Retry::After(LOCK_PAUSE_MAX));
        let over = locked(&[date], r#"{"expires_at":"2026-11-02T08:59:00Z"}"#);
        assert_eq!(over.retry, Retry::After(LOCK_PAUSE_MIN), "nobody knocks without a pause");
        assert_eq!(locked(&[], "{}").retry, Retry::WithBackoff);
    }

    #[test]
    fn throttling_names_its_pause_in_a_header_or_in_prose() {
        let pause = |seconds| Retry::After(Duration::from_secs(seconds));
        assert_eq!(refusal(429, &[("retry-after", "7")], "").retry, pause(7));
        let prose =
            r#"{"type":"request_error","detail":"Request was throttled. Expected available in 13 seconds."}"#;
        assert_eq!(refusal(429, &[], prose).retry, pause(13));
        assert_eq!(
            refusal(429, &[], r#"{"type":"throttled","detail":"Request was throttled."}"#).retry,
            Retry::WithBackoff
        );
    }

    #[test]
    fn what_is_wrong_with_a_request_is_kept_in_the_vendors_words() {
        let told =
            |body| refusal(400, &[], body).detail.as_ref().and_then(|said| said.reveal().map(str::to_owned));
        let role = r#"{"type":"validation_error","detail":"Role Clinet is not in the template"}"#;
        assert_eq!(told(role).as_deref(), Some("Role Clinet is not in the template"));
        assert_eq!(told(r#"{"info_message":"Wrong template"}"#).as_deref(), Some("Wrong template"));
        assert_eq!(told("<html>"), None);
    }

    #[test]
    fn conflict_and_forbidden_are_told_apart_by_their_bodies() {
        assert_eq!(refusal(409, &[], r#"{"id":"d","status":"document.uploaded"}"#).class, Class::NotReady);
        assert_eq!(refusal(409, &[], r#"{"id":"d","status":"document.completed"}"#).class, Class::Conflict);
        assert_eq!(refusal(403, &[], r#"{"detail":"Usage credits exhausted"}"#).class, Class::QuotaExhausted);
        let by_field = r#"{"type":"permissions_error","detail":{"usage":["Credits exhausted"]}}"#;
        assert_eq!(refusal(403, &[], by_field).class, Class::QuotaExhausted);
        assert_eq!(refusal(403, &[], r#"{"detail":"No right"}"#).class, Class::Forbidden);
        assert_eq!(refusal(202, &[("retry-after", "5")], "").class, Class::NotReady);
    }
}
