//! What the sender is told (architecture §2): the one place where verdicts become HTTP.

use std::time::Duration;

use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use contracts::wire::verification::{Answer, Verdict};

/// What became of a delivery, as far as the sender is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Durable: 200 with an empty body, for known news and unreadable bodies as well.
    Stored,
    /// Not believed: 401 with an empty body.
    Refused,
    /// No such connection: 404.
    UnknownConnection,
    /// The body is larger than the limit in bytes: 413.
    TooLarge(usize),
    /// The body did not arrive in time: 408.
    TooSlow,
    /// The body is compressed: 415.
    Encoded,
    /// The body broke off: 400.
    Broken,
    /// Too much at once: 429.
    Later(Duration),
    /// Nothing durable can be reached: 503.
    Unavailable(Duration),
}

impl Reply {
    /// What a verdict means to the sender.
    pub fn of(answer: &Answer) -> Self {
        let pause = Duration::from_millis(answer.retry_after_ms);
        match answer.verdict() {
            Verdict::Accepted | Verdict::Duplicate => Reply::Stored,
            Verdict::Refused => Reply::Refused,
            Verdict::UnknownConnection => Reply::UnknownConnection,
            Verdict::Overloaded => Reply::Later(pause),
            Verdict::Unavailable | Verdict::Unspecified => Reply::Unavailable(pause),
        }
    }

    /// The stable name, as it stands in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Reply::Stored => "stored",
            Reply::Refused => "refused",
            Reply::UnknownConnection => "unknown_connection",
            Reply::TooLarge(_) => "too_large",
            Reply::TooSlow => "too_slow",
            Reply::Encoded => "encoded",
            Reply::Broken => "broken",
            Reply::Later(_) => "later",
            Reply::Unavailable(_) => "unavailable",
        }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        match self {
            Reply::Stored => StatusCode::OK.into_response(),
            Reply::Refused => StatusCode::UNAUTHORIZED.into_response(),
            Reply::UnknownConnection => explain(
                StatusCode::NOT_FOUND,
                "CS-IN-001",
                "no such connection; post to /v1/hooks/{connection} with a key of `connections` in the configuration",
            ),
            Reply::TooLarge(bytes_max) => explain(
                StatusCode::PAYLOAD_TOO_LARGE,
                "CS-IN-002",
                &format!("the body is larger than {bytes_max} bytes; send fewer events at once"),
            ),
            Reply::TooSlow => explain(
                StatusCode::REQUEST_TIMEOUT,
                "CS-IN-003",
                "the body did not arrive in time; send it again",
            ),
            Reply::Encoded => explain(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "CS-IN-005",
                "the body is compressed; send it as it was signed, without Content-Encoding",
            ),
            Reply::Broken => explain(
                StatusCode::BAD_REQUEST,
                "CS-IN-004",
                "the body broke off before its end; send it again",
            ),
            Reply::Later(pause) => with_pause(StatusCode::TOO_MANY_REQUESTS.into_response(), pause),
            Reply::Unavailable(pause) => with_pause(StatusCode::SERVICE_UNAVAILABLE.into_response(), pause),
        }
    }
}

fn explain(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(serde_json::json!({"code": code, "message": message}))).into_response()
}

/// Retry-After in whole seconds, at least one.
fn with_pause(mut response: Response, pause: Duration) -> Response {
    let seconds = pause.as_secs_f64().ceil().max(1.0) as u64;
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(verdict: Verdict) -> Answer {
        Answer { verdict: verdict.into(), retry_after_ms: 1500, ..Answer::default() }
    }

    #[test]
    fn only_durable_verdicts_are_answered_200() {
        let ok = |verdict| Reply::of(&answer(verdict)).into_response().status() == StatusCode::OK;
        assert!(ok(Verdict::Accepted) && ok(Verdict::Duplicate));
        assert!(!ok(Verdict::Refused) && !ok(Verdict::Overloaded) && !ok(Verdict::Unavailable));
        assert!(!ok(Verdict::UnknownConnection) && !ok(Verdict::Unspecified));
    }

    #[test]
    fn retry_after_is_rounded_up_to_whole_seconds() {
        let response = Reply::of(&answer(Verdict::Overloaded)).into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[RETRY_AFTER], "2");
    }

    #[test]
    fn nothing_is_ever_answered_410() {
        let pause = Duration::ZERO;
        for reply in [
            Reply::Stored,
            Reply::Refused,
            Reply::UnknownConnection,
            Reply::TooLarge(1),
            Reply::TooSlow,
            Reply::Encoded,
            Reply::Broken,
            Reply::Later(pause),
            Reply::Unavailable(pause),
        ] {
            assert_ne!(reply.into_response().status(), StatusCode::GONE);
        }
    }
}
