//! Where keys come from, when they count, and which are refused.

use std::io::Write as _;

use domain::time::Timestamp;
use secrecy::ExposeSecret;

use super::*;

#[test]
fn secrets_are_trimmed_and_count_within_their_window() {
    let loaded = load("send: review", "send: auto").unwrap();
    let credentials = loaded.credentials(&"signer-main".parse().unwrap()).unwrap();
    let before = Timestamp(1_798_600_000_000);
    let after = Timestamp(1_798_700_000_000);
    assert_eq!(credentials.call_key(before).unwrap().expose_secret(), "SIGNER_KEY-value");
    let ids = |now| credentials.verify.in_force(now).into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    assert_eq!(ids(before), ["k1", "k0"]);
    assert_eq!(ids(after), ["k1"]);
}

#[test]
fn a_secret_that_is_absent_or_torn_is_refused_without_its_value() {
    let absent = load("env: CRM_TOKEN", "env: NOT_SET").unwrap_err().to_string();
    assert!(absent.contains("line 15"), "{absent}");
    assert!(absent.contains("the environment variable NOT_SET is not set"), "{absent}");
    let torn = load("env: CRM_TOKEN", "env: TORN").unwrap_err().to_string();
    assert!(torn.contains("has white space inside"), "{torn}");
    assert!(!torn.contains("two words"), "{torn}");
}

#[test]
fn a_test_key_is_refused_unless_allowed() {
    let refused = load("env: SIGNER_KEY", "env: TEST_KEY").unwrap_err();
    assert_eq!(refused.mistakes.len(), 1, "{refused}");
    assert_eq!(refused.mistakes[0].what, "this is a key of a test environment");
    let text = GOOD.replacen("env: SIGNER_KEY", "env: TEST_KEY", 1);
    let text = text.replacen("    kind: signer", "    allow_test_keys: true\n    kind: signer", 1);
    Loaded::new(&text, RULES, &environment()).unwrap();
}

#[test]
fn test_keys_are_warned_of_unless_the_vendor_is_on_this_machine() {
    let warned = |base_url: &str, allowed: bool| {
        let text = GOOD.replacen("http://127.0.0.1:9401", base_url, 1);
        let text = text.replacen(
            "    kind: signer",
            &format!("    allow_test_keys: {allowed}\n    kind: signer"),
            1,
        );
        let loaded = Loaded::new(&text, RULES, &environment()).unwrap();
        let warnings = loaded.connection(&"signer-main".parse().unwrap()).unwrap().warnings();
        assert!(warnings.iter().all(|what| what.starts_with("allow_test_keys: ")));
        !warnings.is_empty()
    };
    for abroad in ["https://api.signer.test", "http://10.0.0.7:80", "http://localhost.signer.test"] {
        assert!(warned(abroad, true) && !warned(abroad, false), "{abroad}");
    }
    for at_home in ["http://127.0.0.1:9401", "http://[::1]:9401", "http://localhost:9401"] {
        assert!(!warned(at_home, true), "{at_home}");
    }
}

#[test]
fn a_secret_in_a_file_is_read_from_there() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"from-file\n").unwrap();
    let loaded = load("{env: CRM_TOKEN}", &format!("{{file: {}}}", file.path().display())).unwrap();
    let key = loaded.credentials(&"crm-main".parse().unwrap()).unwrap().call_key(Timestamp(0)).unwrap();
    assert_eq!(key.expose_secret(), "from-file");
}

#[test]
fn where_the_key_for_calls_signs_webhooks_an_address_may_have_a_secret_of_its_own() {
    let text =
        GOOD.replacen("    kind: signer", "    shared_keys: [{id: w1, env: CRM_TOKEN}]\n    kind: signer", 1);
    let loaded = Loaded::new(&text, RULES, &environment()).unwrap();
    let credentials = loaded.credentials(&"signer-main".parse().unwrap()).unwrap();
    let now = Timestamp(1_798_600_000_000);
    let ids: Vec<String> = credentials.verify.in_force(now).into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, ["k1", "k0", "w1"]);
    assert!(credentials.call.keys().iter().all(|key| key.id != "w1"), "it makes no calls");

    let other =
        GOOD.replacen("    kind: sheets", "    shared_keys: [{id: w1, env: CRM_TOKEN}]\n    kind: sheets", 1);
    let refused = Loaded::new(&other, RULES, &environment()).unwrap_err().to_string();
    assert!(refused.contains("does not use `shared_keys`"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_replaced_in_its_file_is_in_force_without_a_restart() {
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), "key-before").unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let text =
        GOOD.replacen("{id: k1, env: SIGNER_KEY}", &format!("{{id: k1, file: {}}}", key.path().display()), 1);
    std::fs::write(file.path(), text).unwrap();
    let shared = SharedConfiguration::from_file(file.path(), RULES, environment()).unwrap();
    let mut versions = shared.subscribe();
    let shutdown = tokio_util::sync::CancellationToken::new();
    let replace = async {
        std::fs::write(key.path(), "the-key-after").unwrap();
        versions.changed().await.unwrap();
        shutdown.cancel();
    };
    tokio::join!(shared.clone().follow_file(shutdown.clone()), replace);
    let loaded = shared.current();
    let credentials = loaded.credentials(&"signer-main".parse().unwrap()).unwrap();
    assert_eq!(credentials.call_key(Timestamp(0)).unwrap().expose_secret(), "the-key-after");
}
