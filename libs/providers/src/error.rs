//! How a call to a provider can end badly.

use std::time::Duration;

use domain::personal::Personal;
use domain::retry::Retry;
use outbound::OutboundError;
use serde_json::Value;

/// Longest words of a vendor that are kept, in bytes: people read them.
const DETAIL_BYTES_MAX: usize = 500;

/// The neutral classes of lifecycle.md §7, which name the reaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The request is wrong; stop and show it.
    InvalidRequest,
    /// The key is missing or wrong; stop with this key and alert.
    Unauthorized,
    /// Not allowed for this account; stop and alert.
    Forbidden,
    /// No credit left; hold sends of this connection until there is.
    QuotaExhausted,
    /// Unknown there: too early, deleted, or somebody else's.
    NotFound,
    /// Will be possible in a while.
    NotReady,
    /// Its state there is another; read it again and decide.
    Conflict,
    /// A person is editing it there.
    Locked,
    /// The document or the answer exceeds a limit; stop.
    TooLarge,
    /// Too many calls; wait.
    RateLimited,
    /// It may have happened: repeat with the same key, or look first.
    OutcomeUnknown,
    /// Certainly nothing happened, or it was only a read; repeat.
    Transient,
}

impl Class {
    /// The stable name, as it stands in events and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Class::InvalidRequest => "invalid_request",
            Class::Unauthorized => "unauthorized",
            Class::Forbidden => "forbidden",
            Class::QuotaExhausted => "quota_exhausted",
            Class::NotFound => "not_found",
            Class::NotReady => "not_ready",
            Class::Conflict => "conflict",
            Class::Locked => "locked",
            Class::TooLarge => "too_large",
            Class::RateLimited => "rate_limited",
            Class::OutcomeUnknown => "outcome_unknown",
            Class::Transient => "transient",
        }
    }
}

/// A call that did not bring what was asked for. It shows no text of the vendor's, so it can be logged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("provider call failed: {} (code {code:?}, http {http:?})", class.name())]
pub struct ProviderError {
    /// What to do about it.
    pub class: Class,
    /// Whether trying again can help.
    pub retry: Retry,
    /// HTTP status, if there was an answer.
    pub http: Option<u16>,
    /// The vendor's or our own stable code; at most 64 characters of `a-z A-Z 0-9 _ . -`, perhaps empty.
    pub code: String,
    /// What the vendor said of it, for whoever must mend the order; at most 500 bytes. It may name people.
    pub detail: Option<Personal>,
}

/// Whether a call changes something at the vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Read,
    Write,
}

impl Call {
    /// What an answer that did not come, or cannot be read, means.
    const fn unanswered(self) -> Class {
        match self {
            Call::Read => Class::Transient,
            Call::Write => Class::OutcomeUnknown,
        }
    }
}

impl ProviderError {
    /// An error we found ourselves, before or after the call.
    pub(crate) fn ours(class: Class, retry: Retry, code: &str) -> Self {
        Self { class, retry, http: None, code: code.to_owned(), detail: None }
    }

    /// The same refusal with the vendor's words, which may be a text or a structure.
    pub(crate) fn saying(self, words: Option<&Value>) -> Self {
        let text = match words {
            Some(Value::String(text)) => text.trim().to_owned(),
            Some(words @ (Value::Object(_) | Value::Array(_))) => words.to_string(),
            Some(Value::Null | Value::Bool(_) | Value::Number(_)) | None => return self,
        };
        let end = text.floor_char_boundary(DETAIL_BYTES_MAX.min(text.len()));
        let kept = text.get(..end).filter(|kept| !kept.is_empty());
        Self { detail: kept.map(Personal::new), ..self }
    }

    /// The same refusal, taken for "not ready" where these classes are only a matter of time.
    pub(crate) fn ready_later(self, when: &[Class]) -> Self {
        if when.contains(&self.class) { Self { class: Class::NotReady, ..self } } else { self }
    }

    /// An order that cannot be carried out as it is; nothing was called.
    pub(crate) fn invalid(code: &str) -> Self {
        Self::ours(Class::InvalidRequest, Retry::Never, code)
    }

