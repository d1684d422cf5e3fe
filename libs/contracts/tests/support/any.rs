//! Arbitrary events.

use std::time::Duration;

use contracts::intake::{
    Accepted, DiscardCause, Discarded, Duplicated, IntakeEvent, Named, Quarantined, Raw, Refused, Released,
    quarantined_group,
};
use domain::envelope::{
    Adoption, Attention, Correction, Correlation, CreateFailure, Detection, Digest, Document, Event,
    HoldReason, IgnoreReason, Order, SendPolicy, VoidReason,
};
use domain::intake::{
    Actor, EnvelopeNews, Meaning, NoMeaning, PartyNews, RecordChange, RecordRef, Refusal, Standing,
};
use domain::parties::{Parties, Party};
use domain::personal::Personal;
use domain::sync::{Phase, Planned, SyncEvent, ValueHash};
use domain::time::Timestamp;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::intake::claims;

fn id<T: std::str::FromStr<Err: std::fmt::Debug> + std::fmt::Debug>() -> impl Strategy<Value = T> {
    "[!-~]{1,64}".prop_map(|text| text.parse().unwrap())
}

fn at() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp)
}

fn text() -> impl Strategy<Value = String> {
    "\\PC{0,30}"
}

pub fn personal() -> impl Strategy<Value = Personal> {
    prop_oneof![4 => text().prop_map(Personal::Known), 1 => Just(Personal::Erased)]
}

fn digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest)
}

fn record() -> impl Strategy<Value = RecordRef> {
    (id(), text(), text()).prop_map(|(connection, object_type, object_id)| RecordRef {
        connection,
        object_type,
        object_id,
    })
}

fn news() -> impl Strategy<Value = Vec<PartyNews>> {
    let standing = select(vec![Standing::Waiting, Standing::Pending, Standing::Signed, Standing::Declined]);
    vec((any::<u32>(), standing).prop_map(|(order, standing)| PartyNews { order, standing }), 0..4)
}

fn parties() -> impl Strategy<Value = Parties> {
    let party = (any::<u32>(), text(), personal(), personal()).prop_map(|(order, role, name, email)| Party {
        order,
        role,
        name,
        email,
    });
    vec(party, 0..4).prop_map(Parties::recorded)
}

fn document() -> impl Strategy<Value = Document> {
    prop_oneof![
        personal().prop_map(Document::Url),
        (digest(), text(), text()).prop_map(|(digest, file_name, content_type)| Document::Upload {
            digest,
            file_name,
            content_type
        }),
        (text(), btree_map(text(), personal(), 0..4))
            .prop_map(|(template_id, prefill)| Document::Template { template_id, prefill }),
    ]
}

fn duration() -> impl Strategy<Value = Duration> {
    any::<u64>().prop_map(Duration::from_millis)
}

fn order() -> impl Strategy<Value = Order> {
    let names = (id(), id(), id(), option::of(record()), text());
    let rest = (
        document(),
        parties(),
        select(vec![SendPolicy::Review, SendPolicy::Auto]),
        option::of(duration()),
        vec(duration(), 0..3),
        (text(), text()),
    );
    (names, rest).prop_map(
        |(
            (operation_key, flow, provider, record, title),
            (document, parties, send, expires_after, remind_after, (external_id, client_reference_id)),
        )| Order {
            operation_key,
            flow,
            provider,
            record,
            document,
            title,
            parties,
            send,
            expires_after,
            remind_after,
            correlation: Correlation { external_id, client_reference_id },
        },
    )
}

