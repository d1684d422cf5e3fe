//! The house plan (docs/ARCHITECTURE.md §5) as tests: who may depend on whom, how long a file may be, and that
//! every crate says what it is.

#[path = "house/workspace.rs"]
mod workspace;

use std::collections::BTreeSet;

use workspace::{Package, packages, root, sources};

/// What each library may depend on. Services may depend on any library; `countersign` and the tests on anything.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("contracts", &["domain"]),
    ("event-log", &["domain", "contracts"]),
    ("projection", &["domain", "contracts", "event-log"]),
    ("ledger", &["domain", "contracts", "event-log", "projection"]),
    ("jobs", &["domain", "event-log", "runtime"]),
    ("operate", &["domain", "contracts", "event-log", "jobs", "runtime"]),
    ("signatures", &["domain"]),
    ("outbound", &[]),
    ("simulation", &["domain", "outbound"]),
    ("providers", &["domain", "outbound", "signatures", "simulation"]),
    ("crms", &["domain", "outbound", "signatures", "simulation"]),
    ("runtime", &["domain"]),
    ("testkit", &["domain", "contracts", "event-log"]),
];

const SERVICES: &[&str] = &["ingress", "verification", "envelope-orchestrator", "crm-sync"];

/// These know everything: the composition root and the system seen from outside.
const ABOVE_ALL: &[&str] = &["countersign", "system-tests", "fuzz", "load"];

/// The longest a file may be, in lines, tests included.
const LINES_MAX: usize = 400;

fn is_ours(name: &str) -> bool {
    LIBRARIES.iter().any(|(library, _)| *library == name)
        || SERVICES.contains(&name)
        || ABOVE_ALL.contains(&name)
}

/// Our crates that `package` depends on, with the kind.
fn ours(package: &Package) -> impl Iterator<Item = (&str, &str)> {
    package
        .dependencies
        .iter()
        .map(|(name, kind)| (name.as_str(), kind.as_str()))
        .filter(|(name, _)| is_ours(name))
}

#[test]
fn every_crate_has_its_place_in_the_house() {
    for package in packages() {
        let name = package.name.as_str();
        let place = if LIBRARIES.iter().any(|(library, _)| *library == name) {
            format!("libs/{name}")
        } else if SERVICES.contains(&name) || name == "countersign" {
            format!("services/{name}")
        } else if name == "system-tests" {
            "tests".to_owned()
        } else {
            format!("tests/{name}")
        };
        assert!(is_ours(name), "{name} is not in the table of docs/ARCHITECTURE.md §5");
        assert_eq!(package.folder, place, "{name} lies in another room");
    }
}

#[test]
fn libraries_depend_on_what_the_table_allows() {
    let packages = packages();
    for (library, allowed) in LIBRARIES {
        let package = packages.iter().find(|package| package.name == *library);
        let package = package.unwrap_or_else(|| panic!("{library} is in the table but not in the workspace"));
        for (name, kind) in ours(package).filter(|(_, kind)| *kind != "dev") {
            assert!(allowed.contains(&name), "{library} may not depend on {name} ({kind})");
        }
    }
}

#[test]
fn services_never_depend_on_services() {
    let packages = packages();
    for package in packages.iter().filter(|package| !ABOVE_ALL.contains(&package.name.as_str())) {
        for (name, kind) in ours(package) {
            let is_above = SERVICES.contains(&name) || ABOVE_ALL.contains(&name);
            assert!(!is_above, "{} may not depend on {name} ({kind})", package.name);
        }
    }
}

#[test]
fn the_testkit_never_reaches_production() {
    for package in packages() {
        let exempt = ["testkit", "system-tests", "load"].contains(&package.name.as_str());
        for (name, kind) in ours(&package).filter(|_| !exempt) {
            assert!(name != "testkit" || kind == "dev", "{} ships the testkit", package.name);
        }
    }
}

#[test]
fn the_domain_is_pure() {
    let packages = packages();
    let domain = packages.iter().find(|package| package.name == "domain").expect("there is a domain");
    let production: Vec<_> = domain.dependencies.iter().filter(|(_, kind)| kind != "dev").collect();
    assert!(production.is_empty(), "the domain depends on {production:?}");
    for (path, text) in sources(&["libs/domain/src"]) {
        for forbidden in
            ["async fn", "std::time::SystemTime", "Instant::now", "std::fs", "std::net", "std::env"]
        {
            assert!(!text.contains(forbidden), "{path} has `{forbidden}`");
        }
    }
}

