//! The one place where the orchestrator's errors become gRPC statuses.

use std::collections::HashMap;
use std::time::Duration;

use contracts::envelope::FieldViolation;
use domain::envelope::Rejection;
use domain::ids::EnvelopeId;
use event_log::{AppendError, ReadError};
use providers::{Class, ProviderError};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::store::{ExecuteError, Subject};

/// The domain of `google.rpc.ErrorInfo`.
const DOMAIN: &str = "countersign.dev";

pub(super) fn violation(field: &str, description: impl Into<String>) -> FieldViolation {
    FieldViolation { field: field.to_owned(), description: description.into() }
}

/// Every mistake of a request.
pub(super) fn bad_request(violations: Vec<FieldViolation>) -> Status {
    // The whole list in the message too: many clients show nothing else. It names fields, never values.
    let mistakes: Vec<String> =
        violations.iter().map(|found| format!("{}: {}", found.field, found.description)).collect();
    let message = mistakes.join("; ");
    let mut details = ErrorDetails::with_error_info("BAD_REQUEST", DOMAIN, HashMap::new());
    for found in violations {
        details.add_bad_request_violation(found.field, found.description);
    }
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// No envelope of that id.
pub(super) fn not_found(id: &EnvelopeId) -> Status {
    told(Code::NotFound, "ENVELOPE_NOT_FOUND", "no such envelope; check the id".to_owned(), id)
}

/// The request id was used for something else.
pub(super) fn request_id_taken(id: &EnvelopeId) -> Status {
    let message = "this request_id made another envelope; repeat that request or use a new request_id";
    told(Code::AlreadyExists, "REQUEST_ID_TAKEN", message.to_owned(), id)
}

/// The signed document is not there.
pub(super) fn no_artifact(id: &EnvelopeId) -> Status {
    let message = "the signed document is not stored; wait until artifact.state is ARTIFACT_STATE_STORED";
    told(Code::FailedPrecondition, "NO_ARTIFACT", message.to_owned(), id)
}

/// A command was not carried out.
pub(super) fn refused(subject: &Subject, error: ExecuteError) -> Status {
    let message = error.to_string();
    match error {
        ExecuteError::Rejected(Rejection::NeverRequested) => not_found(&subject.id),
        ExecuteError::Rejected(Rejection::AlreadyRequested) => request_id_taken(&subject.id),
        ExecuteError::Rejected(Rejection::WrongStage { .. }) => {
            told(Code::FailedPrecondition, "WRONG_STAGE", message, &subject.id)
        }
        ExecuteError::Rejected(Rejection::NotReady { .. }) => {
            told(Code::FailedPrecondition, "NOT_READY", message, &subject.id)
        }
        ExecuteError::Rejected(Rejection::FieldsMoved { .. }) => {
            told(Code::Aborted, "FIELDS_MOVED", message, &subject.id)
        }
        ExecuteError::Append(AppendError::TooLarge { .. }) => {
            told(Code::InvalidArgument, "TOO_LARGE", message, &subject.id)
        }
        ExecuteError::Contended
        | ExecuteError::Append(
            AppendError::Conflict { .. } | AppendError::Unknown | AppendError::Unavailable(_),
        )
        | ExecuteError::Read(ReadError::Unavailable(_)) => later(&message),
        ExecuteError::Entity(_)
        | ExecuteError::Decode(_)
        | ExecuteError::Append(AppendError::Corrupt(_))
        | ExecuteError::Read(ReadError::Corrupt(_) | ReadError::TooLong { .. }) => {
            tracing::error!(envelope.id = %subject.id, error = message, "an envelope is not readable");
            Status::internal(message)
        }
    }
}

/// A provider did not do at once what it was asked for.
pub(super) fn provider_refused(id: &EnvelopeId, error: &ProviderError) -> Status {
    let message = error.to_string();
    match error.class {
        Class::Conflict => {
            let message = "the fields have moved, or an earlier try of this request was carried out; read the \
                           envelope again and decide";
            told(Code::Aborted, "FIELDS_MOVED", message.to_owned(), id)
        }
        Class::InvalidRequest | Class::TooLarge => told(Code::InvalidArgument, "REFUSED", message, id),
        Class::NotFound | Class::Unauthorized | Class::Forbidden | Class::QuotaExhausted => {
            told(Code::FailedPrecondition, "REFUSED", message, id)
        }
        // Asked again with the same version it is written once at most.
        Class::NotReady | Class::Locked | Class::RateLimited | Class::OutcomeUnknown | Class::Transient => {
            later(&message)
        }
    }
}

/// A provider did not take it back to draft, or does not say how it stands.
pub(super) fn reopening_refused(id: &EnvelopeId, error: &ProviderError) -> Status {
    match error.class {
        Class::Conflict | Class::InvalidRequest | Class::TooLarge => {
            told(Code::FailedPrecondition, "REFUSED", error.to_string(), id)
        }
        Class::NotFound
        | Class::Unauthorized
        | Class::Forbidden
        | Class::QuotaExhausted
        | Class::NotReady
        | Class::Locked
        | Class::RateLimited
        | Class::OutcomeUnknown
        | Class::Transient => provider_refused(id, error),
    }
}

/// The provider cannot do it at all.
pub(super) fn not_offered(id: &EnvelopeId, what: &str) -> Status {
    told(Code::FailedPrecondition, "NOT_OFFERED", format!("the provider does not offer {what}"), id)
}

/// The log or the projection does not answer.
pub(super) fn unavailable(error: impl std::fmt::Display) -> Status {
    later(&error.to_string())
}

fn later(message: &str) -> Status {
    let details = ErrorDetails::with_retry_info(Some(Duration::from_secs(1)));
    Status::with_error_details(Code::Unavailable, message, details)
}

fn told(code: Code, reason: &str, message: String, id: &EnvelopeId) -> Status {
    let metadata = HashMap::from([("envelope_id".to_owned(), id.to_string())]);
    Status::with_error_details(code, message, ErrorDetails::with_error_info(reason, DOMAIN, metadata))
}
