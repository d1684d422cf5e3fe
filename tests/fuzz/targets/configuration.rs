//! The configuration file: a person's bytes, but edited while the services run.

use std::sync::LazyLock;

use fuzz::Input;
use runtime::config::{Environment, KindRule, Loaded};

use crate::fuzz;

/// As the composition root has them.
const RULES: [KindRule; 3] = [
    KindRule { kind: "atlas", call: "api_keys", verify: "api_keys", regions: &[] },
    KindRule { kind: "pandadoc", call: "api_key", verify: "shared_keys", regions: &[] },
    KindRule { kind: "hubspot", call: "access_token", verify: "client_secrets", regions: &[] },
];
const GOOD: &str = include_str!("../seeds/countersign.yaml");

static ENVIRONMENT: LazyLock<Environment> =
    LazyLock::new(|| Environment::new(|_| Some("a-secret-of-the-environment".to_owned())));

/// Any text is taken whole or refused with what is wrong, and a refusal never prints a secret.
#[test]
fn configurations() {
    Loaded::new(GOOD, &RULES, &ENVIRONMENT).expect("the seed is good");
    let good = [GOOD.as_bytes().to_vec()];
    fuzz!(Input, |input| {
        if let Err(error) = Loaded::new(&input.text(&good), &RULES, &ENVIRONMENT) {
            let said = error.to_string();
            assert!(!said.is_empty() && !said.contains("a-secret-of-the-environment"), "{said}");
        }
    });
}