#[test]
fn no_file_is_longer_than_the_limit() {
    let long: Vec<String> = sources(&["libs", "services", "tests"])
        .into_iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .map(|(path, lines)| format!("{path}: {lines}"))
        .collect();
    assert!(long.is_empty(), "longer than {LINES_MAX} lines: {long:#?}");
}

#[test]
fn every_crate_opens_with_an_essay() {
    for package in packages() {
        let source = root().join(&package.folder).join("src");
        let entry =
            ["lib.rs", "main.rs"].map(|file| source.join(file)).into_iter().find(|path| path.is_file());
        let entry = entry.unwrap_or_else(|| panic!("{} has neither lib.rs nor main.rs", package.name));
        let text = std::fs::read_to_string(&entry).expect("sources are text");
        let essay = text.lines().take_while(|line| line.starts_with("//!")).count();
        assert!(essay >= 5, "{} opens with {essay} lines, not with an essay", entry.display());
    }
}

#[test]
fn every_file_says_what_it_is() {
    let silent: Vec<String> = sources(&["libs", "services"])
        .into_iter()
        .filter(|(path, text)| !path.ends_with("/tests.rs") && !text.starts_with("//!"))
        .map(|(path, _)| path)
        .collect();
    assert!(silent.is_empty(), "these files do not open with `//!`: {silent:#?}");
}

#[test]
fn every_error_code_has_its_page() {
    let mut without = BTreeSet::new();
    for (path, text) in sources(&["libs", "services"]) {
        for (start, _) in text.match_indices("\"CS-") {
            let code: String =
                text[start + 1..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
            // Only whole codes: `CS-` and an area and a number.
            let is_code = code.rsplit('-').next().is_some_and(|number| number.len() == 3);
            if is_code && !root().join(format!("docs/errors/{code}.md")).is_file() {
                without.insert(format!("{code} ({path})"));
            }
        }
    }
    assert!(without.is_empty(), "codes without a page in docs/errors: {without:#?}");
}

#[test]
fn every_page_of_an_error_has_its_code_and_its_line() {
    let folder = root().join("docs/errors");
    let list = std::fs::read_to_string(folder.join("README.md")).expect("there is a list of codes");
    let all: String = sources(&["libs", "services"]).into_iter().map(|(_, text)| text).collect();
    let mut strays = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let name = entry.expect("the entry can be read").file_name().to_string_lossy().into_owned();
        let Some(code) = name.strip_suffix(".md").filter(|code| code.starts_with("CS-")) else { continue };
        if !all.contains(code) {
            strays.push(format!("{code}: no code says it"));
        }
        if !list.contains(&format!("({name})")) {
            strays.push(format!("{code}: not in docs/errors/README.md"));
        }
    }
    assert!(strays.is_empty(), "{strays:#?}");
}

#[test]
fn every_number_is_explained_and_every_explained_number_is_counted() {
    let page = std::fs::read_to_string(root().join("docs/metrics.md")).expect("there is a page of numbers");
    let explained: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split('`').next())
        .map(str::to_owned)
        .collect();
    let counted: BTreeSet<String> = sources(&["libs", "services"])
        .into_iter()
        .filter(|(path, _)| path.contains("/src/") && !path.ends_with("/tests.rs"))
        .flat_map(|(_, text)| counted_in(text.split("#[cfg(test)]").next().unwrap_or_default()))
        .collect();
    assert!(counted.len() > 20, "the names were found: {counted:?}");
    assert_eq!(counted, explained, "left: counted in the code; right: explained in docs/metrics.md");
}

/// The names of the numbers that a source counts: a literal in the macro, or a constant of runtime.
fn counted_in(text: &str) -> Vec<String> {
    let literal = |rest: &str| rest.trim_start().strip_prefix('"')?.split('"').next().map(str::to_owned);
    let mut names = Vec::new();
    for starts in ["counter!(", "gauge!(", "histogram!("] {
        names.extend(text.match_indices(starts).filter_map(|(at, _)| literal(&text[at + starts.len()..])));
    }
    let constants =
        text.lines().filter(|line| line.starts_with("pub const ") && line.contains("_SECONDS: &str"));
    names.extend(constants.filter_map(|line| literal(line.split('=').nth(1)?)));
    names
}

#[test]
fn no_test_is_switched_off() {
    let switch = ["#[", "ignore"].concat();
    for (path, text) in sources(&["libs", "services", "tests"]) {
        assert!(!text.contains(&switch), "{path} switches a test off");
    }
}
