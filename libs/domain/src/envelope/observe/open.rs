//! Claims about an envelope that is still open (§5.3 rules 4–6): up in rank, or into a closed state.

use super::super::decision::Decision;
use super::super::event::Event;
use super::super::reason::{Attention, CreateFailure, IgnoreReason, VoidReason};
use super::super::stage::Stage;
use super::super::state::Detection;
use super::{News, Verdict, all_signed, facts};
use crate::intake::Claim;

/// Weighs a claim; the facts beside the main state are merged already.
pub(super) fn weigh(decision: &mut Decision<'_>, news: &News) -> Verdict {
    let at = news.at;
    let envelope = decision.envelope();
    let rank = envelope.stage.rank();
    match &news.seen.claim {
        Claim::Processing => prepare(decision, news, false),
        Claim::Draft if envelope.stage.is_out() => reopen(decision, news),
        Claim::Draft => prepare(decision, news, true),
        Claim::PreparationFailed { reason } => {
            if rank > Stage::InReview.rank() {
                return Verdict::Ignored(IgnoreReason::Late);
            }
            let (failure, reason) = (CreateFailure::ProviderFailed, Some(reason.clone()));
            close(decision, news, Event::Failed { failure, reason, at })
        }
        Claim::ApprovalRequested | Claim::ApprovalGranted | Claim::ApprovalRefused => approve(decision, news),
        Claim::ChangesSuggested => {
            if envelope.attention == Some(Attention::ChangesSuggested) {
                return Verdict::Ignored(IgnoreReason::NothingNew);
            }
            decision.record(Event::AttentionNeeded { attention: Attention::ChangesSuggested, at });
            Verdict::Applied
        }
        Claim::Sent => advance(decision, Stage::Sent, Event::Sent { at }),
        Claim::Viewed => advance(decision, Stage::Viewed, Event::Viewed { at }),
        Claim::PartySigned => {
            // Signed by all and waiting for money is a stage of its own; only a later claim ends it.
            let complete = all_signed(envelope)
                && envelope.stage != Stage::AwaitingPayment
                && knows_total(decision, news);
            if complete { complete_now(decision, news) } else { Verdict::Ignored(IgnoreReason::NothingNew) }
        }
        Claim::PaymentDue => advance(decision, Stage::AwaitingPayment, Event::PaymentDue { at }),
        Claim::Paid | Claim::Completed => complete_now(decision, news),
        Claim::Declined { reason } => close(decision, news, Event::Declined { reason: reason.clone(), at }),
        // One provider says voided when the time ran out, another when we voided because the time ran out.
        Claim::Voided => match envelope.void_requested {
            Some(VoidReason::Deadline) => close(decision, news, Event::Expired { at }),
            Some(VoidReason::Requested) | None => close(decision, news, Event::Voided { at }),
        },
        Claim::Expired => match envelope.void_requested {
            Some(VoidReason::Requested) => close(decision, news, Event::Voided { at }),
            Some(VoidReason::Deadline) | None => close(decision, news, Event::Expired { at }),
        },
        Claim::Deleted => close(decision, news, Event::Deleted { at }),
        Claim::ArtifactReady => Verdict::Ignored(IgnoreReason::NothingNew),
        Claim::Scheduled | Claim::DataExtracted => Verdict::Ignored(IgnoreReason::NoEffect),
        Claim::Hint if news.is_get() => Verdict::Ignored(IgnoreReason::NoEffect),
        Claim::Hint => Verdict::Unclear,
    }
}

/// T23. A draft after the send is late news, unless its revision is newer and a GET says the same.
pub(super) fn reopen(decision: &mut Decision<'_>, news: &News) -> Verdict {
    if !news.reopens || !news.is_newer(decision.envelope()) {
        return Verdict::Ignored(IgnoreReason::Late);
    }
    if !news.is_get() {
        return Verdict::Unclear;
    }
    begin_again(decision, news);
    // The draft may be in trouble; it cannot send itself from here, that is left to a person.
    let _ = prepare(decision, news, true);
    Verdict::Applied
}

/// The revision goes first: what is older than it belongs to the generation that ends here.
pub(super) fn begin_again(decision: &mut Decision<'_>, news: &News) {
    let at = news.at;
    if let (Some(revision), true) = (news.seen.revision, news.is_newer(decision.envelope())) {
        decision.record(Event::RevisionMoved { revision, at });
    }
    decision.record(Event::Reopened { at });
    facts::merge_fields(decision, news);
}

