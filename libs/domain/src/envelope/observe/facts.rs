//! What is kept beside the main state and only grows: it may come in any order.

use super::super::decision::Decision;
use super::super::event::Event;
use super::super::evolve::{PARTIES_KNOWN_MAX, moves_forward};
use super::super::stage::Stage;
use super::super::state::{Artifact, Envelope, Payment};
use super::News;
use crate::intake::{Claim, PartyNews, Standing};

/// §5.4: a webhook overtook the create call, or its answer was lost. T3, then the claim counts as usual.
pub(super) fn adopt_id(decision: &mut Decision<'_>, news: &News) {
    let (provider_id, review_link) = (news.seen.provider_id.clone(), news.seen.review_link.clone());
    decision.created(Event::Created { provider_id, review_link, at: news.at }, news.at);
}

/// Field detection, the fields' version and the review link, while they matter: until it is sent.
pub(super) fn merge_fields(decision: &mut Decision<'_>, news: &News) {
    let envelope = decision.envelope();
    if !(Stage::Preparing.rank()..Stage::Sent.rank()).contains(&envelope.stage.rank()) {
        return;
    }
    let at = news.at;
    let link_is_new = envelope.review_link.is_none() && news.seen.review_link.is_some();
    // Detection belongs to a draft; whoever speaks of approvals or signers is beyond it.
    let speaks_of_draft = matches!(news.seen.claim, Claim::Processing | Claim::Draft);
    let detection = news.seen.detection.filter(|_| speaks_of_draft).unwrap_or(envelope.detection);
    let fields_version = news.seen.fields_version.or(envelope.fields_version);
    if detection != envelope.detection || fields_version != envelope.fields_version {
        decision.record(Event::FieldsChanged { detection, fields_version, at });
    }
    if link_is_new {
        let (provider_id, review_link) = (news.seen.provider_id.clone(), news.seen.review_link.clone());
        decision.record(Event::Created { provider_id, review_link, at });
    }
}

/// Parties, payment and artifact.
pub(super) fn merge(decision: &mut Decision<'_>, news: &News) {
    // A draft has no signatures that count; those it may show are of the generation that it ends.
    if !is_before_sending(&news.seen.claim) {
        merge_parties(decision, news);
    }
    let envelope = decision.envelope();
    if envelope.stage.is_closed() && envelope.stage != Stage::Completed {
        return;
    }
    let at = news.at;
    match news.seen.claim {
        Claim::Paid if envelope.payment != Payment::Paid => decision.record(Event::Paid { at }),
        Claim::PaymentDue if envelope.payment == Payment::None => decision.record(Event::PaymentDue { at }),
        Claim::ArtifactReady if !matches!(envelope.artifact, Artifact::Ready | Artifact::Stored { .. }) => {
            decision.record(Event::ArtifactReady { at });
        }
        Claim::Processing
        | Claim::Draft
        | Claim::PreparationFailed { .. }
        | Claim::Scheduled
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
        | Claim::Deleted
        | Claim::ArtifactReady
        | Claim::DataExtracted
        | Claim::Hint => {}
    }
}

fn is_before_sending(claim: &Claim) -> bool {
    matches!(
        claim,
        Claim::Processing
            | Claim::Draft
            | Claim::PreparationFailed { .. }
            | Claim::Scheduled
            | Claim::ApprovalRequested
            | Claim::ApprovalGranted
            | Claim::ApprovalRefused
    )
}

/// Only what moves a party forward, and the number of parties where it differs from ours.
fn merge_parties(decision: &mut Decision<'_>, news: &News) {
    let envelope = decision.envelope();
    let mut parties: Vec<PartyNews> = Vec::new();
    for said in news.seen.parties.iter().filter(|said| (1..=PARTIES_KNOWN_MAX).contains(&said.order)) {
        if moves_forward(standing(envelope, said.order), said.standing) && !parties.contains(said) {
            parties.push(said.clone());
        }
    }
    let total = total(envelope, news);
    let others = |order: u32| !envelope.parties.iter().any(|party| party.order == order);
    let renumbered = said_total(news).is_some()
        && ((1..=total).any(others)
            || envelope
                .parties
                .iter()
                .any(|party| party.order > total && party.standing != Standing::Signed));
    // Somebody signed, we are not told who: that is a fact as well, once.
    let anonymous = news.seen.claim == Claim::PartySigned
        && news.seen.parties.is_empty()
        && envelope.stage.rank() < Stage::PartiallySigned.rank();
    let silent = !renumbered && !anonymous;
    if parties.is_empty() && silent {
        return;
    }
    if parties.is_empty() && !anonymous {
        // An empty list would say that somebody signed; repeat what is known of the first party instead.
        parties.push(PartyNews { order: 1, standing: standing(envelope, 1) });
    }
    decision.record(Event::PartiesProgressed { parties, total, at: news.at });
}

fn standing(envelope: &Envelope, order: u32) -> Standing {
    let known = envelope.parties.iter().find(|party| party.order == order);
    known.map_or(Standing::Waiting, |party| party.standing)
}

/// How many parties there are: the provider's word, else what we know, but no fewer than it speaks of.
fn total(envelope: &Envelope, news: &News) -> u32 {
    let known = envelope.parties.iter().map(|party| party.order).max().unwrap_or(0);
    let named = news.seen.parties.iter().map(|said| said.order).max().unwrap_or(0);
    said_total(news).unwrap_or(known).max(named).min(PARTIES_KNOWN_MAX)
}

/// Nobody to sign is no number of signers.
fn said_total(news: &News) -> Option<u32> {
    news.seen.total.filter(|total| *total > 0)
}
