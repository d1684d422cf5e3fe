//! What a person must look at: the provider contradicts an end, keeps a signed document, refuses our key, has a second
//! document of an envelope, or somebody there keeps one open that is to be sent.
//!
//! Each is counted by its kind (alert rules look at the number) and said once with a code that has a page.

use domain::envelope::{Correction, Envelope, Event, IgnoreReason, Stage};
use domain::ids::{ConnectionId, ProviderEnvelopeId};

use crate::store::Subject;

/// A closed state that is final at its provider was contradicted.
const ILLEGAL: &str = "illegal";
/// T25: what was completed is declined now.
const WITHDRAWN: &str = "withdrawn";
/// A signer was faster than our void: the contract is binding.
const OVERTAKEN: &str = "overtaken";
/// What had failed for good exists after all.
const REVIVED: &str = "revived";
/// The signed document was given up.
const ARTIFACT: &str = "artifact";
/// A call was answered 401 or 403.
const KEY: &str = "key";
/// The provider has another document that names an envelope of ours.
const TWIN: &str = "twin";

/// The provider does not know an envelope of ours any more.
const GONE: &str = "gone";
/// An envelope cannot go on without a person.
const ATTENTION: &str = "attention";
/// Somebody keeps a document open that is to be sent.
const LOCKED: &str = "locked";

/// All of them.
const KINDS: [&str; 10] =
    [ILLEGAL, WITHDRAWN, OVERTAKEN, REVIVED, ARTIFACT, KEY, TWIN, GONE, ATTENTION, LOCKED];

/// Shows every kind as 0, so that the first one of a process is a rise that an alert rule sees.
pub fn prepare() {
    KINDS.into_iter().for_each(|kind| count(kind, 0));
    unknown_statuses(0);
}

/// Counts what a person must look at in this event, and says so. `before` is the envelope that it befell.
pub fn raise(subject: &Subject, before: &Envelope, event: &Event) {
    let Some(kind) = kind(before.stage, event) else { return };
    count(kind, 1);
    if let Event::AttentionNeeded { attention, .. } = event {
        tracing::warn!(envelope.id = %subject.id, ?attention, "CS-ORCH-011: an envelope cannot go on without a person");
    } else if kind != ARTIFACT {
        // Who gives a document up says why.
        let stage = before.stage.name();
        tracing::warn!(envelope.id = %subject.id, kind, stage, "CS-ORCH-007: the provider contradicts an end");
    }
}

/// Counts and says that a provider refuses our key, or does not allow it to this account.
pub fn key_refused(connection: &ConnectionId, reason: &str) {
    count(KEY, 1);
    tracing::error!(%connection, reason, "CS-ORCH-005: the provider refuses our key");
}

/// Counts answers whose status nobody here knows; the adapter has said which.
pub fn unknown_statuses(times: u64) {
    metrics::counter!("orchestrator_unknown_statuses_total").increment(times);
}

/// Counts and says that the provider does not know an envelope any more: it was deleted there, or the account is another.
/// One that we ended is not missed: at some providers a draft ends by being deleted.
pub fn gone(subject: &Subject, envelope: &Envelope) {
    if !is_missed(envelope) {
        return;
    }
    count(GONE, 1);
    tracing::warn!(envelope.id = %subject.id, "CS-ORCH-010: the provider does not know the envelope any more");
}

/// Counts and says that a document names an envelope which is another document.
pub fn twin(subject: &Subject, provider_id: &ProviderEnvelopeId) {
    count(TWIN, 1);
    tracing::warn!(envelope.id = %subject.id, provider.id = %provider_id, "CS-ORCH-009: a second document of an envelope");
}

/// Counts and says that a send has waited for too long for somebody to close the document.
pub fn locked(subject: &Subject) {
    count(LOCKED, 1);
    tracing::warn!(envelope.id = %subject.id, "CS-ORCH-012: somebody keeps a document open that is to be sent");
}

fn count(kind: &'static str, times: u64) {
    metrics::counter!("orchestrator_alarms_total", "kind" => kind).increment(times);
}

