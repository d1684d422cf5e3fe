//! What is known when a call did not bring an answer.

use std::time::Duration;

/// Why there is no answer. Never holds a URL, a header or a body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// The call is not allowed and was not made; the same call will be refused again.
    #[error("call refused: {reason}")]
    Refused {
        /// The rule it breaks.
        reason: &'static str,
    },
    /// The connection could not be made: certainly nothing happened at the other side.
    #[error("not sent: {0}")]
    NotSent(Unreachable),
    /// The request may have arrived, its answer did not: the deadline passed or the connection broke.
    #[error("outcome unknown: the request may have arrived, its answer did not")]
    OutcomeUnknown,
    /// The answer is longer than allowed. The request did arrive.
    #[error("answer longer than {limit_bytes} bytes")]
    BodyTooLarge {
        /// The limit, in bytes.
        limit_bytes: usize,
    },
    /// The connection failed so often that calls are held back; nothing was sent.
    #[error("circuit breaker open for {} ms", for_.as_millis())]
    BreakerOpen {
        /// How long until a probe is let through.
        for_: Duration,
    },
    /// Our own pace would need longer than three quarters of the deadline; nothing was sent.
    #[error("throttled: a place is free in {} ms", wait.as_millis())]
    Throttled {
        /// How long until there is a place.
        wait: Duration,
    },
}

impl OutboundError {
    /// Whether it is certain that the other side never saw the request.
    pub const fn nothing_happened(&self) -> bool {
        match self {
            OutboundError::Refused { .. }
            | OutboundError::NotSent(_)
            | OutboundError::BreakerOpen { .. }
            | OutboundError::Throttled { .. } => true,
            OutboundError::OutcomeUnknown | OutboundError::BodyTooLarge { .. } => false,
        }
    }

    /// The stable word for metrics and logs.
    pub const fn code(&self) -> &'static str {
        match self {
            OutboundError::Refused { .. } => "refused",
            OutboundError::NotSent(_) => "not_sent",
            OutboundError::OutcomeUnknown => "outcome_unknown",
            OutboundError::BodyTooLarge { .. } => "body_too_large",
            OutboundError::BreakerOpen { .. } => "breaker_open",
            OutboundError::Throttled { .. } => "throttled",
        }
    }
}

/// Where the way to the other side ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    /// The host name has no address.
    #[error("host name not found")]
    Name,
    /// No connection within the time for connecting.
    #[error("connecting took too long")]
    ConnectTimeout,
    /// The connection was refused, or TLS could not be agreed on.
    #[error("connection refused")]
    Connect,
}