    /// The vendor cannot do it; nothing was called. The caller should have asked the capabilities.
    pub(crate) fn unsupported() -> Self {
        Self::invalid("unsupported_by_provider")
    }

    /// A 2xx answer that does not say what it must.
    pub(crate) fn unreadable(call: Call, http: u16) -> Self {
        let code = "unreadable_answer".to_owned();
        Self { class: call.unanswered(), retry: Retry::WithBackoff, http: Some(http), code, detail: None }
    }

    /// No answer.
    pub(crate) fn unanswered(call: Call, error: &OutboundError) -> Self {
        let (class, retry) = match error {
            OutboundError::Refused { .. } => (Class::InvalidRequest, Retry::Never),
            OutboundError::NotSent(_) => (Class::Transient, Retry::WithBackoff),
            OutboundError::OutcomeUnknown => (call.unanswered(), Retry::WithBackoff),
            OutboundError::BodyTooLarge { .. } if call == Call::Read => (Class::TooLarge, Retry::Never),
            OutboundError::BodyTooLarge { .. } => (Class::OutcomeUnknown, Retry::WithBackoff),
            OutboundError::BreakerOpen { for_ } => (Class::Transient, Retry::After(*for_)),
            OutboundError::Throttled { wait } => (Class::RateLimited, Retry::After(*wait)),
        };
        Self::ours(class, retry, error.code())
    }

    /// What the statuses mean that mean the same everywhere. `code` is the vendor's, `wait` its Retry-After.
    pub(crate) fn answered(call: Call, http: u16, code: &str, wait: Option<Duration>) -> Self {
        let patient = wait.map_or(Retry::WithBackoff, Retry::After);
        let (class, retry) = match http {
            401 => (Class::Unauthorized, Retry::Never),
            402 => (Class::QuotaExhausted, patient),
            403 => (Class::Forbidden, Retry::Never),
            404 | 410 => (Class::NotFound, patient),
            202 | 425 => (Class::NotReady, patient),
            409 => (Class::Conflict, patient),
            413 | 415 => (Class::TooLarge, Retry::Never),
            423 => (Class::Locked, patient),
            429 => (Class::RateLimited, patient),
            408 | 500.. => (call.unanswered(), patient),
            _ => (Class::InvalidRequest, Retry::Never),
        };
        Self { class, retry, http: Some(http), code: stable(code), detail: None }
    }
}

/// A vendor's code if it looks like one; prose, which may name people, becomes nothing.
pub(crate) fn stable(code: &str) -> String {
    let looks_like_a_code = code.len() <= 64
        && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'));
    if looks_like_a_code { code.to_owned() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_answer_is_unknown_after_a_write_and_harmless_after_a_read() {
        let class = |call| ProviderError::unanswered(call, &OutboundError::OutcomeUnknown).class;
        assert_eq!(class(Call::Write), Class::OutcomeUnknown);
        assert_eq!(class(Call::Read), Class::Transient);
        assert_eq!(ProviderError::answered(Call::Write, 503, "", None).class, Class::OutcomeUnknown);
        assert_eq!(ProviderError::answered(Call::Read, 503, "", None).class, Class::Transient);
    }

    #[test]
    fn the_vendors_words_are_bounded_and_no_error_shows_them() {
        let refused = |words: Value| ProviderError::invalid("wrong").saying(Some(&words));
        let said = |words| refused(words).detail.as_ref().and_then(Personal::reveal).map(str::to_owned);
        assert_eq!(
            said(serde_json::json!({"role": ["missing"]})).as_deref(),
            Some(r#"{"role":["missing"]}"#)
        );
        assert_eq!(said("é".repeat(1_000).into()).map(|text| text.len()), Some(DETAIL_BYTES_MAX));
        assert_eq!(said(" ".into()), None);
        let named = refused("dana@buyer.test has no role".into());
        assert!(named.detail.is_some() && !format!("{named} {named:?}").contains("dana"));
    }

    #[test]
    fn the_vendors_prose_never_becomes_a_code() {
        let error = ProviderError::answered(Call::Read, 400, "dana@buyer.test is not allowed", None);
        assert_eq!(error.code, "");
        assert_eq!(ProviderError::answered(Call::Read, 400, "bad_request", None).code, "bad_request");
    }
}
