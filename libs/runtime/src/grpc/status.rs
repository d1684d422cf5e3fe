//! Errors as google.rpc says them: a code for machines' reactions, a reason for their branches, words for people.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// Who speaks in `ErrorInfo.domain`.
const DOMAIN: &str = "countersign.dev";

/// An error with a stable reason in capitals, for example `ENVELOPE_CLOSED`. `message` holds nothing personal.
pub fn refusal(code: Code, reason: &'static str, message: impl Into<String>) -> Status {
    let details = ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new());
    Status::with_error_details(code, message, details)
}

/// The caller's mistake in one field; `description` says what would be right, without the value.
pub fn bad_field(field: impl Into<String>, description: impl Into<String>) -> Status {
    let (field, description) = (field.into(), description.into());
    let message = format!("{field}: {description}");
    let mut details = ErrorDetails::with_error_info("BAD_REQUEST", DOMAIN, HashMap::new());
    details.add_bad_request_violation(field, description);
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// Something is not there.
pub fn not_found(what: &str, name: &str) -> Status {
    let message = format!("there is no {what} `{name}`");
    let mut details = ErrorDetails::with_error_info("NOT_FOUND", DOMAIN, HashMap::new());
    details.set_resource_info(what, name, "", "");
    Status::with_error_details(Code::NotFound, message, details)
}

/// Something we need is away; trying again after `pause` can help.
pub fn unavailable(message: impl Into<String>, pause: Duration) -> Status {
    let mut details = ErrorDetails::with_error_info("UNAVAILABLE", DOMAIN, HashMap::new());
    details.set_retry_info(Some(pause));
    Status::with_error_details(Code::Unavailable, message, details)
}

/// The reason another of our services gave, if it gave one.
pub fn reason(status: &Status) -> Option<String> {
    status.get_details_error_info().map(|told| told.reason)
}

/// How long another of our services asks us to wait, if it does.
pub fn retry_after(status: &Status) -> Option<Duration> {
    status.get_details_retry_info().and_then(|told| told.retry_delay)
}
