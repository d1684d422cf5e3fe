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
