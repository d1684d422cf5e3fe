//! Which life of a record speaks for it.
//!
//! After an envelope ended without a contract the record may ask for another one. What the ended one has still to
//! say, because the CRM did not take it in time, must not cover what the later one says.

use contracts::wire::envelope as wire;
use domain::envelope::{Envelope, Stage};
use domain::ids::EnvelopeId;

use crate::orchestrator::{AskError, Orchestrator};
use crate::request::wire_record;

/// Whether a later envelope of the same record and flow speaks for the record.
pub async fn is_over(
    orchestrator: &Orchestrator,
    id: &EnvelopeId,
    ours: &Envelope,
) -> Result<bool, AskError> {
    let (Some(record), Some(flow), Some(requested_at)) = (ours.record(), ours.flow(), ours.requested_at)
    else {
        return Ok(false);
    };
    if ours.order.is_none() || !ended_without_contract(ours.stage) {
        return Ok(false);
    }
    let all = orchestrator.of_record(&wire_record(record), flow.as_str(), 0).await?;
    Ok(has_later(&all, &id.to_string(), requested_at.0))
}

fn has_later(all: &[wire::Envelope], ours: &str, requested_at_ms: i64) -> bool {
    all.iter().any(|other| other.envelope_id != ours && other.requested_at_ms > requested_at_ms)
}

const fn ended_without_contract(stage: Stage) -> bool {
    matches!(stage, Stage::Declined | Stage::Voided | Stage::Expired | Stage::Failed | Stage::Deleted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(id: &str, requested_at_ms: i64) -> wire::Envelope {
        wire::Envelope { envelope_id: id.to_owned(), requested_at_ms, ..wire::Envelope::default() }
    }

    #[test]
    fn an_ended_life_is_silent_once_a_later_one_was_asked_for() {
        let lives = [life("second", 2), life("first", 1)];
        assert!(has_later(&lives, "first", 1));
        assert!(!has_later(&lives, "second", 2));
        assert!(!has_later(&[life("first", 1)], "first", 1));
    }
}
