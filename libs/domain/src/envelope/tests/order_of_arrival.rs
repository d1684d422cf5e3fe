//! Law 1: however webhooks arrive, and however often, one GET at the end makes it the same.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::super::*;
use super::given::*;
use crate::intake::{Claim, Standing};

/// Webhooks of one life in the order they happened, and the GET that ends the story.
#[derive(Clone, Debug)]
struct Life {
    history: Vec<Event>,
    webhooks: Vec<Seen>,
    poll: Seen,
}

/// What must be the same in the end.
fn outcome(life: &Life, arrivals: &[Seen]) -> (Stage, Vec<(u32, Standing)>, Artifact, Payment) {
    let mut envelope = replay(&life.history);
    for seen in arrivals.iter().chain([&life.poll]) {
        for event in decide(&envelope, seen.clone().into()).unwrap() {
            envelope = evolve(envelope, &event);
        }
    }
    let parties = envelope.parties.iter().map(|party| (party.order, party.standing)).collect();
    (envelope.stage, parties, envelope.artifact, envelope.payment)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_provider_without_revisions_may_deliver_in_any_order((life, arrivals) in shuffled(false)) {
        prop_assert_eq!(outcome(&life, &life.webhooks), outcome(&life, &arrivals));
    }

    #[test]
    fn a_provider_with_revisions_may_deliver_in_any_order((life, arrivals) in shuffled(true)) {
        prop_assert_eq!(outcome(&life, &life.webhooks), outcome(&life, &arrivals));
    }
}

/// A life, and its webhooks in any order with any of them repeated.
fn shuffled(revisions: bool) -> impl Strategy<Value = (Life, Vec<Seen>)> {
    let repeats = proptest::collection::vec(any::<Index>(), 0..4);
    (any_life(revisions), repeats).prop_flat_map(|(life, repeats)| {
        let mut arrivals = life.webhooks.clone();
        if !life.webhooks.is_empty() {
            arrivals.extend(repeats.iter().map(|index| index.get(&life.webhooks).clone()));
        }
        (Just(life), Just(arrivals).prop_shuffle())
    })
}

fn any_life(revisions: bool) -> impl Strategy<Value = Life> {
    let start = select(vec![Stage::Creating, Stage::Preparing]);
    let send = select(vec![SendPolicy::Auto, SendPolicy::Review]);
    let end = select(vec![Claim::Completed, Claim::Declined { reason: None }, Claim::Voided, Claim::Expired]);
    (start, send, any::<[bool; 4]>(), end, any::<Index>()).prop_map(
        move |(start, send, [approval, payment, artifact, cut], end, length)| {
            let mut claims = story(revisions && approval, revisions && payment, artifact, &end);
            if cut {
                claims.truncate(1 + length.index(claims.len()));
            }
            let webhooks: Vec<Seen> = claims
                .iter()
                .enumerate()
                .map(|(place, (claim, parties))| {
                    dated(webhook(claim.clone()).parties(*parties, 2), revisions, place)
                })
                .collect();
            let poll = dated(poll_after(&claims), revisions, claims.len());
            Life { history: at_stage_with(start, send), webhooks, poll }
        },
    )
}

type Standings = [(u32, Standing); 2];

/// Two signers, from draft to the end; what each webhook says of both.
fn story(approval: bool, payment: bool, artifact: bool, end: &Claim) -> Vec<(Claim, Standings)> {
    let nobody = [(1, Standing::Waiting), (2, Standing::Waiting)];
    let first_turn = [(1, Standing::Pending), (2, Standing::Waiting)];
    let second_turn = [(1, Standing::Signed), (2, Standing::Pending)];
    let both = [(1, Standing::Signed), (2, Standing::Signed)];
    let mut claims = vec![(Claim::Processing, nobody), (Claim::Draft, nobody)];
    if approval {
        claims.extend([(Claim::ApprovalRequested, nobody), (Claim::ApprovalGranted, nobody)]);
    }
    claims.extend([
        (Claim::Sent, first_turn),
        (Claim::Viewed, first_turn),
        (Claim::PartySigned, second_turn),
    ]);
    if *end != Claim::Completed {
        let declined = [(1, Standing::Signed), (2, Standing::Declined)];
        let last = if matches!(end, Claim::Declined { .. }) { declined } else { second_turn };
        claims.push((end.clone(), last));
        return claims;
    }
    if payment {
        claims.extend([(Claim::PaymentDue, both), (Claim::Paid, both)]);
    }
    claims.push((Claim::Completed, both));
    if artifact {
        claims.push((Claim::ArtifactReady, both));
    }
    claims
}

/// What a GET says after these webhooks: the stage and the parties, nothing of documents.
fn poll_after(claims: &[(Claim, Standings)]) -> Seen {
    let (claim, parties) = claims.last().unwrap();
    let done = matches!(claim, Claim::ArtifactReady | Claim::Paid);
    let claim = if done { &Claim::Completed } else { claim };
    poll(claim.clone()).parties(*parties, 2)
}

fn dated(seen: Seen, revisions: bool, place: usize) -> Seen {
    if revisions { seen.revision(i64::try_from(place).unwrap()) } else { seen }
}
