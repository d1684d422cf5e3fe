//! Out of quarantine because it verifies now: after a key was mended, or an address added.
//!
//! A delivery is judged by the keys in force when it was received and by those in force now: a genuine one must pass
//! under the mended key, whatever window that key was given. The time of receipt counts for schemes with a timestamp
//! and stands in the signals. Deliveries are released one after the other in the order of receipt, so that the log has
//! their signals in that order. The arrival is the delivery's own id: after a crash in the middle, the same signals are
//! stored under the same commands, and nothing is doubled.

use contracts::intake::{IntakeEvent, Released};
use contracts::wire::verification as wire;
use contracts::wire::verification::QuarantineOutcome as Outcome;
use domain::intake::RawDelivery;
use event_log::TraceContext;
use tonic::Status;

use super::entry::{self, Entry, Settled, internal, unavailable};
use super::{Of, Quarantine, check_request_id, view};
use crate::signals::Proved;

/// Most deliveries of one call, and how many when the caller does not say.
const PAGE: (u32, u32) = (500, 100);

/// What a look at one delivery finds.
enum Look {
    Settled,
    NoContent,
    Refused(domain::intake::Refusal),
    Verifies { delivery: RawDelivery, key_id: String },
}

impl Quarantine {
    /// Which deliveries would verify now. Changes nothing.
    ///
    /// # Errors
    /// `NotFound`; a token that is none; a store that does not answer.
    pub async fn reverify(
        &self,
        request: &wire::ReverifyQuarantinedRequest,
    ) -> Result<wire::ReverifyQuarantinedResponse, Status> {
        let of = self.named(&request.connection)?;
        of.known()?;
        let wire::ReverifyQuarantinedRequest { quarantine_id, page_size, page_token, .. } = request;
        let (ids, next_page_token) = self.wanted(&of, quarantine_id, *page_size, page_token).await?;
        let mut results = Vec::with_capacity(ids.len());
        for id in ids {
            let looked = match self.read(&of, &id).await {
                Ok(entry) => self.look(&of, &entry).await.map(|look| told(&entry, &look)),
                Err(status) => Err(status),
            };
            results.push(self.or_unreadable(&of, &id, quarantine_id, looked)?);
        }
        Ok(wire::ReverifyQuarantinedResponse { results, next_page_token })
    }

    /// Releases what verifies now.
    ///
    /// # Errors
    /// As [`Quarantine::reverify`]. What was released before the error stays released.
    pub async fn release(
        &self,
        request: &wire::ReleaseQuarantinedRequest,
    ) -> Result<wire::ReleaseQuarantinedResponse, Status> {
        check_request_id(&request.request_id)?;
        let of = self.named(&request.connection)?;
        of.known()?;
        let wire::ReleaseQuarantinedRequest { quarantine_id, page_size, page_token, .. } = request;
        let (ids, next_page_token) = self.wanted(&of, quarantine_id, *page_size, page_token).await?;
        let mut results = Vec::with_capacity(ids.len());
        for id in ids {
            let released = self.release_one(&of, &id).await;
            results.push(self.or_unreadable(&of, &id, quarantine_id, released)?);
        }
        Ok(wire::ReleaseQuarantinedResponse { results, next_page_token })
    }

    /// The ids that are meant, in the order of receipt, and the token of the next page.
    async fn wanted(
        &self,
        of: &Of,
        only: &str,
        page_size: u32,
        token: &str,
    ) -> Result<(Vec<String>, String), Status> {
        if !only.is_empty() {
            return Ok((vec![only.to_owned()], String::new()));
        }
        self.catch_up().await?;
        let wanted = if page_size == 0 { PAGE.1 } else { page_size.min(PAGE.0) };
        let (page, next) = view::oldest(&self.view, &of.connection, wanted, token)?;
        Ok((page.into_iter().map(|delivery| delivery.quarantine_id).collect(), next))
    }

