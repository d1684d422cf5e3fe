//! Stories and laws of the CRM writes.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::intake::{Actor, RecordChange, RecordRef};
use crate::time::Timestamp;

mod guarding;

const AT: Timestamp = Timestamp(1_767_225_600_000);

#[test]
fn the_link_goes_before_or_with_the_stage() {
    let write = written(plan(&SyncState::default(), &sent(2), hash));
    assert!(write.includes_link);
    assert!(write.fields.contains_key("esign_envelope_id") && write.fields.contains_key("dealstage"));
}

#[test]
fn a_sent_envelope_whose_id_is_unknown_waits() {
    let desired = Desired { link: Link::Unknown, ..sent(2) };
    assert_eq!(plan(&SyncState::default(), &desired, hash), Plan::Wait(WaitReason::LinkUnknown));
}

#[test]
fn a_failed_creation_is_told_without_a_link() {
    let desired =
        Desired { link: Link::Never, phase: Phase::Final, ..desired(3, &[("esign_status", "failed")]) };
    let write = written(plan(&SyncState::default(), &desired, hash));
    assert_eq!(write.fields.keys().collect::<Vec<_>>(), ["esign_status"]);
    assert!(!write.includes_link);
}

#[test]
fn what_the_record_says_already_is_not_written_again() {
    let state = after(&SyncState::default(), &sent(2));
    let Plan::Nothing(reason) = plan(&state, &sent(3), hash) else { panic!("nothing changed") };
    assert_eq!(reason, SkipReason::Unchanged);
    assert_eq!(state.link_state, LinkState::SentMarked);
}

#[test]
fn an_older_version_never_overwrites_a_newer_one() {
    let state = after(&SyncState::default(), &signed(5));
    assert_eq!(plan(&state, &sent(2), hash), Plan::Nothing(SkipReason::Older));
}

#[test]
fn a_write_whose_answer_was_lost_is_written_again_even_if_the_value_went_back() {
    let linked = after(&SyncState::default(), &sent(2));
    let lost = written(plan(&linked, &signed(3), hash));
    let state = evolve(linked, &lost.planned(AT));
    let again = written(plan(&state, &sent(4), hash));
    assert!(again.fields.contains_key("dealstage"), "the record may say closedwon by now");
}

#[test]
fn a_write_that_was_refused_leaves_no_doubt() {
    let linked = after(&SyncState::default(), &sent(2));
    let refused = written(plan(&linked, &signed(3), hash));
    let state = evolve(linked, &refused.planned(AT));
    let state = evolve(state, &failed(3, false));
    assert_eq!(plan(&state, &sent(4), hash), Plan::Nothing(SkipReason::Unchanged));
    assert_eq!(state.failures, 1);
}

#[test]
fn a_record_that_is_gone_is_left_alone() {
    let state = evolve(SyncState::default(), &SyncEvent::Orphaned { at: AT });
    assert_eq!(plan(&state, &sent(2), hash), Plan::Nothing(SkipReason::Orphaned));
}

#[test]
fn our_own_write_is_known_within_its_window_and_by_its_value() {
    let row = LedgerRow { record: record(), field: "dealstage".into(), hash: hash("won"), written_at: AT };
    let echo = |offset_ms: i64, value: &str| {
        is_echo([&row], &record(), &change(Timestamp(AT.0 + offset_ms)), &hash(value))
    };
    assert!(echo(-5_000, "won") && echo(0, "won") && echo(120_000, "won"));
    assert!(!echo(-5_001, "won") && !echo(120_001, "won"));
    assert!(!echo(0, "lost"));
    assert!(!is_echo([&row], &RecordRef { object_id: "2".into(), ..record() }, &change(AT), &hash("won")));
}

#[test]
fn the_trigger_key_is_built_as_the_contract_says() {
    let (tenant, flow) = ("acme".parse().unwrap(), "order-form".parse().unwrap());
    let trigger = Trigger {
        tenant: &tenant,
        provider: "hubspot",
        account: "44001122",
        object_type: "deal",
        object_id: "50123456789",
        flow: &flow,
        generation: generation([]),
    };
    assert_eq!(trigger.key_text(), "v1|acme|hubspot|44001122|deal|50123456789|order-form|1");
}

#[test]
fn only_envelopes_that_ended_without_a_contract_begin_a_new_generation() {
    use crate::envelope::Stage;
    assert_eq!(generation([Stage::Voided, Stage::Declined, Stage::Expired]), 4);
    assert_eq!(generation([Stage::Failed, Stage::Deleted]), 3, "whoever mends the record may ask again");
    assert_eq!(generation([Stage::Completed, Stage::Sent]), 1);
}

proptest! {
    #[test]
    fn whatever_order_versions_arrive_in_the_newest_has_the_last_word(steps in vec(any_step(), 1..24)) {
        let mut world = World::default();
        for (version, outcome) in &steps {
            world.bring(&version_of(*version), *outcome);
        }
        let newest = version_of(steps.iter().map(|(version, _)| *version).fold(2, u64::max));
        world.bring(&newest, Outcome::Applied);
        for (field, value) in &newest.fields {
            prop_assert_eq!(world.record.get(field).map(String::as_str), value.reveal());
        }
    }

    #[test]
    fn a_record_never_shows_a_stage_without_a_link(steps in vec(any_step(), 1..24)) {
        let mut world = World::default();
        for (version, outcome) in steps {
            world.bring(&version_of(version), outcome);
            prop_assert!(!world.record.contains_key("dealstage") || world.record.contains_key("esign_envelope_id"));
        }
    }

    #[test]
    fn bringing_the_same_version_again_writes_nothing(version in 2u64..9) {
        let state = after(&SyncState::default(), &version_of(version));
        prop_assert_eq!(plan(&state, &version_of(version), hash), Plan::Nothing(SkipReason::Older));
    }
}

