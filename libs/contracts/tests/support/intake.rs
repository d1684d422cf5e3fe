//! Events of the categories intake and parked.

use contracts::intake::{
    Accepted, DiscardCause, Discarded, Duplicated, IntakeEvent, Named, Quarantined, Raw, Refused, Released,
    quarantine_group, quarantined_group,
};
use contracts::parked::{ERASED, Parked, ParkedEvent};
use domain::envelope::Digest;
use domain::ids::ConnectionId;
use domain::intake::{
    Actor, Claim, EnvelopeNews, Meaning, NoMeaning, PartyNews, RecordChange, Refusal, Standing,
};
use domain::personal::Personal;

use super::{AT, correlation_entries};

fn connection() -> ConnectionId {
    "atlas-main".parse().unwrap()
}

pub fn accepted(meaning: Meaning) -> IntakeEvent {
    IntakeEvent::Accepted(Box::new(Accepted {
        connection: connection(),
        delivery_id: "d-1f00".to_owned(),
        key_id: "k1".to_owned(),
        event: "envelope.signed".to_owned(),
        dedupe: Digest([3; 32]),
        subject: "env_4f2a".to_owned(),
        occurred_at: Some(AT),
        received_at: AT,
        meaning,
        replayed: false,
        raw: Raw::Inline(br#"{"signer":"dana@buyer.test"}"#.to_vec()),
    }))
}

pub fn news(claim: Claim) -> Meaning {
    Meaning::Envelope(EnvelopeNews {
        provider_id: "env_4f2a".parse().unwrap(),
        claim,
        correlation: correlation_entries(),
        revision: Some(12),
        parties: vec![PartyNews { order: 1, standing: Standing::Signed }],
        conclusive: false,
    })
}

pub fn change() -> Meaning {
    Meaning::Record(RecordChange {
        account: "44001122".to_owned(),
        object_type: "deal".to_owned(),
        object_id: "20417".to_owned(),
        property: "dealstage".to_owned(),
        value: Personal::new("contractsent"),
        changed_at: AT,
        actor: Actor::Human,
        actor_id: "userId:99".to_owned(),
    })
}

/// Every claim there is.
pub fn claims() -> Vec<Claim> {
    let reason = || Personal::new("Dana said no");
    vec![
        Claim::Processing,
        Claim::Draft,
        Claim::PreparationFailed { reason: reason() },
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
        Claim::Declined { reason: Some(reason()) },
        Claim::Declined { reason: None },
        Claim::Voided,
        Claim::Expired,
        Claim::Deleted,
        Claim::ArtifactReady,
        Claim::DataExtracted,
        Claim::Hint,
    ]
}

pub fn intake_events() -> Vec<(&'static str, IntakeEvent)> {
    let stored = match accepted(Meaning::Nothing(NoMeaning::Unreadable)) {
        IntakeEvent::Accepted(accepted) => IntakeEvent::Accepted(Box::new(Accepted {
            raw: Raw::Stored { digest: Digest([5; 32]), bytes: 70_040 },
            occurred_at: None,
            ..*accepted
        })),
        other @ (IntakeEvent::Duplicated(_)
        | IntakeEvent::Quarantined(_)
        | IntakeEvent::Released(_)
        | IntakeEvent::Discarded(_)
        | IntakeEvent::Refused(_)
        | IntakeEvent::Named(_)) => other,
    };
    let replayed = match accepted(news(Claim::Completed)) {
        IntakeEvent::Accepted(accepted) => {
            IntakeEvent::Accepted(Box::new(Accepted { replayed: true, ..*accepted }))
        }
        other @ (IntakeEvent::Duplicated(_)
        | IntakeEvent::Quarantined(_)
        | IntakeEvent::Released(_)
        | IntakeEvent::Discarded(_)
        | IntakeEvent::Refused(_)
        | IntakeEvent::Named(_)) => other,
    };
    let duplicated = Duplicated {
        connection: connection(),
        delivery_id: "d-1f00".to_owned(),
        key_id: "k1".to_owned(),
        dedupe: Digest([3; 32]),
        received_at: AT,
        times: 19,
    };
    let quarantined = Quarantined {
        connection: connection(),
        reason: Refusal::SignatureWrong,
        bytes: 512,
        sha256: Digest([6; 32]),
        received_at: AT,
        delivery: Some(Raw::Inline(b"a delivery".to_vec())),
        key_group: quarantine_group(&connection()),
        content_bytes: 0,
    };
    let own_key = Quarantined {
        reason: Refusal::SourceUnexpected,
        key_group: quarantined_group("q-00ff"),
        content_bytes: 10,
        ..quarantined.clone()
    };
    let homeless = Quarantined { reason: Refusal::ConnectionUnknown, ..own_key.clone() };
    let released = Released {
        connection: connection(),
        key_id: "k2".to_owned(),
        signals_new: 2,
        signals_known: 1,
        received_at: AT,
        at: AT,
        content_bytes: 10,
    };
    let discarded = Discarded {
        connection: connection(),
        cause: DiscardCause::Operator,
        reason: "a scanner".to_owned(),
        received_at: AT,
        at: AT,
        content_bytes: 10,
    };
    let refused = Refused {
        connection: connection(),
        reason: Refusal::SignatureWrong,
        times: 4_711,
        received_at: AT,
        at: AT,
    };
    let named =
        Named { connection: connection(), dedupe: Digest([7; 32]), signal: Digest([3; 32]), received_at: AT };
    vec![
        ("signal_accepted-envelope", accepted(news(Claim::PartySigned))),
        ("signal_accepted-declined", accepted(news(Claim::Declined { reason: Some(Personal::new("no")) }))),
        ("signal_accepted-record", accepted(change())),
        ("signal_accepted-nothing", stored),
        ("signal_accepted-replayed", replayed),
        ("signal_duplicated", IntakeEvent::Duplicated(duplicated)),
        ("delivery_quarantined", IntakeEvent::Quarantined(quarantined)),
        ("delivery_quarantined-own_key", IntakeEvent::Quarantined(own_key)),
        ("delivery_quarantined-connection_unknown", IntakeEvent::Quarantined(homeless)),
        ("delivery_released", IntakeEvent::Released(released)),
        ("delivery_discarded", IntakeEvent::Discarded(discarded)),
        ("deliveries_refused", IntakeEvent::Refused(refused)),
        ("signal_named", IntakeEvent::Named(named)),
    ]
}

pub fn parked_events() -> Vec<(&'static str, ParkedEvent)> {
    let parked = Parked {
        connection: connection(),
        bytes: 512,
        received_at: AT,
        delivery: Raw::Inline(b"a delivery".to_vec()),
    };
    vec![
        ("delivery_parked", ParkedEvent::Parked(parked)),
        ("delivery_handed_over", ParkedEvent::HandedOver { verdict: "accepted".to_owned(), at: AT }),
        ("delivery_handed_over-erased", ParkedEvent::HandedOver { verdict: ERASED.to_owned(), at: AT }),
    ]
}
