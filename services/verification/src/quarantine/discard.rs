//! Out of quarantine because somebody, or its age, said so: the content is erased (`erasure.rs`), the fact stays.

use contracts::intake::{DiscardCause, Discarded, IntakeEvent};
use contracts::wire::verification as wire;
use event_log::Position;
use tonic::Status;

use super::entry::{Entry, Settled};
use super::{Of, Quarantine, check_request_id, expires_at_ms};

/// Longest reason, in bytes.
const REASON_BYTES_MAX: usize = 500;

impl Quarantine {
    /// Gives one delivery up.
    ///
    /// # Errors
    /// `NotFound`; `FailedPrecondition` if it was released; a reason that is none; a store that does not answer.
    pub async fn discard(
        &self,
        request: &wire::DiscardQuarantinedRequest,
    ) -> Result<wire::DiscardQuarantinedResponse, Status> {
        check_request_id(&request.request_id)?;
        let reason = request.reason.trim();
        if reason.is_empty() || reason.len() > REASON_BYTES_MAX {
            return Err(Status::invalid_argument("reason: give 1 to 500 bytes, without personal data"));
        }
        let of = self.named(&request.connection)?;
        let mut entry = self.read(&of, &request.quarantine_id).await?;
        if entry.settled.is_none() {
            self.give_up(&of, &entry, DiscardCause::Operator, reason).await?;
            // By us, or by somebody who was faster.
            entry = self.read(&of, &request.quarantine_id).await?;
        }
        match &entry.settled {
            Some(Settled::Discarded) => {}
            Some(Settled::Released(_)) => {
                return Err(Status::failed_precondition("quarantine_id: it was released; its signals count"));
            }
            None => return Err(Status::unavailable("it was not settled; ask again")),
        }
        let quarantined = entry.to_wire(expires_at_ms(&of.limits(), entry.quarantined.received_at.0));
        Ok(wire::DiscardQuarantinedResponse { quarantined: Some(quarantined) })
    }

    /// Writes that a delivery is given up, which has it erased; `None` if something had become of it meanwhile.
    pub(super) async fn give_up(
        &self,
        of: &Of,
        entry: &Entry,
        cause: DiscardCause,
        reason: &str,
    ) -> Result<Option<Position>, Status> {
        let discarded = Discarded {
            connection: of.connection.clone(),
            cause,
            reason: reason.to_owned(),
            received_at: entry.quarantined.received_at,
            at: self.clock.now(),
            content_bytes: entry.quarantined.content_bytes,
        };
        let settled = self.settle(entry, "discarded", &IntakeEvent::Discarded(discarded)).await?;
        if settled.is_some() {
            let why = match cause {
                DiscardCause::Operator => "operator",
                DiscardCause::Age => "age",
                DiscardCause::Size => "size",
            };
            metrics::counter!("verification_discarded_total", "connection" => of.connection.to_string(), "cause" => why)
                .increment(1);
        }
        Ok(settled)
    }
}
