//! What an observation means: the rules of lifecycle.md §5.3 and §5.4.
//!
//! Facts that only grow (parties, payment, artifact, fields) are merged whenever they come, as long as they
//! belong to the present generation; the claim itself moves the stage by the rules of `open` or `closed`.

mod closed;
mod facts;
mod open;

use super::command::{Observation, Source};
use super::decision::Decision;
use super::event::Event;
use super::reason::IgnoreReason;
use super::stage::Stage;
use super::state::{Artifact, Envelope};
use crate::intake::{Claim, Standing};
use crate::time::Timestamp;

/// An observation, where it comes from, and what its provider is capable of.
pub(super) struct News {
    pub(super) seen: Observation,
    pub(super) source: Source,
    pub(super) reopens: bool,
    pub(super) at: Timestamp,
}

impl News {
    /// Whether it is the answer of a GET: the provider's present truth.
    fn is_get(&self) -> bool {
        match self.source {
            Source::Poll | Source::Reconciliation => true,
            Source::Webhook | Source::Call => false,
        }
    }

    /// Whether it counts without a GET: a GET always does.
    fn is_conclusive(&self) -> bool {
        self.seen.conclusive || self.is_get()
    }

    /// §5.3 rule 3. Without a revision nothing is stale.
    fn is_stale(&self, envelope: &Envelope) -> bool {
        matches!((self.seen.revision, envelope.revision), (Some(seen), Some(known)) if seen < known)
    }

    fn is_newer(&self, envelope: &Envelope) -> bool {
        self.seen.revision.is_some_and(|seen| envelope.revision.is_none_or(|known| seen > known))
    }

    /// Whether it belongs to the time before the provider reopened the envelope.
    fn is_of_earlier_generation(&self, envelope: &Envelope) -> bool {
        matches!((self.seen.revision, envelope.generation_floor), (Some(seen), Some(floor)) if seen < floor)
    }
}

/// What became of a claim.
enum Verdict {
    /// It is a fact now.
    Applied,
    /// Only a GET can tell.
    Unclear,
    /// It changed nothing.
    Ignored(IgnoreReason),
}

/// Records what follows from an observation. Never refuses: news is weighed, not obeyed.
pub(super) fn observe(decision: &mut Decision<'_>, news: &News) {
    let known = decision.envelope().provider_id.as_ref();
    if known.is_some_and(|known| *known != news.seen.provider_id) {
        return ignore(decision, news, IgnoreReason::Contradiction);
    }
    if decision.envelope().provider_id.is_none() {
        facts::adopt_id(decision, news);
    }
    let verdict =
        if news.is_stale(decision.envelope()) { weigh_stale(decision, news) } else { weigh(decision, news) };
    settle(decision, news, &verdict);
    mark(decision, news);
}

fn weigh(decision: &mut Decision<'_>, news: &News) -> Verdict {
    let recorded = decision.len();
    // These two claims are older than any signature, so they go first; all others are weighed with the parties.
    let facts_last = matches!(news.seen.claim, Claim::Sent | Claim::Viewed);
    facts::merge_fields(decision, news);
    if !facts_last {
        facts::merge(decision, news);
    }
    let closed = decision.envelope().stage.is_closed();
    let verdict = if closed { closed::weigh(decision, news) } else { open::weigh(decision, news) };
    // An envelope that was reopened or corrected takes facts it had no place for before.
    if facts_last || matches!(verdict, Verdict::Applied) {
        facts::merge_fields(decision, news);
        facts::merge(decision, news);
    }
    match verdict {
        // What was merged on the way is worth remembering up to which revision.
        Verdict::Ignored(IgnoreReason::NothingNew) if decision.len() > recorded => Verdict::Applied,
        Verdict::Ignored(_) | Verdict::Applied | Verdict::Unclear => verdict,
    }
}

/// Overtaken news: what only grows is kept, the stage is not moved; an end that was overtaken is looked into.
fn weigh_stale(decision: &mut Decision<'_>, news: &News) -> Verdict {
    if news.is_of_earlier_generation(decision.envelope()) {
        return Verdict::Ignored(IgnoreReason::Stale);
    }
    facts::merge(decision, news);
    let ends = matches!(
        news.seen.claim,
        Claim::Completed
            | Claim::Paid
            | Claim::Declined { .. }
            | Claim::Voided
            | Claim::Expired
            | Claim::Deleted
    );
    if ends && !decision.envelope().stage.is_closed() && !news.is_get() {
        return Verdict::Unclear;
    }
    Verdict::Ignored(IgnoreReason::Stale)
}

