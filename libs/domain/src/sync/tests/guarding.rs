//! Never over a person's change, and never held back by a write that did not land.

use super::*;

#[test]
fn a_stage_that_a_person_moved_stays_where_it_is() {
    let state = after(&SyncState::default(), &sent(2));
    let write = written(plan(&state, &signed(3), hash));
    let remote = [("dealstage", "closedlost"), ("esign_status", "Pending")];
    let remote = remote.map(|(field, value)| (field.to_owned(), Some(value.to_owned()))).into();
    let guarded = guard(&state, write, &remote, shared, untold, hash);
    assert_eq!(guarded.conflicts, ["dealstage"]);
    assert_eq!(guarded.write.fields.keys().collect::<Vec<_>>(), ["esign_status"]);
}

#[test]
fn a_stage_as_we_left_it_is_moved_on() {
    let state = after(&SyncState::default(), &sent(2));
    let write = written(plan(&state, &signed(3), hash));
    let remote = [("dealstage".to_owned(), Some("contract_out".to_owned()))].into();
    let guarded = guard(&state, write.clone(), &remote, shared, untold, hash);
    assert_eq!(guarded, Guarded { write, conflicts: vec![] });
}

#[test]
fn a_stage_whose_write_was_lost_before_it_landed_is_written_again() {
    let (state, lost) = lost_stage_write();
    let state = evolve(evolve(state, &lost.planned(AT)), &failed(2, true));
    let write = written(plan(&state, &sent(2), hash));
    let guarded = guard(&state, write.clone(), &stage("contractsent"), shared, triggered, hash);
    assert_eq!(guarded, Guarded { write, conflicts: vec![] });
}

#[test]
fn a_stage_that_a_person_moved_before_we_ever_wrote_it_stays_where_it_is() {
    let (state, write) = lost_stage_write();
    let guarded = guard(&state, write, &stage("closedlost"), shared, triggered, hash);
    assert_eq!(guarded.conflicts, ["dealstage"]);
}

#[test]
fn a_stage_that_may_be_one_of_our_lost_writes_is_not_a_persons() {
    let (state, first) = lost_stage_write();
    let state = evolve(evolve(state, &first.planned(AT)), &failed(2, true));
    let second = written(plan(&state, &signed(3), hash));
    let state = evolve(evolve(state, &second.planned(AT)), &failed(3, true));
    let again = written(plan(&state, &signed(3), hash));
    let guarded = guard(&state, again.clone(), &stage("contract_out"), shared, triggered, hash);
    assert_eq!(guarded, Guarded { write: again, conflicts: vec![] }, "the first write had landed after all");
}

#[test]
fn a_lost_write_that_a_look_confirms_is_sure_again() {
    let (state, lost) = lost_stage_write();
    let state = evolve(evolve(state, &lost.planned(AT)), &failed(2, true));
    let again = written(plan(&state, &sent(2), hash));
    let Guarded { write, .. } = guard(&state, again, &stage("contract_out"), shared, triggered, hash);
    assert!(!write.fields.contains_key("dealstage"), "the record says it already");
    let state = evolve(state, &write.planned(AT));
    let state = evolve(state, &SyncEvent::Applied { version: 2, connection: None, at: AT });
    assert!(state.in_doubt.is_empty());
    assert_eq!(plan(&state, &sent(4), hash), Plan::Nothing(SkipReason::Unchanged));
}

/// The record names the envelope, and the stage is about to be written for the first time.
fn lost_stage_write() -> (SyncState, Write) {
    let state = after(&SyncState::default(), &desired(1, &[]));
    let write = written(plan(&state, &sent(2), hash));
    assert!(write.fields.contains_key("dealstage"));
    (state, write)
}

fn stage(value: &str) -> BTreeMap<String, Option<String>> {
    [("dealstage".to_owned(), Some(value.to_owned()))].into()
}

fn shared(field: &str) -> bool {
    field == "dealstage"
}

/// The flow was triggered by the stage `contractsent`.
fn triggered(field: &str, value: &str) -> Option<bool> {
    (field == "dealstage").then_some(value == "contractsent")
}

/// The trigger says nothing of any field.
fn untold(_field: &str, _value: &str) -> Option<bool> {
    None
}