/// A CRM record and what we believe of it.
#[derive(Default)]
struct World {
    record: BTreeMap<String, String>,
    state: SyncState,
}

#[derive(Clone, Copy, Debug)]
enum Outcome {
    Applied,
    Refused,
    LandedUnheard,
    LostUnheard,
    CrashedAfterLanding,
}

impl World {
    fn bring(&mut self, desired: &Desired, outcome: Outcome) {
        let write = match plan(&self.state, desired, hash) {
            Plan::Write(write) => write,
            Plan::Nothing(reason) => {
                let skipped =
                    SyncEvent::Skipped { version: desired.version, phase: desired.phase, reason, at: AT };
                return self.record_event(&skipped);
            }
            Plan::Wait(_) => return,
        };
        self.record_event(&write.planned(AT));
        if matches!(outcome, Outcome::Applied | Outcome::LandedUnheard | Outcome::CrashedAfterLanding) {
            let landed =
                write.fields.iter().map(|(field, value)| (field.clone(), value.reveal().unwrap().to_owned()));
            self.record.extend(landed);
        }
        match outcome {
            Outcome::Applied => {
                self.record_event(&SyncEvent::Applied { version: write.version, connection: None, at: AT })
            }
            Outcome::Refused => self.record_event(&failed(write.version, false)),
            Outcome::LandedUnheard | Outcome::LostUnheard => self.record_event(&failed(write.version, true)),
            Outcome::CrashedAfterLanding => {}
        }
    }

    fn record_event(&mut self, event: &SyncEvent) {
        self.state = evolve(std::mem::take(&mut self.state), event);
    }
}

fn any_step() -> impl Strategy<Value = (u64, Outcome)> {
    let outcome = prop_oneof![
        Just(Outcome::Applied),
        Just(Outcome::Refused),
        Just(Outcome::LandedUnheard),
        Just(Outcome::LostUnheard),
        Just(Outcome::CrashedAfterLanding),
    ];
    (1u64..9, outcome)
}

/// One envelope's life: the id is unknown at first, and the status goes back and forth.
fn version_of(version: u64) -> Desired {
    match version {
        1 => Desired { link: Link::Unknown, ..desired(1, &[("esign_status", "Draft")]) },
        2 => desired(2, &[("esign_status", "Draft")]),
        even if even % 2 == 0 => sent(even),
        odd => signed(odd),
    }
}

fn sent(version: u64) -> Desired {
    let fields = [("dealstage", "contract_out"), ("esign_status", "Pending")];
    Desired { phase: Phase::Sent, ..desired(version, &fields) }
}

fn signed(version: u64) -> Desired {
    let fields = [("dealstage", "closedwon"), ("esign_status", "Signed")];
    Desired { phase: Phase::Final, ..desired(version, &fields) }
}

fn desired(version: u64, fields: &[(&str, &str)]) -> Desired {
    let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, Personal> {
        pairs.iter().map(|(field, value)| ((*field).to_owned(), Personal::new(*value))).collect()
    };
    let link =
        Link::Known(map(&[("esign_envelope_id", "abc-1"), ("esign_review_url", "https://review.test/1")]));
    Desired { version, link, fields: map(fields), phase: Phase::Open }
}

fn after(state: &SyncState, desired: &Desired) -> SyncState {
    match plan(state, desired, hash) {
        Plan::Write(write) => {
            let state = evolve(state.clone(), &write.planned(AT));
            evolve(state, &SyncEvent::Applied { version: write.version, connection: None, at: AT })
        }
        Plan::Nothing(_) | Plan::Wait(_) => state.clone(),
    }
}

fn written(plan: Plan) -> Write {
    match plan {
        Plan::Write(write) => write,
        Plan::Nothing(_) | Plan::Wait(_) => panic!("expected a write, got {plan:?}"),
    }
}

fn failed(version: u64, in_doubt: bool) -> SyncEvent {
    SyncEvent::Failed { version, class: "retry_backoff".into(), code: String::new(), in_doubt, at: AT }
}

fn record() -> RecordRef {
    RecordRef {
        connection: "hubspot-main".parse().unwrap(),
        object_type: "deal".into(),
        object_id: "1".into(),
    }
}

fn change(changed_at: Timestamp) -> RecordChange {
    RecordChange {
        account: "44001122".into(),
        object_type: "deal".into(),
        object_id: "1".into(),
        property: "dealstage".into(),
        value: Personal::new("won"),
        changed_at,
        actor: Actor::Integration,
        actor_id: "77".into(),
    }
}

/// Good enough to tell the few values of these tests apart.
fn hash(text: &str) -> ValueHash {
    let mut bytes = [0; 32];
    for (index, byte) in text.bytes().enumerate() {
        bytes[index % 32] ^= byte.rotate_left(u32::try_from(index / 32).unwrap_or(0) + 1);
    }
    ValueHash(bytes)
}