/// Every event that carries something.
pub fn envelope_event() -> impl Strategy<Value = Event> {
    use Event as E;
    let failures = vec![CreateFailure::InvalidRequest, CreateFailure::Forbidden, CreateFailure::Exhausted];
    let attentions = vec![Attention::DetectionFailed, Attention::ApprovalRefused, Attention::FieldsMoving];
    let detections = vec![Detection::Pending, Detection::Ready, Detection::Failed, Detection::RecoveredEmpty];
    let holds = vec![HoldReason::CreditsExhausted, HoldReason::VersionMoved, HoldReason::Locked];
    let corrections = vec![Correction::Completed, Correction::Declined, Correction::CompletedAfterVoid];
    let ignored = vec![IgnoreReason::Stale, IgnoreReason::Illegal, IgnoreReason::NoEffect];
    let adoption = (id(), id(), id(), option::of(record()))
        .prop_map(|(provider, provider_id, flow, record)| Adoption { provider, provider_id, flow, record });
    prop_oneof![
        4 => (order(), at()).prop_map(|(order, at)| E::Requested { order: Box::new(order), at }),
        1 => (adoption, at()).prop_map(|(adoption, at)| E::Adopted { adoption, at }),
        1 => (id(), option::of(personal()), at())
            .prop_map(|(provider_id, review_link, at)| E::Created { provider_id, review_link, at }),
        1 => (select(failures), option::of(personal()), at())
            .prop_map(|(failure, reason, at)| E::Failed { failure, reason, at }),
        1 => (select(attentions), at()).prop_map(|(attention, at)| E::AttentionNeeded { attention, at }),
        1 => (select(detections), option::of(any::<u64>()), at())
            .prop_map(|(detection, fields_version, at)| E::FieldsChanged { detection, fields_version, at }),
        1 => (option::of(any::<u64>()), at()).prop_map(|(fields_version, at)| E::SendRequested { fields_version, at }),
        1 => (select(holds), at()).prop_map(|(reason, at)| E::SendHeld { reason, at }),
        1 => (news(), any::<u32>(), at())
            .prop_map(|(parties, total, at)| E::PartiesProgressed { parties, total, at }),
        1 => (any::<bool>(), at()).prop_map(|(confirmed, at)| E::Completed { confirmed, at }),
        1 => (option::of(personal()), at()).prop_map(|(reason, at)| E::Declined { reason, at }),
        1 => (select(vec![VoidReason::Requested, VoidReason::Deadline]), at())
            .prop_map(|(reason, at)| E::VoidRequested { reason, at }),
        1 => (select(corrections), at()).prop_map(|(to, at)| E::Corrected { to, at }),
        1 => (digest(), any::<u64>(), at()).prop_map(|(digest, bytes, at)| E::ArtifactStored { digest, bytes, at }),
        1 => (any::<u32>(), at()).prop_map(|(number, at)| E::ReminderRequested { number, at }),
        1 => (any::<u64>(), at()).prop_map(|(fields_version, at)| E::FieldsEdited { fields_version, at }),
        1 => (any::<u32>(), at()).prop_map(|(number, at)| E::ReminderStarted { number, at }),
        1 => (any::<u32>(), at()).prop_map(|(number, at)| E::ReminderNotMade { number, at }),
        1 => (any::<i64>(), at()).prop_map(|(revision, at)| E::RevisionMoved { revision, at }),
        1 => (text(), at()).prop_map(|(claim, at)| E::Reconciled { claim, at }),
        1 => (text(), select(ignored), at())
            .prop_map(|(claim, reason, at)| E::SignalIgnored { claim, reason, at }),
        1 => at().prop_map(|at| E::Sent { at }),
    ]
}

fn raw() -> impl Strategy<Value = Raw> {
    prop_oneof![
        vec(any::<u8>(), 0..200).prop_map(Raw::Inline),
        (digest(), any::<u64>()).prop_map(|(digest, bytes)| Raw::Stored { digest, bytes }),
        Just(Raw::Erased),
    ]
}

fn meaning() -> impl Strategy<Value = Meaning> {
    let entries = btree_map(text(), text(), 0..4);
    let envelope = (id(), select(claims()), entries, option::of(any::<i64>()), news(), any::<bool>())
        .prop_map(|(provider_id, claim, correlation, revision, parties, conclusive)| {
            Meaning::Envelope(EnvelopeNews { provider_id, claim, correlation, revision, parties, conclusive })
        });
    let actors = vec![Actor::Human, Actor::Integration, Actor::Import, Actor::Workflow, Actor::Unknown];
    let record = ([text(), text(), text(), text(), text()], personal(), at(), select(actors)).prop_map(
        |([account, object_type, object_id, property, actor_id], value, changed_at, actor)| {
            Meaning::Record(RecordChange {
                account,
                object_type,
                object_id,
                property,
                value,
                changed_at,
                actor,
                actor_id,
            })
        },
    );
    let nothing = select(vec![NoMeaning::Unreadable, NoMeaning::UnknownEvent, NoMeaning::NotOurs]);
    prop_oneof![envelope, record, nothing.prop_map(Meaning::Nothing)]
}