/// Leaves the trace of the verdict, answers an open question, and asks the next one.
fn settle(decision: &mut Decision<'_>, news: &News, verdict: &Verdict) {
    let at = news.at;
    match verdict {
        Verdict::Applied => {
            if let (Some(revision), true) = (news.seen.revision, news.is_newer(decision.envelope())) {
                decision.record(Event::RevisionMoved { revision, at });
            }
        }
        Verdict::Unclear => {
            decision.request_confirmation(at);
            ignore_unless_recorded(decision, news, IgnoreReason::Contradiction);
        }
        Verdict::Ignored(reason @ (IgnoreReason::Illegal | IgnoreReason::Contradiction)) => {
            ignore(decision, news, *reason);
            if !news.is_get() {
                decision.request_confirmation(at);
            }
        }
        Verdict::Ignored(reason @ IgnoreReason::Stale) => {
            if decision.is_empty() {
                ignore(decision, news, *reason);
            }
        }
        Verdict::Ignored(
            reason @ (IgnoreReason::NothingNew
            | IgnoreReason::Late
            | IgnoreReason::Closed
            | IgnoreReason::NoEffect),
        ) => {
            if news.source == Source::Webhook {
                ignore_unless_recorded(decision, news, *reason);
            }
        }
    }
    let envelope = decision.envelope();
    if news.is_get() {
        if answers(envelope, verdict) {
            decision.record(Event::Confirmed { at });
        }
    } else if awaits_completion(envelope) || has_its_document_early(envelope) {
        decision.request_confirmation(at);
    }
}

/// What a sweep found is told apart from what a webhook told, so that nothing is mended silently. A question that was
/// merely answered is no finding.
fn mark(decision: &mut Decision<'_>, news: &News) {
    if news.source == Source::Reconciliation && decision.events().iter().any(is_finding) {
        let claim = news.seen.claim.name().to_owned();
        decision.record(Event::Reconciled { claim, at: news.at });
    }
}

fn is_finding(event: &Event) -> bool {
    !matches!(
        event,
        Event::SignalIgnored { .. }
            | Event::ConfirmationRequested { .. }
            | Event::Confirmed { .. }
            | Event::RevisionMoved { .. }
    )
}

/// Whether this GET settled a question: that of an open envelope by any answer, that of a closed one by assent.
fn answers(envelope: &Envelope, verdict: &Verdict) -> bool {
    let closed = envelope.stage.is_closed();
    let asked = envelope.confirmation_requested || (closed && !envelope.confirmed);
    asked
        && match verdict {
            Verdict::Applied | Verdict::Ignored(IgnoreReason::NothingNew) => true,
            Verdict::Ignored(IgnoreReason::Late | IgnoreReason::NoEffect) => !closed,
            Verdict::Unclear
            | Verdict::Ignored(
                IgnoreReason::Stale
                | IgnoreReason::Closed
                | IgnoreReason::Illegal
                | IgnoreReason::Contradiction,
            ) => false,
        }
}

/// T18 waits for the GET: everybody we know of has signed, but nobody has said that it is done.
fn awaits_completion(envelope: &Envelope) -> bool {
    envelope.stage == Stage::PartiallySigned && all_signed(envelope)
}

/// §5.4: there is a signed document, so it must be over, but nobody has said so: that news may be lost.
fn has_its_document_early(envelope: &Envelope) -> bool {
    envelope.artifact == Artifact::Ready && !envelope.stage.is_closed()
}

/// Whether every party we know of has signed, of at least one.
pub(super) fn all_signed(envelope: &Envelope) -> bool {
    !envelope.parties.is_empty() && envelope.parties.iter().all(|party| party.standing == Standing::Signed)
}

fn ignore_unless_recorded(decision: &mut Decision<'_>, news: &News, reason: IgnoreReason) {
    if decision.is_empty() {
        ignore(decision, news, reason);
    }
}

fn ignore(decision: &mut Decision<'_>, news: &News, reason: IgnoreReason) {
    decision.record(Event::SignalIgnored { claim: news.seen.claim.name().to_owned(), reason, at: news.at });
}
