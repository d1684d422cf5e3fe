//! Work that was given up: what could not be erased, and what ingress parked and could not hand over.
//!
//! Ingress has no gRPC of its own, so verification speaks for its follower too, as it does in the ledger.

use contracts::wire::verification as wire;
use operate::DeadLetters;
use tonic::Status;

use crate::{parked, quarantine};

/// The followers whose work is told of here.
pub const CONSUMERS: &[&str] = &[quarantine::ERASURE, parked::HANDOVER];

/// Forgets one.
///
/// # Errors
/// What is wrong with the request; a store that does not answer; `FailedPrecondition` for a delivery that was parked:
/// its sender was told that it is kept.
pub async fn discard(letters: &DeadLetters, request: wire::DiscardDeadLetterRequest) -> Result<bool, Status> {
    let wire::DiscardDeadLetterRequest { request_id, consumer, position, reason } = request;
    let letter = letters.discardable(&request_id, &consumer, position, &reason)?;
    if letter.consumer == parked::HANDOVER {
        return Err(Status::failed_precondition(
            "consumer: what was parked was answered 200 and is not forgotten; mend what the reason says and retry it",
        ));
    }
    letters.discard(&letter).await
}
