//! Limits, the quarantine's bounds and the addresses that deliveries may come from.

use std::time::Duration;

use super::*;

const SOURCES: &str = "source_ips: {mode: log, regions: [us, eu]}";

fn crm(with: &str) -> Connection {
    let text = GOOD.replacen(SOURCES, with, 1);
    let read = parse(&text, RULES).unwrap();
    read.connections[&"crm-main".parse().unwrap()].clone()
}

#[test]
fn without_a_word_about_them_limits_are_those_of_the_house() {
    let crm = crm("");
    assert_eq!(crm.limits, Limits { body_bytes_max: 1_048_576, deliveries_per_second: None, burst: None });
    assert_eq!(crm.quarantine.bytes_max, 32 * 1024 * 1024);
    assert_eq!(crm.quarantine.age_max.duration(), Duration::from_secs(30 * 86_400));
    assert_eq!(crm.source_ips.mode, SourceIpsMode::Off);
    assert_eq!(crm.key_idle, None);
}

#[test]
fn limits_are_read_as_they_are_written() {
    let crm = crm("limits: {body_bytes_max: 65536, deliveries_per_second: 50, burst: 100}\n    \
         quarantine: {bytes_max: 2097152, age_max: 7d}\n    key_idle: 3h");
    let limits = Limits { body_bytes_max: 65_536, deliveries_per_second: Some(50), burst: Some(100) };
    assert_eq!(crm.limits, limits);
    assert_eq!(
        (crm.quarantine.bytes_max, format!("{:?}", crm.quarantine.age_max)),
        (2_097_152, "7days".into())
    );
    assert_eq!(crm.key_idle.unwrap().duration(), Duration::from_secs(3 * 3_600));
}

#[test]
fn the_number_of_proxies_is_none_until_somebody_says_so() {
    assert_eq!(parse(GOOD, RULES).unwrap().ingress.trusted_proxies, 0);
    let text = format!("ingress: {{trusted_proxies: 2}}\n{GOOD}");
    assert_eq!(parse(&text, RULES).unwrap().ingress.trusted_proxies, 2);
}

#[test]
fn a_region_the_vendor_does_not_have_is_refused_with_those_it_has() {
    let said = said("regions: [us, eu]", "regions: [us, mars]");
    assert!(said[0].contains("connections.crm-main.source_ips.regions[1]"), "{said:?}");
    assert!(said[0].contains("no region `mars`") && said[0].contains("known: us, eu"), "{said:?}");
}

#[test]
fn a_vendor_without_published_addresses_has_no_regions() {
    let said = said("kind: signer", "kind: signer\n    source_ips: {mode: enforce, regions: [us]}");
    assert!(said[0].contains("publishes no addresses"), "{said:?}");
}

#[test]
fn a_fence_that_nobody_could_pass_is_refused() {
    let said = said("mode: log, regions: [us, eu]", "mode: enforce");
    assert!(said[0].contains("no address is expected"), "{said:?}");
}

#[test]
fn limits_that_would_let_nothing_or_everything_in_are_refused() {
    for (written, path) in [
        ("limits: {body_bytes_max: 0}", "limits.body_bytes_max"),
        ("limits: {body_bytes_max: 1048577}", "limits.body_bytes_max"),
        ("limits: {deliveries_per_second: 0}", "limits.deliveries_per_second"),
        ("limits: {burst: 5}", "limits.burst"),
        ("limits: {deliveries_per_second: 5, burst: 0}", "limits.burst"),
        ("quarantine: {bytes_max: 10}", "quarantine.bytes_max"),
        ("quarantine: {age_max: 1s}", "quarantine.age_max"),
    ] {
        let said = said(SOURCES, written);
        assert!(said[0].contains(&format!("connections.crm-main.{path}")), "{written}: {said:?}");
    }
}

#[test]
fn connections_share_credits_only_where_they_say_so_and_are_of_one_kind() {
    let named = |id: &str| id.parse::<ConnectionId>().unwrap();
    let shared = |text: &str| parse(text, RULES).map(|read| read.sharing_credits_with(&named("signer-main")));
    assert_eq!(shared(GOOD).unwrap(), [named("signer-main")]);

    let at = GOOD.find("  signer-main:").expect("the good file has it");
    let signer = &GOOD[at..at + GOOD[at..].find("  crm-main:").expect("the next one")];
    let pooled = signer.replacen("    kind:", "    credit_pool: house\n    kind:", 1);
    let twin = pooled.replacen("signer-main:", "signer-b:", 1);
    let two = GOOD.replacen(signer, &format!("{pooled}{twin}"), 1);
    assert_eq!(shared(&two).unwrap(), [named("signer-b"), named("signer-main")]);

    let mixed = GOOD.replacen(signer, &pooled, 1).replacen(SOURCES, "credit_pool: house", 1);
    let refused = shared(&mixed).expect_err("two kinds").to_string();
    assert!(refused.contains("credit_pool") && refused.contains("another kind"), "{refused}");
}
