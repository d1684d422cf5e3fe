//! The alert rules: readable, and about numbers that exist.

use std::collections::BTreeSet;

use serde_json::Value;

fn read(path: &str) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    std::fs::read_to_string(format!("{root}/{path}")).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_alert_has_an_expression_over_numbers_that_are_explained_a_severity_and_a_sentence() {
    let rules: Value = serde_saphyr::from_str(&read("deploy/prometheus/countersign.rules.yaml"))
        .expect("the rules are YAML");
    let explained: BTreeSet<String> = read("docs/metrics.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next().map(str::to_owned))
        .collect();
    let mut alerts = BTreeSet::new();
    for group in rules["groups"].as_array().expect("groups") {
        assert!(group["name"].is_string(), "{group}");
        for rule in group["rules"].as_array().expect("rules") {
            let name = rule["alert"].as_str().expect("an alert has a name");
            assert!(alerts.insert(name.to_owned()), "{name} stands twice");
            let expression = rule["expr"].as_str().expect("an alert has an expression");
            // what stands in quotes is the value of a label
            let unquoted: Vec<&str> = expression.split('"').step_by(2).collect();
            let unquoted = unquoted.join(" ");
            let words = unquoted.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let numbers: Vec<&str> = words.filter(|word| word.contains('_')).collect();
            assert!(!numbers.is_empty(), "{name} looks at nothing");
            for number in numbers {
                assert!(explained.contains(number), "{name}: {number} is not in docs/metrics.md");
            }
            assert!(rule["labels"]["severity"].is_string(), "{name} has no severity");
            for text in ["summary", "description"] {
                assert!(rule["annotations"][text].is_string(), "{name} has no {text}");
            }
        }
    }
    assert!(alerts.contains("CountersignSignalsUnaccountedFor"));
}

#[test]
fn every_kind_of_alarm_has_a_rule_of_its_own() {
    let page = read("docs/metrics.md");
    let row = page.lines().find(|line| line.starts_with("| `orchestrator_alarms_total`")).expect("a row");
    let kinds = row.split("`kind`: ").nth(1).and_then(|rest| rest.split(" |").next()).expect("its kinds");
    let rules = read("deploy/prometheus/countersign.rules.yaml");
    for kind in kinds.split(", ") {
        let selector = format!(r#"orchestrator_alarms_total{{kind="{kind}"}}"#);
        assert_eq!(rules.matches(&selector).count(), 1, "{kind}");
    }
}