/// Whether nobody has ended the envelope, or is about to.
fn is_missed(envelope: &Envelope) -> bool {
    let ended = matches!(envelope.stage, Stage::Voided | Stage::Expired | Stage::Deleted);
    !ended && envelope.void_requested.is_none()
}

fn kind(before: Stage, event: &Event) -> Option<&'static str> {
    if let Event::Corrected { to, .. } = event {
        return match to {
            Correction::CompletedAfterVoid => Some(OVERTAKEN),
            Correction::Declined if before == Stage::Completed => Some(WITHDRAWN),
            // T24, T26: the provider's own news, which the contract wants followed and nobody woken for.
            Correction::Completed | Correction::Declined => None,
        };
    }
    if before == Stage::Failed && matches!(event, Event::Reopened { .. }) {
        return Some(REVIVED);
    }
    if matches!(event, Event::SignalIgnored { reason: IgnoreReason::Illegal, .. }) {
        return Some(ILLEGAL);
    }
    if matches!(event, Event::AttentionNeeded { .. }) {
        return Some(ATTENTION);
    }
    matches!(event, Event::ArtifactUnavailable { .. }).then_some(ARTIFACT)
}

#[cfg(test)]
mod tests {
    use domain::envelope::{Attention, VoidReason};
    use domain::time::Timestamp;

    use super::*;

    const AT: Timestamp = Timestamp(1);

    #[test]
    fn only_what_nobody_ended_is_missed() {
        for stage in Stage::ALL {
            let envelope = Envelope { stage, ..Envelope::default() };
            let ended = matches!(stage, Stage::Voided | Stage::Expired | Stage::Deleted);
            assert_eq!(is_missed(&envelope), !ended, "{stage:?}");
            let asked = Envelope { void_requested: Some(VoidReason::Requested), ..envelope };
            assert!(!is_missed(&asked), "{stage:?}");
        }
    }

    fn corrected(to: Correction) -> Event {
        Event::Corrected { to, at: AT }
    }

    fn ignored(reason: IgnoreReason) -> Event {
        Event::SignalIgnored { claim: "voided".to_owned(), reason, at: AT }
    }

    #[test]
    fn a_completion_that_is_taken_back_wakes_a_person_and_an_expiry_that_becomes_a_refusal_does_not() {
        assert_eq!(kind(Stage::Completed, &corrected(Correction::Declined)), Some(WITHDRAWN));
        assert_eq!(kind(Stage::Expired, &corrected(Correction::Declined)), None);
    }

    #[test]
    fn a_void_that_turns_out_signed_wakes_a_person_and_a_refusal_that_does_not() {
        assert_eq!(kind(Stage::Voided, &corrected(Correction::CompletedAfterVoid)), Some(OVERTAKEN));
        assert_eq!(kind(Stage::Declined, &corrected(Correction::Completed)), None);
    }

    #[test]
    fn only_a_claim_against_a_final_end_is_an_alarm_among_what_changes_nothing() {
        assert_eq!(kind(Stage::Completed, &ignored(IgnoreReason::Illegal)), Some(ILLEGAL));
        for reason in [IgnoreReason::Late, IgnoreReason::Stale, IgnoreReason::Closed, IgnoreReason::NoEffect]
        {
            assert_eq!(kind(Stage::Completed, &ignored(reason)), None);
        }
    }

    #[test]
    fn what_had_failed_and_lives_is_an_alarm_and_an_ordinary_reopening_is_none() {
        assert_eq!(kind(Stage::Failed, &Event::Reopened { at: AT }), Some(REVIVED));
        assert_eq!(kind(Stage::Declined, &Event::Reopened { at: AT }), None);
    }

    #[test]
    fn a_signed_document_that_is_given_up_is_an_alarm() {
        assert_eq!(kind(Stage::Completed, &Event::ArtifactUnavailable { at: AT }), Some(ARTIFACT));
    }

    #[test]
    fn a_preparation_that_does_not_end_is_an_alarm() {
        let slow = Event::AttentionNeeded { attention: Attention::PreparationSlow, at: AT };
        assert_eq!(kind(Stage::Preparing, &slow), Some(ATTENTION));
    }
}
