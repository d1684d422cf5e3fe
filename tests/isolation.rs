//! Two fences as tests: a vendor's name stays in its folder, and a third party that belongs to one room is used
//! in no other.

#[path = "house/workspace.rs"]
mod workspace;

use workspace::{packages, root, sources};

/// Where vendors live. The registry of each is its `lib.rs`.
const VENDOR_ROOMS: &[&str] = &["libs/providers/src", "libs/crms/src"];

/// Third parties with one room, and who else may use them, with the reason.
const FENCES: &[(&str, &[&str])] = &[
    // The load run measures the server alone beside the log, in the same run.
    ("async-nats", &["event-log", "load"]),
    ("fjall", &["event-log"]),
    ("sled", &["projection"]),
    // The log has a record of its own around the events; services never see the wire form of either.
    ("prost", &["contracts", "event-log"]),
    ("protox", &["contracts", "event-log"]),
    // The demo and the journeys are clients of our own ingress.
    ("reqwest", &["outbound", "countersign", "system-tests"]),
    ("hmac", &["signatures"]),
    ("minijinja", &["runtime"]),
    ("serde-saphyr", &["runtime"]),
    ("tracing-subscriber", &["runtime"]),
    ("opentelemetry-otlp", &["runtime"]),
    ("metrics-exporter-prometheus", &["runtime"]),
    ("clap", &["countersign", "load"]),
];

#[test]
fn a_vendor_is_named_in_its_own_folder_only() {
    let vendors = vendors();
    assert!(vendors.len() >= 3, "the vendors are {vendors:?}");
    let mut strays = Vec::new();
    for (path, text) in sources(&["libs", "services"]) {
        // The registries, tests, and the composition root with its demo name vendors on purpose.
        let is_registry = VENDOR_ROOMS.iter().any(|room| path == format!("{room}/lib.rs"));
        let is_test = path.ends_with("/tests.rs") || path.contains("/tests/");
        if is_registry || is_test || path.starts_with("services/countersign/") {
            continue;
        }
        let without_tests = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        for (line, words) in without_tests.lines().enumerate() {
            let words = words.to_lowercase();
            strays.extend(
                vendors
                    .iter()
                    .filter(|(room, vendor)| {
                        words.contains(vendor.as_str()) && !path.starts_with(&format!("{room}/{vendor}/"))
                    })
                    .map(|(_, vendor)| format!("{path}:{}: {vendor}", line + 1)),
            );
        }
    }
    assert!(strays.is_empty(), "vendors named outside their folders: {strays:#?}");
}

/// Each vendor's folder: its room and its name.
fn vendors() -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for room in VENDOR_ROOMS {
        for entry in std::fs::read_dir(root().join(room)).expect("the room can be read") {
            let path = entry.expect("the entry can be read").path();
            // A vendor has an adapter; a folder without `mod.rs` is not a vendor.
            if path.join("mod.rs").is_file() && path.join("simulator").exists() {
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
                found.push((*room, name.expect("a folder has a name")));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_third_party_with_one_room_is_used_in_no_other() {
    let mut strays = Vec::new();
    for package in packages() {
        for (third_party, rooms) in FENCES {
            let used = package.dependencies.iter().any(|(name, kind)| name == third_party && kind != "dev");
            if used && !rooms.contains(&package.name.as_str()) {
                strays.push(format!("{}/Cargo.toml has {third_party}", package.folder));
            }
        }
    }
    assert!(strays.is_empty(), "third parties outside their rooms: {strays:#?}");
}

#[test]
fn the_fences_of_deny_toml_are_these() {
    let deny = std::fs::read_to_string(root().join("deny.toml")).expect("there is a deny.toml");
    // The test above sees our crates only; cargo-deny sees the whole tree. `prost`, `protox` and `clap` are used
    // inside third parties, so cargo-deny cannot fence them.
    let not_fenced_there = ["prost", "protox", "clap"];
    for (third_party, _) in FENCES.iter().filter(|(name, _)| !not_fenced_there.contains(name)) {
        assert!(
            deny.contains(&format!("crate = \"{third_party}\"")),
            "deny.toml does not fence {third_party}"
        );
    }
}
