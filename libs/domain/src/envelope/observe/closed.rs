//! Claims about an envelope that is closed (§5.3 rules 7–9, §5.4): it moves only by the word of a GET, and at a
//! provider whose closed states are final only when a contract turns out to be binding.

use super::super::decision::Decision;
use super::super::event::Event;
use super::super::reason::{Correction, IgnoreReason};
use super::super::stage::Stage;
use super::{News, Verdict, all_signed, facts, open};
use crate::intake::Claim;

/// How it ended. Voided and expired are one end: providers use either word for the other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Completed,
    Declined,
    Cancelled,
    Deleted,
    Failed,
}

/// Weighs a claim; the facts beside the main state are merged already.
pub(super) fn weigh(decision: &mut Decision<'_>, news: &News) -> Verdict {
    let Some(have) = end_of(decision.envelope().stage) else { return Verdict::Ignored(IgnoreReason::Late) };
    match claimed_end(decision, news) {
        Some(told) if told == have => Verdict::Ignored(IgnoreReason::NothingNew),
        Some(told) if news.is_get() => correct(decision, news, have, told),
        Some(told) => {
            // A signer may finish while we void: no mischief, but a GET must tell.
            let race = have == End::Cancelled && told == End::Completed;
            if race || news.reopens || !news.is_conclusive() {
                Verdict::Unclear
            } else {
                Verdict::Ignored(IgnoreReason::Illegal)
            }
        }
        None => weigh_open_claim(decision, news, have),
    }
}

fn end_of(stage: Stage) -> Option<End> {
    match stage {
        Stage::Completed => Some(End::Completed),
        Stage::Declined => Some(End::Declined),
        Stage::Voided | Stage::Expired => Some(End::Cancelled),
        Stage::Deleted => Some(End::Deleted),
        Stage::Failed => Some(End::Failed),
        Stage::Absent
        | Stage::Requested
        | Stage::Creating
        | Stage::Preparing
        | Stage::InReview
        | Stage::NeedsAttention
        | Stage::AwaitingApproval
        | Stage::Sending
        | Stage::Sent
        | Stage::Viewed
        | Stage::PartiallySigned
        | Stage::AwaitingPayment => None,
    }
}

/// The end a claim speaks of; `None` if it speaks of an open envelope or of something beside.
fn claimed_end(decision: &Decision<'_>, news: &News) -> Option<End> {
    match news.seen.claim {
        Claim::Completed | Claim::Paid => Some(End::Completed),
        Claim::PartySigned if all_signed(decision.envelope()) => Some(End::Completed),
        Claim::Declined { .. } => Some(End::Declined),
        Claim::Voided | Claim::Expired => Some(End::Cancelled),
        Claim::Deleted => Some(End::Deleted),
        Claim::PreparationFailed { .. } => Some(End::Failed),
        Claim::Processing
        | Claim::Draft
        | Claim::Scheduled
        | Claim::ApprovalRequested
        | Claim::ApprovalGranted
        | Claim::ApprovalRefused
        | Claim::Sent
        | Claim::Viewed
        | Claim::ChangesSuggested
        | Claim::PartySigned
        | Claim::PaymentDue
        | Claim::ArtifactReady
        | Claim::DataExtracted
        | Claim::Hint => None,
    }
}

/// T22, T24–T26 and the binding contract, by the word of a GET.
fn correct(decision: &mut Decision<'_>, news: &News, have: End, told: End) -> Verdict {
    let at = news.at;
    let expired = decision.envelope().stage == Stage::Expired;
    match (have, told, news.reopens) {
        (End::Cancelled, End::Completed, true) if expired => {
            decision.record(Event::Corrected { to: Correction::Completed, at });
        }
        (End::Cancelled, End::Completed, _) => {
            decision.record(Event::Corrected { to: Correction::CompletedAfterVoid, at });
        }
        (End::Declined, End::Completed, true) => {
            decision.record(Event::Corrected { to: Correction::Completed, at });
        }
        (End::Completed, End::Declined, true) => {
            decision.record(Event::Corrected { to: Correction::Declined, at });
        }
        (End::Cancelled, End::Declined, true) if expired => {
            decision.record(Event::Corrected { to: Correction::Declined, at });
        }
        (End::Failed, _, true) => return revive(decision, news),
        (_, End::Deleted, true) => decision.record(Event::Deleted { at }),
        (End::Completed | End::Declined | End::Cancelled | End::Deleted | End::Failed, _, _) => {
            return Verdict::Ignored(IgnoreReason::Illegal);
        }
    }
    Verdict::Applied
}

/// §5.4: what we called failed exists after all. It begins again, and the claim counts from there.
fn revive(decision: &mut Decision<'_>, news: &News) -> Verdict {
    open::begin_again(decision, news);
    facts::merge(decision, news);
    let _ = open::weigh(decision, news);
    Verdict::Applied
}

/// Rule 7: late news mostly; some of it is strange enough to ask.
fn weigh_open_claim(decision: &mut Decision<'_>, news: &News, have: End) -> Verdict {
    let envelope = decision.envelope();
    let may_reopen = matches!(envelope.stage, Stage::Completed | Stage::Declined | Stage::Expired);
    match news.seen.claim {
        Claim::Scheduled | Claim::DataExtracted => Verdict::Ignored(IgnoreReason::NoEffect),
        Claim::ArtifactReady if have == End::Completed => Verdict::Ignored(IgnoreReason::NothingNew),
        Claim::ArtifactReady => Verdict::Ignored(IgnoreReason::NoEffect),
        Claim::Hint if news.is_get() => Verdict::Ignored(IgnoreReason::NoEffect),
        Claim::Hint => Verdict::Unclear,
        Claim::Draft if may_reopen && news.reopens && news.is_newer(envelope) => open::reopen(decision, news),
        Claim::Processing
        | Claim::Draft
        | Claim::PreparationFailed { .. }
        | Claim::ApprovalRequested
        | Claim::ApprovalGranted
        | Claim::ApprovalRefused
        | Claim::Sent
        | Claim::Viewed
        | Claim::ChangesSuggested
        | Claim::PartySigned
        | Claim::PaymentDue
        | Claim::Paid
        | Claim::Completed
        | Claim::Declined { .. }
        | Claim::Voided
        | Claim::Expired
        | Claim::Deleted => weigh_late(decision, news, have),
    }
}

fn weigh_late(decision: &mut Decision<'_>, news: &News, have: End) -> Verdict {
    let processing = news.seen.claim == Claim::Processing;
    let signed = matches!(news.seen.claim, Claim::PartySigned | Claim::PaymentDue);
    match have {
        End::Failed if processing => Verdict::Ignored(IgnoreReason::Closed),
        End::Failed if !news.reopens => Verdict::Ignored(IgnoreReason::Illegal),
        End::Failed if news.is_get() => revive(decision, news),
        // The GET was overtaken by what closed the envelope, or the provider takes back what it said.
        End::Completed | End::Declined | End::Cancelled | End::Deleted if news.is_get() => {
            Verdict::Ignored(IgnoreReason::Contradiction)
        }
        End::Failed | End::Deleted => Verdict::Unclear,
        End::Declined | End::Cancelled if signed => Verdict::Unclear,
        End::Completed | End::Declined | End::Cancelled => Verdict::Ignored(IgnoreReason::Closed),
    }
}