/// T5–T8: how far the provider's preparation has come.
fn prepare(decision: &mut Decision<'_>, news: &News, draft: bool) -> Verdict {
    let at = news.at;
    let envelope = decision.envelope();
    let detection = news.seen.detection;
    let trouble = match detection {
        Some(Detection::Failed) => Some(Attention::DetectionFailed),
        Some(Detection::RecoveredEmpty) => Some(Attention::NoFields),
        Some(Detection::Pending | Detection::Ready) | None => None,
    };
    let ready = detection == Some(Detection::Ready) || (detection.is_none() && draft);
    // What a person brought up, a person must settle; what detection brought up, detection may settle (T8).
    let settled = match envelope.attention {
        None | Some(Attention::PreparationSlow) => true,
        Some(Attention::DetectionFailed | Attention::NoFields) => detection.is_some(),
        Some(Attention::ApprovalRefused | Attention::ChangesSuggested | Attention::FieldsMoving) => false,
    };
    match envelope.stage {
        Stage::Preparing | Stage::InReview | Stage::NeedsAttention => match trouble {
            Some(attention) if settled && envelope.attention != Some(attention) => {
                decision.record(Event::AttentionNeeded { attention, at });
                Verdict::Applied
            }
            None if ready && settled && envelope.stage != Stage::InReview => {
                if !news.is_conclusive() {
                    return Verdict::Unclear;
                }
                decision.ready_for_review(at);
                Verdict::Applied
            }
            Some(_) | None => Verdict::Ignored(IgnoreReason::NothingNew),
        },
        // The approval was withdrawn or refused without our hearing of it.
        Stage::AwaitingApproval if draft && news.is_get() && news.reopens && news.is_newer(envelope) => {
            decision.record(Event::AttentionNeeded { attention: Attention::ApprovalRefused, at });
            Verdict::Applied
        }
        Stage::Absent
        | Stage::Requested
        | Stage::Creating
        | Stage::AwaitingApproval
        | Stage::Sending
        | Stage::Sent
        | Stage::Viewed
        | Stage::PartiallySigned
        | Stage::AwaitingPayment
        | Stage::Completed
        | Stage::Declined
        | Stage::Voided
        | Stage::Expired
        | Stage::Failed
        | Stage::Deleted => Verdict::Ignored(IgnoreReason::Late),
    }
}

/// T9–T11. An approval that interrupts our own send is believed only when a call or a GET says so.
fn approve(decision: &mut Decision<'_>, news: &News) -> Verdict {
    let at = news.at;
    let envelope = decision.envelope();
    let rank = envelope.stage.rank();
    let waits = envelope.stage == Stage::AwaitingApproval;
    let refused = envelope.attention == Some(Attention::ApprovalRefused);
    let asks = news.seen.claim == Claim::ApprovalRequested;
    let grants = news.seen.claim == Claim::ApprovalGranted;
    if envelope.stage.is_out() {
        return Verdict::Ignored(IgnoreReason::Late);
    }
    if envelope.stage == Stage::Sending {
        return match (asks, news.source) {
            (true, super::Source::Webhook) => Verdict::Unclear,
            (true, super::Source::Poll | super::Source::Reconciliation | super::Source::Call) => {
                decision.record(Event::ApprovalRequested { at });
                Verdict::Applied
            }
            (false, _) => Verdict::Ignored(IgnoreReason::Late),
        };
    }
    if asks && !waits {
        decision.record(Event::ApprovalRequested { at });
    } else if grants && (waits || rank < Stage::InReview.rank() || (refused && news.is_get())) {
        decision.ready_for_review(at);
    } else if !asks && !grants && !refused {
        decision.record(Event::AttentionNeeded { attention: Attention::ApprovalRefused, at });
    } else {
        return Verdict::Ignored(IgnoreReason::NothingNew);
    }
    Verdict::Applied
}

fn advance(decision: &mut Decision<'_>, stage: Stage, event: Event) -> Verdict {
    let rank = decision.envelope().stage.rank();
    if rank == stage.rank() {
        return Verdict::Ignored(IgnoreReason::NothingNew);
    }
    if rank > stage.rank() {
        return Verdict::Ignored(IgnoreReason::Late);
    }
    decision.record(event);
    Verdict::Applied
}

/// Of an adopted envelope we know the number of signers only from the provider.
fn knows_total(decision: &Decision<'_>, news: &News) -> bool {
    decision.envelope().order.is_some() || news.seen.total.is_some()
}

/// T18, and rule 9: a webhook's word is good, but a GET is to confirm it.
fn complete_now(decision: &mut Decision<'_>, news: &News) -> Verdict {
    let verdict = close(decision, news, Event::Completed { confirmed: news.is_get(), at: news.at });
    if !news.is_get() {
        decision.request_confirmation(news.at);
    }
    verdict
}

/// T18–T22: what ends an envelope must be beyond doubt.
fn close(decision: &mut Decision<'_>, news: &News, event: Event) -> Verdict {
    if !news.is_conclusive() {
        return Verdict::Unclear;
    }
    decision.record(event);
    Verdict::Applied
}
