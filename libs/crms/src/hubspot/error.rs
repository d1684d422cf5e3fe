//! HubSpot's error catalogue (crm.md §2.11, §2.12), by status and code only.

use std::time::Duration;

use domain::retry::Retry;
use outbound::Response;
use serde::Deserialize;

use crate::error::{Class, CrmError};

/// Pause of a locked record.
const LOCKED_PAUSE: Duration = Duration::from_secs(2);
/// Pause of the rolling limit when no header names it: its whole window.
const ROLLING_PAUSE: Duration = Duration::from_secs(10);
/// Pause of the limit per second.
const SECONDLY_PAUSE: Duration = Duration::from_secs(1);
/// Pause of a limit that ends some time today: probe hourly.
const PARK_PAUSE: Duration = Duration::from_secs(3600);
/// Pause until the next look whether a person has given a new token.
const REAUTH_PAUSE: Duration = Duration::from_secs(60);
/// Longest code or correlation id kept, in bytes.
const CODE_BYTES_MAX: usize = 80;

/// An error's body. Every field is optional, and the whole may be HTML.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    category: Option<String>,
    sub_category: Option<String>,
    error_type: Option<String>,
    policy_name: Option<String>,
    correlation_id: Option<String>,
    #[serde(default)]
    errors: Vec<Detail>,
}

#[derive(Deserialize)]
struct Detail {
    code: Option<String>,
}

/// What an answer other than 2xx means.
pub(super) fn classify(response: &Response) -> CrmError {
    let parsed = response.json::<Body>();
    let readable = parsed.is_ok();
    let body = parsed.unwrap_or_default();
    let code = code(&body);
    let named = response.retry_after();
    let after = |pause: Duration| Retry::After(named.unwrap_or(pause));

    let (class, retry) = match response.status {
        400 if is_config(&code) => (Class::StopConfig, Retry::Never),
        401 => (Class::Reauth, Retry::After(REAUTH_PAUSE)),
        402 => (Class::ParkTenant, after(PARK_PAUSE)),
        403 | 405 | 414 | 415 => (Class::StopConfig, Retry::Never),
        // an answer that is not HubSpot's own says nothing about the record: the address is wrong
        404 | 410 if !readable => (Class::StopConfig, Retry::Never),
        404 | 410 => (Class::Orphan, Retry::Never),
        408 => (Class::RetryBackoff, Retry::WithBackoff),
        409 | 300 => (Class::Reconcile, Retry::Never),
        412 | 423 => (Class::RetryFast, after(LOCKED_PAUSE)),
        429 => match code.as_str() {
            "DAILY" => (Class::ParkTenant, after(PARK_PAUSE)),
            "SECONDLY" => (Class::RetryAfter, after(SECONDLY_PAUSE)),
            _ => (Class::RetryAfter, after(rolling_window(response))),
        },
        477 => (Class::ParkTenant, after(PARK_PAUSE)),
        400..=499 => (Class::StopRecord, Retry::Never),
        500..=599 => (Class::RetryBackoff, named.map_or(Retry::WithBackoff, Retry::After)),
        301 | 302 | 303 | 307 | 308 => (Class::StopConfig, Retry::Never),
        _ => (Class::Bug, Retry::Never),
    };
    let correlation_id = body.correlation_id.as_deref();
    let correlation_id = correlation_id.or_else(|| response.header("x-hubspot-correlation-id"));
    CrmError {
        class,
        retry,
        http: Some(response.status),
        code,
        correlation_id: correlation_id.and_then(stable).unwrap_or_default(),
    }
}

/// An answer that should have been readable and is not.
pub(super) fn unreadable(response: &Response) -> CrmError {
    let correlation_id = response.header("x-hubspot-correlation-id").and_then(stable).unwrap_or_default();
    let code = "unreadable_answer".to_owned();
    CrmError { class: Class::Bug, retry: Retry::Never, http: Some(response.status), code, correlation_id }
}

/// The most telling code: a single error's (one about the configuration first), the limit's name, the category.
fn code(body: &Body) -> String {
    let details = || body.errors.iter().filter_map(|detail| stable(detail.code.as_deref()?));
    let config = details().find(|code| is_config(code));
    let others = [&body.policy_name, &body.sub_category, &body.category, &body.error_type];
    config
        .or_else(|| details().next())
        .or_else(|| others.into_iter().flatten().find_map(|code| stable(code)))
        .unwrap_or_default()
}

fn is_config(code: &str) -> bool {
    matches!(code, "PROPERTY_DOESNT_EXIST" | "INVALID_OPTION" | "PIPELINE_DOESNT_EXIST" | "READ_ONLY_VALUE")
}

/// A code or id that is one: no sentence, nothing of a person in it.
fn stable(text: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let fits = !text.is_empty() && text.len() <= CODE_BYTES_MAX && text.bytes().all(plain);
    fits.then(|| text.to_owned())
}

fn rolling_window(response: &Response) -> Duration {
    let interval = response.header("x-hubspot-ratelimit-interval-milliseconds");
    let interval = interval.and_then(|text| text.parse().ok()).map(Duration::from_millis);
    interval.unwrap_or(ROLLING_PAUSE).min(PARK_PAUSE)
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
