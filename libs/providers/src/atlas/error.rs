//! Atlas' refusals (atlas.md §17). Only the status counts: the codes in bodies are not promised.

use std::time::Duration;

use domain::retry::Retry;
use outbound::Response;

use crate::calls::json_or_null;
use crate::error::Call;
use crate::{Class, ProviderError, reading};

/// A twin of the same call may still be running; it is over after about so long (atlas.md §12).
const TWIN_PAUSE: Duration = Duration::from_secs(2);

/// Passes a 2xx answer on and translates every other.
pub(super) fn check(
    response: Response,
    call: Call,
    quota_pause: Duration,
) -> Result<Response, ProviderError> {
    if response.is_success() {
        return Ok(response);
    }
    let body = json_or_null(&response);
    let code = reading::text(&body, &["/code", "/error/code", "/error"]).unwrap_or_default();
    let words = body.pointer("/message").or_else(|| body.pointer("/error/message"));
    let mut error =
        ProviderError::answered(call, response.status, code, response.retry_after()).saying(words);
    match (error.class, error.retry) {
        (Class::QuotaExhausted, Retry::WithBackoff) => error.retry = Retry::After(quota_pause),
        (Class::Conflict, Retry::WithBackoff) => error.retry = Retry::After(TWIN_PAUSE),
        (_, Retry::Never | Retry::WithBackoff | Retry::After(_)) => {}
    }
    Err(error)
}

/// The signed PDF comes some time after the last signature; until then the vendor may say so in many ways.
pub(super) fn not_there_yet(error: ProviderError) -> ProviderError {
    error.ready_later(&[Class::NotFound, Class::Conflict])
}
