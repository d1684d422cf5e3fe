//! What became of signals, which wait for their envelope, and what was given up.

use contracts::wire::envelope as wire;
use ledger::Waits;
use operate::{DeadLetters, page};
use tonic::Status;

use super::Grpc;
use super::refuse::unavailable;
use crate::CONSUMERS;
use crate::directory::Waiting;
use crate::signals;

impl Grpc {
    pub(super) async fn ledger(
        &self,
        request: wire::GetLedgerRequest,
    ) -> Result<wire::GetLedgerResponse, Status> {
        let wire::GetLedgerRequest { connection, since_ms, intake_position } = request;
        let waits = Waits { connection, since_ms, intake_position };
        let early = || {
            let rows = self.directory.early(self.tuning.early_arrivals_max);
            let rows = rows.map_err(|_| projection::ProjectionError::Rebuilding)?;
            Ok(rows.into_iter().map(|one| (one.parked.connection, one.parked.received_at)).collect())
        };
        let answered = self.desk.answer(self.directory.view(), &waits, early).await.map_err(unavailable)?;
        Ok(wire::GetLedgerResponse {
            tallies: answered.tallies,
            handled_position: answered.handled.0,
            position: answered.position.0,
            complete: answered.complete,
            intake_head: answered.intake_head.0,
        })
    }

    pub(super) fn early_arrivals(
        &self,
        request: &wire::ListEarlyArrivalsRequest,
    ) -> Result<wire::ListEarlyArrivalsResponse, Status> {
        let mut waiting = self.directory.early(self.tuning.early_arrivals_max).map_err(unavailable)?;
        waiting.retain(|one| {
            request.connection.is_empty() || request.connection == one.parked.connection.as_str()
        });
        waiting.sort_by_key(|one| (one.parked.at, one.parked.intake_position));
        let (shown, next_page_token) = page(&waiting, request.page_size, &request.page_token)?;
        let early_arrivals = shown.iter().map(|one| self.shown_early(one)).collect();
        Ok(wire::ListEarlyArrivalsResponse { early_arrivals, next_page_token })
    }

    fn shown_early(&self, one: &Waiting) -> wire::EarlyArrival {
        let parked = &one.parked;
        wire::EarlyArrival {
            connection: parked.connection.to_string(),
            provider_id: parked.provider_id.to_string(),
            named: parked.named,
            received_at_ms: parked.received_at.0,
            waits_since_ms: parked.at.0,
            lookup_at_ms: parked.at.after(self.tuning.early_arrival_window).0,
            position: parked.intake_position,
        }
    }

    /// What its followers gave up.
    pub(super) fn letters(&self) -> DeadLetters {
        DeadLetters::new(self.store.log().clone(), &CONSUMERS)
    }

    pub(super) async fn discard_letter(
        &self,
        request: wire::DiscardDeadLetterRequest,
    ) -> Result<bool, Status> {
        let wire::DiscardDeadLetterRequest { request_id, consumer, position, reason } = request;
        let letters = self.letters();
        let letter = letters.discardable(&request_id, &consumer, position, &reason)?;
        if letter.consumer == signals::CONSUMER {
            // Whatever a person discards is settled by that: the ledger names it.
            self.desk.discard(letter.position, self.store.clock().now()).await.map_err(unavailable)?;
        }
        letters.discard(&letter).await
    }
}