    /// One that cannot be read keeps nothing else waiting: among many it is told as one without content.
    fn or_unreadable(
        &self,
        of: &Of,
        id: &str,
        only: &str,
        result: Result<wire::QuarantineResult, Status>,
    ) -> Result<wire::QuarantineResult, Status> {
        match result {
            Err(status) if only.is_empty() => {
                self.pass_by(of, id, status)?;
                let outcome = Outcome::NoContent.into();
                Ok(wire::QuarantineResult { quarantine_id: id.to_owned(), outcome, ..Default::default() })
            }
            told => told,
        }
    }

    async fn look(&self, of: &Of, entry: &Entry) -> Result<Look, Status> {
        if entry.settled.is_some() {
            return Ok(Look::Settled);
        }
        let Some(content) = entry.content(&self.log).await? else { return Ok(Look::NoContent) };
        let peer = entry::peer(&content);
        let delivery = contracts::intake::delivery_from_wire(content).map_err(internal)?;
        Ok(match of.known()?.prove(&delivery, peer, Some(self.clock.now())) {
            Ok(key_id) => Look::Verifies { delivery, key_id },
            Err(refusal) => Look::Refused(refusal),
        })
    }

    async fn release_one(&self, of: &Of, id: &str) -> Result<wire::QuarantineResult, Status> {
        let entry = self.read(of, id).await?;
        let look = self.look(of, &entry).await?;
        let Look::Verifies { delivery, key_id } = look else {
            return Ok(told(&entry, &look));
        };
        let trace = TraceContext::current();
        let proved = Proved {
            known: of.known()?,
            key_id: &key_id,
            arrival: entry.entity.id(),
            replayed: false,
            delivery: &delivery,
            trace: &trace,
        };
        let stored = self.intake.signals().store_all(proved).await.map_err(unavailable)?;
        let released = Released {
            connection: of.connection.clone(),
            key_id,
            signals_new: stored.new,
            signals_known: stored.known,
            received_at: entry.quarantined.received_at,
            at: self.clock.now(),
            content_bytes: entry.quarantined.content_bytes,
        };
        let settled = self.settle(&entry, "released", &IntakeEvent::Released(released.clone())).await?;
        if settled.is_none() {
            // Somebody else settled it meanwhile; the signals are stored once all the same.
            let entry = self.read(of, id).await?;
            return Ok(told(&entry, &Look::Settled));
        }
        metrics::counter!("verification_released_total", "connection" => of.connection.to_string())
            .increment(1);
        Ok(wire::QuarantineResult {
            outcome: Outcome::Released.into(),
            key_id: released.key_id,
            signals_new: released.signals_new,
            signals_known: released.signals_known,
            ..result(&entry)
        })
    }
}

fn result(entry: &Entry) -> wire::QuarantineResult {
    wire::QuarantineResult {
        quarantine_id: entry.entity.id().to_owned(),
        received_at_ms: entry.quarantined.received_at.0,
        ..Default::default()
    }
}

fn told(entry: &Entry, look: &Look) -> wire::QuarantineResult {
    let result = result(entry);
    match look {
        Look::Settled => match &entry.settled {
            // The same wish again has the same answer.
            Some(Settled::Released(released)) => wire::QuarantineResult {
                outcome: Outcome::SettledBefore.into(),
                key_id: released.key_id.clone(),
                signals_new: released.signals_new,
                signals_known: released.signals_known,
                ..result
            },
            Some(Settled::Discarded) | None => {
                wire::QuarantineResult { outcome: Outcome::SettledBefore.into(), ..result }
            }
        },
        Look::NoContent => wire::QuarantineResult { outcome: Outcome::NoContent.into(), ..result },
        Look::Refused(refusal) => wire::QuarantineResult {
            outcome: Outcome::Refused.into(),
            refusal: refusal.code().to_owned(),
            ..result
        },
        Look::Verifies { key_id, .. } => {
            wire::QuarantineResult { outcome: Outcome::Verifies.into(), key_id: key_id.clone(), ..result }
        }
    }
}
