//! The bytes of every event, as they lie in logs since they were first written.
//!
//! One file per event, form and schema: `golden/<category>/<name>.v<schema>.hex`. A file is written once and
//! never changed: an event that no longer matches its file would make old logs unreadable. A new event needs a
//! new file: `UPDATE_GOLDEN=1 cargo test -p contracts --test golden` writes missing ones and touches no other.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use contracts::{Encoded, envelope, intake, parked};
use prost::Message as _;
use support::intake::{intake_events, parked_events};
use support::ledger::ledger_events;
use support::sync::sync_events;
use support::{envelope_events, event_id, opener, sealer};

/// Nothing is sealed in events of the sync.
mod sync {
    use contracts::seal::{Opener, Sealer};
    use contracts::{DecodeError, Encoded};
    use domain::ids::EventId;
    use domain::sync::SyncEvent;

    pub fn encode(event: &SyncEvent, _id: &EventId, _sealer: &Sealer) -> Encoded {
        contracts::sync::encode_plain(event)
    }

    pub fn decode(
        kind: &str,
        schema: u32,
        payload: &[u8],
        _id: &EventId,
        _opener: &Opener,
    ) -> Result<SyncEvent, DecodeError> {
        contracts::sync::decode_plain(kind, schema, payload)
    }
}

/// Nothing is sealed in events of the ledger.
mod ledger {
    use contracts::ledger::LedgerEvent;
    use contracts::seal::{Opener, Sealer};
    use contracts::{DecodeError, Encoded};
    use domain::ids::EventId;

    pub fn encode(event: &LedgerEvent, _id: &EventId, _sealer: &Sealer) -> Encoded {
        contracts::ledger::encode(event)
    }

    pub fn decode(
        kind: &str,
        schema: u32,
        payload: &[u8],
        _id: &EventId,
        _opener: &Opener,
    ) -> Result<LedgerEvent, DecodeError> {
        contracts::ledger::decode(kind, schema, payload)
    }
}

fn folder(category: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(category)
}

/// Compares the event with its file and gives the file's bytes back.
fn golden(category: &str, name: &str, encoded: &Encoded) -> Vec<u8> {
    let file = folder(category).join(format!("{name}.v{}.hex", encoded.schema));
    if !file.exists() && std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(folder(category)).unwrap();
        std::fs::write(&file, format!("{}\n", hex::encode(&encoded.payload))).unwrap();
    }
    let text = std::fs::read_to_string(&file).unwrap_or_else(|_| {
        panic!(
            "{} is missing: if this event is new, run UPDATE_GOLDEN=1 cargo test -p contracts --test golden \
             and commit the file",
            file.display()
        )
    });
    let bytes = hex::decode(text.trim()).unwrap();
    assert_eq!(
        hex::encode(&encoded.payload),
        text.trim(),
        "{category}/{name} is written differently now: logs hold the old bytes; undo the change or write a \
         new schema"
    );
    bytes
}

/// Every file of the folder belongs to an event, and every kind has a file.
fn every_file_is_known(category: &str, names: &[&str]) {
    let known: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
    for entry in std::fs::read_dir(folder(category)).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let name = file.split(".v").next().unwrap();
        assert!(known.contains(name), "{category}/{file} is read by no test");
    }
}

macro_rules! golden_tests {
    ($($test:ident: $category:ident, $events:ident;)+) => {$(
        #[test]
        fn $test() {
            let events = $events();
            for (name, event) in &events {
                let encoded = $category::encode(event, &event_id(), &sealer());
                let bytes = golden(stringify!($category), name, &encoded);
                let decoded =
                    $category::decode(encoded.kind, encoded.schema, &bytes, &event_id(), &opener()).unwrap();
                assert_eq!(&decoded, event, "{name}");
            }
            every_file_is_known(stringify!($category), &events.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        }
    )+};
}

golden_tests! {
    every_envelope_event_has_its_golden_bytes: envelope, envelope_events;
    every_intake_event_has_its_golden_bytes: intake, intake_events;
    every_parked_event_has_its_golden_bytes: parked, parked_events;
    every_ledger_event_has_its_golden_bytes: ledger, ledger_events;
    every_sync_event_has_its_golden_bytes: sync, sync_events;
}

#[test]
fn no_kind_of_event_is_without_a_golden_file() {
    for (message, category) in [
        ("EnvelopeEvent", "envelope"),
        ("IntakeEvent", "intake"),
        ("LedgerEvent", "ledger"),
        ("ParkedEvent", "parked"),
        ("SyncEvent", "sync"),
    ] {
        let files: Vec<String> = std::fs::read_dir(folder(category))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        for fact in facts(message) {
            let has_file = |file: &String| file.split(['.', '-']).next() == Some(fact.as_str());
            assert!(files.iter().any(has_file), "{message}.{fact} has no file in golden/{category}");
        }
    }
}

/// The names of the facts that a message may hold, as the contract declares them.
fn facts(message: &str) -> Vec<String> {
    let set = prost_types::FileDescriptorSet::decode(contracts::DESCRIPTOR_SET).unwrap();
    let mut messages = set.file.into_iter().flat_map(|file| file.message_type);
    let found = messages.find(|candidate| candidate.name() == message).unwrap();
    found
        .field
        .iter()
        .filter(|field| field.oneof_index.is_some())
        .map(|field| field.name().to_owned())
        .collect()
}
