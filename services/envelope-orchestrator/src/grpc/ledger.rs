//! What became of signals, which wait for their envelope, and what was given up.

use contracts::wire::envelope as wire;
use event_log::Position;
use ledger::Waits;
use tonic::Status;

use super::Grpc;
use super::refuse::{bad_request, unavailable, violation};
use crate::CONSUMERS;
use crate::directory::Waiting;
use crate::signals;

/// Most entries on a page.
const PAGE_MAX: usize = 1000;
/// Entries on a page when the caller does not say.
const PAGE: usize = 100;
/// Longest name of a wish, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 128;
/// Longest reason, in bytes.
const REASON_BYTES_MAX: usize = 200;

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

    pub(super) async fn dead_letters(
        &self,
        request: &wire::ListDeadLettersRequest,
    ) -> Result<wire::ListDeadLettersResponse, Status> {
        let mut all = Vec::new();
        for consumer in CONSUMERS {
            all.extend(self.store.log().dead_letters(consumer).await.map_err(unavailable)?);
        }
        all.sort_by_key(|letter| letter.given_up_at);
        let (shown, next_page_token) = page(&all, request.page_size, &request.page_token)?;
        Ok(wire::ListDeadLettersResponse {
            dead_letters: shown.iter().map(letter).collect(),
            next_page_token,
        })
    }

    pub(super) async fn retry_letter(&self, request: &wire::RetryDeadLetterRequest) -> Result<bool, Status> {
        check_request_id(&request.request_id)?;
        let consumer = known(&request.consumer)?;
        let position = Position(request.position);
        self.store.log().retry_dead_letter(consumer, position).await.map_err(unavailable)
    }

    pub(super) async fn discard_letter(
        &self,
        request: &wire::DiscardDeadLetterRequest,
    ) -> Result<bool, Status> {
        check_request_id(&request.request_id)?;
        let (consumer, position) = (known(&request.consumer)?, Position(request.position));
        let reason = request.reason.trim();
        if reason.is_empty() || reason.len() > REASON_BYTES_MAX {
            let mend = "give 1 to 200 bytes, without personal data";
            return Err(bad_request(vec![violation("reason", mend)]));
        }
        if consumer == signals::CONSUMER {
            // Whatever a person discards is settled by that: the ledger names it.
            self.desk.discard(position, self.store.clock().now()).await.map_err(unavailable)?;
        }
        let found = self.store.log().discard_dead_letter(consumer, position).await.map_err(unavailable)?;
        tracing::info!(consumer, position = position.0, reason, "dead letter discarded");
        Ok(found)
    }
}

/// One page of a list, and the token of the next.
fn page<'a, T>(all: &'a [T], size: u32, token: &str) -> Result<(&'a [T], String), Status> {
    let size = match usize::try_from(size).unwrap_or(PAGE_MAX) {
        0 => PAGE,
        size => size.min(PAGE_MAX),
    };
    let start: usize = match token {
        "" => 0,
        token => token
            .parse()
            .map_err(|_| bad_request(vec![violation("page_token", "is not a token of this service")]))?,
    };
    let end = start.saturating_add(size).min(all.len());
    let next = if end < all.len() { end.to_string() } else { String::new() };
    Ok((all.get(start..end).unwrap_or_default(), next))
}

fn check_request_id(request_id: &str) -> Result<(), Status> {
    match request_id.len() {
        1..=REQUEST_ID_BYTES_MAX => Ok(()),
        _ => {
            let mend = "give 1 to 128 bytes, the same for a repetition";
            Err(bad_request(vec![violation("request_id", mend)]))
        }
    }
}

fn known(consumer: &str) -> Result<&'static str, Status> {
    CONSUMERS.into_iter().find(|known| *known == consumer).ok_or_else(|| {
        let mend = format!("is unknown; known are {}", CONSUMERS.join(", "));
        bad_request(vec![violation("consumer", mend)])
    })
}

fn letter(letter: &event_log::DeadLetter) -> wire::DeadLetter {
    wire::DeadLetter {
        consumer: letter.consumer.clone(),
        position: letter.position.0,
        entity: letter.entity.to_string(),
        reason: letter.reason.clone(),
        attempts: letter.attempts,
        at_ms: letter.given_up_at.0,
    }
}
