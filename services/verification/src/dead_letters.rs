//! Work that was given up: what could not be erased, and what ingress parked and could not hand over.
//!
//! Ingress has no gRPC of its own, so verification speaks for its follower too, as it does in the ledger.

use contracts::wire::verification as wire;
use event_log::{DeadLetter, EventLog, Position, ReadError};
use tonic::Status;

use crate::{parked, quarantine};

/// The followers whose work is told of here.
const CONSUMERS: [&str; 2] = [quarantine::ERASURE, parked::HANDOVER];
/// Most entries on a page.
const PAGE_MAX: usize = 1000;
/// Entries on a page when the caller does not say.
const PAGE: usize = 100;
/// Longest name of a wish, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 128;
/// Longest reason, in bytes.
const REASON_BYTES_MAX: usize = 200;

/// Where it is asked what was given up. Cheap to clone.
#[derive(Clone)]
pub struct DeadLetters(pub EventLog);

impl DeadLetters {
    /// One page, oldest first.
    ///
    /// # Errors
    /// A token that is none; a store that does not answer.
    pub async fn list(
        &self,
        request: &wire::ListDeadLettersRequest,
    ) -> Result<wire::ListDeadLettersResponse, Status> {
        let size = match usize::try_from(request.page_size).unwrap_or(PAGE_MAX) {
            0 => PAGE,
            size => size.min(PAGE_MAX),
        };
        let start: usize = match request.page_token.as_str() {
            "" => 0,
            token => token.parse().map_err(|_| {
                Status::invalid_argument(
                    "page_token: not a token of an earlier page; start again without one",
                )
            })?,
        };
        let mut all = Vec::new();
        for consumer in CONSUMERS {
            all.extend(self.0.dead_letters(consumer).await.map_err(unavailable)?);
        }
        all.sort_by_key(|letter| letter.given_up_at);
        let end = start.saturating_add(size).min(all.len());
        Ok(wire::ListDeadLettersResponse {
            dead_letters: all.get(start..end).unwrap_or_default().iter().map(told).collect(),
            next_page_token: if end < all.len() { end.to_string() } else { String::new() },
        })
    }

    /// Has one tried once more.
    ///
    /// # Errors
    /// An unknown follower; a store that does not answer.
    pub async fn retry(
        &self,
        request: &wire::RetryDeadLetterRequest,
    ) -> Result<wire::RetryDeadLetterResponse, Status> {
        check_request_id(&request.request_id)?;
        let consumer = known(&request.consumer)?;
        let found = self.0.retry_dead_letter(consumer, Position(request.position)).await;
        Ok(wire::RetryDeadLetterResponse { found: found.map_err(unavailable)? })
    }

    /// Forgets one.
    ///
    /// # Errors
    /// As [`DeadLetters::retry`]; no reason; `FailedPrecondition` for a delivery that was parked: its sender was told
    /// that it is kept.
    pub async fn discard(
        &self,
        request: &wire::DiscardDeadLetterRequest,
    ) -> Result<wire::DiscardDeadLetterResponse, Status> {
        check_request_id(&request.request_id)?;
        let (consumer, position) = (known(&request.consumer)?, Position(request.position));
        if consumer == parked::HANDOVER {
            return Err(Status::failed_precondition(
                "consumer: what was parked was answered 200 and is not forgotten; mend what the reason says and retry it",
            ));
        }
        let reason = request.reason.trim();
        if reason.is_empty() || reason.len() > REASON_BYTES_MAX {
            return Err(Status::invalid_argument("reason: give 1 to 200 bytes, without personal data"));
        }
        let found = self.0.discard_dead_letter(consumer, position).await.map_err(unavailable)?;
        tracing::info!(consumer, position = position.0, reason, "dead letter discarded");
        Ok(wire::DiscardDeadLetterResponse { found })
    }
}

fn known(consumer: &str) -> Result<&'static str, Status> {
    CONSUMERS.into_iter().find(|known| *known == consumer).ok_or_else(|| {
        Status::invalid_argument(format!("consumer: unknown; known are {}", CONSUMERS.join(", ")))
    })
}

fn check_request_id(request_id: &str) -> Result<(), Status> {
    match request_id.len() {
        1..=REQUEST_ID_BYTES_MAX => Ok(()),
        _ => Err(Status::invalid_argument("request_id: give 1 to 128 bytes, the same for a repetition")),
    }
}

fn told(letter: &DeadLetter) -> wire::DeadLetter {
    wire::DeadLetter {
        consumer: letter.consumer.clone(),
        position: letter.position.0,
        entity: letter.entity.to_string(),
        reason: letter.reason.clone(),
        attempts: letter.attempts,
        at_ms: letter.given_up_at.0,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands where map_err hands errors over")]
fn unavailable(error: ReadError) -> Status {
    Status::unavailable(error.to_string())
}