/// Every event of the intake.
pub fn intake_event() -> impl Strategy<Value = IntakeEvent> {
    let accepted = (
        id(),
        [text(), text(), text(), text()],
        digest(),
        option::of(at()),
        at(),
        meaning(),
        any::<bool>(),
        raw(),
    )
        .prop_map(|(connection, texts, dedupe, occurred_at, received_at, meaning, replayed, raw)| {
            let [delivery_id, key_id, event, subject] = texts;
            IntakeEvent::Accepted(Box::new(Accepted {
                connection,
                delivery_id,
                key_id,
                event,
                dedupe,
                subject,
                occurred_at,
                received_at,
                meaning,
                replayed,
                raw,
            }))
        });
    let duplicated = (id(), text(), text(), digest(), at(), any::<u32>()).prop_map(
        |(connection, delivery_id, key_id, dedupe, received_at, times)| {
            IntakeEvent::Duplicated(Duplicated {
                connection,
                delivery_id,
                key_id,
                dedupe,
                received_at,
                times,
            })
        },
    );
    let refusals = vec![Refusal::SignatureMissing, Refusal::SignatureWrong, Refusal::PathWrong];
    let quarantined = (id(), select(refusals), any::<u64>(), digest(), at(), option::of(raw())).prop_map(
        |(connection, reason, bytes, sha256, received_at, delivery)| {
            IntakeEvent::Quarantined(Quarantined {
                connection,
                reason,
                bytes,
                sha256,
                received_at,
                delivery,
                key_group: quarantined_group("q-00ff"),
                content_bytes: bytes / 2,
            })
        },
    );
    let named = (id(), digest(), digest(), at()).prop_map(|(connection, dedupe, signal, received_at)| {
        IntakeEvent::Named(Named { connection, dedupe, signal, received_at })
    });
    prop_oneof![3 => accepted, 1 => duplicated, 1 => named, 1 => quarantined, 1 => settled()]
}

/// What becomes of a quarantined delivery, and what was only counted.
fn settled() -> impl Strategy<Value = IntakeEvent> {
    let refused = (id(), any::<u64>(), at(), at()).prop_map(|(connection, times, received_at, at)| {
        IntakeEvent::Refused(Refused {
            connection,
            reason: Refusal::SourceUnexpected,
            times,
            received_at,
            at,
        })
    });
    let released = (id(), text(), any::<(u32, u32, u64)>(), at(), at()).prop_map(
        |(connection, key_id, (signals_new, signals_known, content_bytes), received_at, at)| {
            IntakeEvent::Released(Released {
                connection,
                key_id,
                signals_new,
                signals_known,
                received_at,
                at,
                content_bytes,
            })
        },
    );
    let causes = select(vec![DiscardCause::Operator, DiscardCause::Age, DiscardCause::Size]);
    let discarded = (id(), causes, text(), any::<u64>(), at(), at()).prop_map(
        |(connection, cause, reason, content_bytes, received_at, at)| {
            IntakeEvent::Discarded(Discarded { connection, cause, reason, received_at, at, content_bytes })
        },
    );
    prop_oneof![refused, released, discarded]
}

/// The event of the sync that carries most.
pub fn sync_event() -> impl Strategy<Value = SyncEvent> {
    let hash = any::<[u8; 32]>().prop_map(ValueHash);
    let phase = select(vec![Phase::Open, Phase::Sent, Phase::Final]);
    (any::<u64>(), phase, any::<bool>(), btree_map(text(), hash, 0..5), at()).prop_map(
        |(version, phase, includes_link, fields, at)| SyncEvent::Planned {
            planned: Planned { version, phase, includes_link, fields },
            at,
        },
    )
}
