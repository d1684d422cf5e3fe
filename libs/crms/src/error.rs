//! What a failed call means, the same for every CRM (crm.md §7).

use std::time::Duration;

use domain::retry::Retry;
use outbound::{OutboundError, Unreachable};

/// What has to be done about a failure. Found from status and stable code, never from a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Passes within seconds: not connected, locked.
    RetryFast,
    /// Passes within minutes or hours: the vendor is unwell.
    RetryBackoff,
    /// The vendor (or our own pace) says how long to wait.
    RetryAfter,
    /// The whole account is at its limit until a reset; everybody waits.
    ParkTenant,
    /// The access token has been replaced meanwhile; the next call takes the new one.
    Refresh,
    /// The access token is not accepted: a person must give a new one.
    Reauth,
    /// The configuration does not fit the CRM: unknown property or stage, missing permission.
    StopConfig,
    /// This record cannot take this value.
    StopRecord,
    /// The record is gone.
    Orphan,
    /// Somebody else holds what we claim: read, then decide.
    Reconcile,
    /// An answer that makes no sense.
    Bug,
}

impl Class {
    /// The stable name, as it stands in events, metrics and `docs/errors`.
    pub const fn name(self) -> &'static str {
        match self {
            Class::RetryFast => "retry_fast",
            Class::RetryBackoff => "retry_backoff",
            Class::RetryAfter => "retry_after",
            Class::ParkTenant => "park_tenant",
            Class::Refresh => "refresh",
            Class::Reauth => "reauth",
            Class::StopConfig => "stop_config",
            Class::StopRecord => "stop_record",
            Class::Orphan => "orphan",
            Class::Reconcile => "reconcile",
            Class::Bug => "bug",
        }
    }
}

/// A call to a CRM failed. Holds nothing personal: no message of the vendor, no value, no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}{}{}", class.name(), status(*http), labelled(" code ", code), labelled(" correlation ", correlation_id))]
pub struct CrmError {
    /// What has to be done about it.
    pub class: Class,
    /// Whether trying again can help.
    pub retry: Retry,
    /// The HTTP status, if there was an answer.
    pub http: Option<u16>,
    /// The vendor's stable code, or ours for a call without answer (`outcome_unknown`); may be empty.
    pub code: String,
    /// The vendor's name for this very call, for its support; may be empty.
    pub correlation_id: String,
}

impl CrmError {
    /// Whether the call may have taken effect although it failed.
    pub fn outcome_unknown(&self) -> bool {
        self.http.is_none() && self.code == OutboundError::OutcomeUnknown.code()
    }
}

impl From<OutboundError> for CrmError {
    /// A call without answer.
    fn from(error: OutboundError) -> Self {
        let (class, retry) = match &error {
            OutboundError::Refused { .. } => (Class::StopConfig, Retry::Never),
            OutboundError::NotSent(Unreachable::Name) => (Class::RetryBackoff, Retry::WithBackoff),
            OutboundError::NotSent(Unreachable::Connect | Unreachable::ConnectTimeout) => {
                (Class::RetryFast, Retry::WithBackoff)
            }
            // both calls an adapter makes may be repeated: a read, and a write of the same values
            OutboundError::OutcomeUnknown => (Class::RetryBackoff, Retry::WithBackoff),
            OutboundError::BodyTooLarge { .. } => (Class::Bug, Retry::Never),
            OutboundError::BreakerOpen { for_: pause } | OutboundError::Throttled { wait: pause } => {
                (Class::RetryAfter, Retry::After((*pause).max(PAUSE_MIN)))
            }
        };
        let code = error.code().to_owned();
        Self { class, retry, http: None, code, correlation_id: String::new() }
    }
}

/// No pause is shorter, so that a held-back call does not spin.
const PAUSE_MIN: Duration = Duration::from_millis(100);

fn status(http: Option<u16>) -> String {
    http.map(|status| format!(" http {status}")).unwrap_or_default()
}

fn labelled(label: &str, text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{label}{text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_answer_may_be_repeated_and_says_that_it_is_unknown() {
        let error = CrmError::from(OutboundError::OutcomeUnknown);
        assert!(error.outcome_unknown());
        assert_eq!((error.class, error.retry), (Class::RetryBackoff, Retry::WithBackoff));
    }

    #[test]
    fn an_open_breaker_is_waited_for() {
        let pause = Duration::from_secs(30);
        let error = CrmError::from(OutboundError::BreakerOpen { for_: pause });
        assert_eq!((error.class, error.retry), (Class::RetryAfter, Retry::After(pause)));
    }

    #[test]
    fn an_error_reads_as_class_status_code_and_correlation() {
        let error = CrmError {
            class: Class::StopConfig,
            retry: Retry::Never,
            http: Some(400),
            code: "INVALID_OPTION".into(),
            correlation_id: "c1".into(),
        };
        assert_eq!(error.to_string(), "stop_config http 400 code INVALID_OPTION correlation c1");
    }
}
