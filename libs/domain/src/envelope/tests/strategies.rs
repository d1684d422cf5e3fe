//! Lives and wishes at random.

use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::*;
use super::given::*;
use crate::intake::{Claim, Standing};
use crate::personal::Personal;
use crate::time::Timestamp;

/// Every claim a provider may make.
pub fn claims() -> Vec<Claim> {
    vec![
        Claim::Processing,
        Claim::Draft,
        Claim::PreparationFailed { reason: Personal::new("no") },
        Claim::Scheduled,
        Claim::ApprovalRequested,
        Claim::ApprovalGranted,
        Claim::ApprovalRefused,
        Claim::Sent,
        Claim::Viewed,
        Claim::ChangesSuggested,
        Claim::PartySigned,
        Claim::PaymentDue,
        Claim::Paid,
        Claim::Completed,
        Claim::Declined { reason: None },
        Claim::Voided,
        Claim::Expired,
        Claim::Deleted,
        Claim::ArtifactReady,
        Claim::DataExtracted,
        Claim::Hint,
    ]
}

pub fn any_standing() -> impl Strategy<Value = Standing> {
    select(vec![Standing::Waiting, Standing::Pending, Standing::Signed, Standing::Declined])
}

/// Any time within two months of the story.
fn any_time() -> impl Strategy<Value = Timestamp> {
    (0u64..60 * 24).prop_map(|hours| AT.after(Duration::from_secs(hours * 3_600)))
}

/// Any observation, of a provider that reopens or of one that does not.
pub fn any_observation(reopens: bool) -> impl Strategy<Value = Command> {
    let source =
        select(vec![Source::Webhook, Source::Webhook, Source::Poll, Source::Call, Source::Reconciliation]);
    let detection = select(vec![
        None,
        Some(Detection::Pending),
        Some(Detection::Ready),
        Some(Detection::Failed),
        Some(Detection::RecoveredEmpty),
    ]);
    let facts = (detection, option::of(0u64..4), option::of(0i64..8), any::<bool>());
    let parties = (vec((0u32..5, any_standing()), 0..3), option::of(0u32..4));
    let place = (select(vec!["prov-1", "prov-1", "prov-1", "prov-2"]), any_time());
    (select(claims()), source, facts, parties, place).prop_map(
        move |(claim, source, facts, parties, place)| {
            let mut seen = webhook(claim).of(place.0);
            (seen.source, seen.at, seen.reopens) = (source, place.1, reopens);
            let said = &mut seen.observation;
            (said.detection, said.fields_version, said.revision, said.conclusive) = facts;
            (said.parties, said.total) = (news(parties.0), parties.1);
            seen.into()
        },
    )
}

/// Any wish of ours.
pub fn any_wish() -> impl Strategy<Value = Command> {
    let holds = vec![
        HoldReason::CreditsExhausted,
        HoldReason::NotReady,
        HoldReason::VersionMoved,
        HoldReason::Locked,
    ];
    let timers = vec![
        TimerKind::PollPreparation,
        TimerKind::PreparationDeadline,
        TimerKind::PollReview,
        TimerKind::PollProgress,
        TimerKind::Reminder,
        TimerKind::Deadline,
    ];
    let parts =
        (select(holds), select(timers), any::<bool>(), select(vec![SendPolicy::Auto, SendPolicy::Review]));
    (0u8..20, any_time(), parts).prop_map(|(which, at, (reason, timer, flag, send))| match which {
        0 => Command::Request { order: Box::new(Order { send, ..order() }), at },
        1 => Command::Adopt { adoption: adoption(), at },
        2 => Command::StartCreate { way: flag.then(|| "parcel".to_owned()), at },
        3 => Command::ConfirmCreated { provider_id: provider_id(), review_link: None, sent: flag, at },
        4 => Command::FailCreate { failure: CreateFailure::Exhausted, reason: None, at },
        5 | 6 => Command::RequestSend { at },
        7 => Command::HoldSend { reason, at },
        8 => Command::ResumeSend { at },
        9 => Command::RequestVoid {
            reason: if flag { VoidReason::Deadline } else { VoidReason::Requested },
            at,
        },
        10 => Command::RefuseVoid { at },
        11 => Command::RequestReminder { at },
        12 => Command::StoreArtifact { digest: Digest([1; 32]), bytes: 10, at },
        13 => Command::GiveUpArtifact { at },
        14 => Command::StartReminder { number: 1, at },
        16 => Command::ConfirmFieldsEdited { fields_version: 7, at },
        15 => Command::PutOffReminder { number: 1, at },
        _ => Command::Fire { timer, at },
    })
}

/// Any wish or observation; observations more often, as in life.
pub fn any_command(reopens: bool) -> impl Strategy<Value = Command> {
    prop_oneof![2 => any_wish().boxed(), 3 => any_observation(reopens).boxed()]
}

/// A history that begins at any stage and goes on at random.
pub fn any_life(reopens: bool) -> impl Strategy<Value = (Vec<Event>, Vec<Command>)> {
    let start = (select(Stage::ALL.to_vec()), select(vec![SendPolicy::Auto, SendPolicy::Review]));
    let start = start.prop_map(|(stage, send)| at_stage_with(stage, send));
    (start, vec(any_command(reopens), 0..40))
}
