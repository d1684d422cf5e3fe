//! Each refusal of a configuration, by its own sentence.

use std::io::Write as _;

use super::*;

mod limits;
mod oauth;
mod secrets;

const RULES: &[KindRule] = &[
    KindRule { kind: "signer", call: "api_keys", verify: "api_keys", regions: &[] },
    KindRule { kind: "sheets", call: "access_token", verify: "client_secrets", regions: &["us", "eu"] },
];

const GOOD: &str = r#"
tenants: {acme: {}}
connections:
  signer-main:
    kind: signer
    tenant: acme
    base_url: http://127.0.0.1:9401
    api_keys:
      - {id: k1, env: SIGNER_KEY}
      - {id: k0, env: SIGNER_OLD_KEY, not_after: 2026-12-31T00:00:00Z}
  crm-main:
    kind: sheets
    tenant: acme
    base_url: http://127.0.0.1:9403
    access_token: {env: CRM_TOKEN}
    client_secrets: [{id: c1, env: CRM_SECRET}]
    webhook_url: https://hooks.acme.test/v1/hooks/crm-main
    portal_id: "44001122"
    source_ips: {mode: log, regions: [us, eu]}
flows:
  - name: order-form
    when:
      connection: crm-main
      event: deal.propertyChange
      if: property == "dealstage" and value == "contractsent"
    envelope:
      provider: signer-main
      document_url: "{{ record.order_pdf_url }}"
      parties:
        - {role: Customer, name: "{{ record.buyer_name }}", email: "{{ record.buyer_email }}"}
      send: review
      expires_after: 30d
      remind_after: [2d, 4d]
    write:
      - connection: crm-main
        record: trigger
        link: {esign_envelope_id: "{{ envelope.provider_id }}"}
        on_sent: {dealstage: contract_out}
        on_completed: {dealstage: closedwon, esign_signed_at: "{{ envelope.completed_at }}"}
"#;

/// What is said about the good file after `from` became `to`.
fn said(from: &str, to: &str) -> Vec<String> {
    assert!(GOOD.contains(from), "the good file has no `{from}`");
    parse(&GOOD.replacen(from, to, 1), RULES)
        .expect_err("this is refused")
        .mistakes
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn environment() -> Environment {
    Environment::new(|name| match name {
        "SIGNER_KEY" | "CRM_TOKEN" | "CRM_SECRET" => Some(format!("  {name}-value\n")),
        "SIGNER_OLD_KEY" => Some("old".to_owned()),
        "TEST_KEY" => Some("test_123".to_owned()),
        "TORN" => Some("two words".to_owned()),
        _ => None,
    })
}

fn load(from: &str, to: &str) -> Result<Loaded, ConfigurationError> {
    assert!(GOOD.contains(from), "the good file has no `{from}`");
    Loaded::new(&GOOD.replacen(from, to, 1), RULES, &environment())
}

#[test]
fn the_example_is_read_whole() {
    let read = parse(GOOD, RULES).unwrap();
    let flow = &read.flows[0];
    assert_eq!(flow.envelope.send, Send::Review);
    assert_eq!(flow.envelope.expires_after.unwrap().duration().as_secs(), 30 * 24 * 3600);
    assert_eq!(flow.write[0].object, "deal");
    assert_eq!(read.connections[&"crm-main".parse().unwrap()].source_ips.mode, SourceIpsMode::Log);
}

#[test]
fn who_signs_is_never_printed() {
    let loaded = load("\"{{ record.buyer_email }}\"", "sam@acme.test").unwrap();
    assert_eq!(loaded.flows()[0].envelope.parties[0].email, "sam@acme.test");
    assert!(!format!("{:?}", loaded.flows()).contains("sam@acme.test"));
}

#[test]
fn plain_words_and_numbers_are_read_as_text() {
    let text = GOOD.replacen("mode: log", "mode: off", 1).replacen("\"44001122\"", "44001122", 1);
    let read = parse(&text, RULES).unwrap();
    let connection = &read.connections[&"crm-main".parse().unwrap()];
    assert_eq!(connection.source_ips.mode, SourceIpsMode::Off);
    assert_eq!(connection.portal_id.as_deref(), Some("44001122"));
}

#[test]
fn every_unknown_key_is_reported_with_line_and_mend() {
    let text = GOOD.replacen("base_url", "base_uri", 1).replacen("on_sent", "on_send", 1);
    let mistakes: Vec<String> =
        parse(&text, RULES).unwrap_err().mistakes.iter().map(ToString::to_string).collect();
    assert_eq!(
        mistakes,
        [
            "CS-CONFIG-002 line 7 connections.signer-main.base_uri: unknown key; did you mean `base_url`?",
            "CS-CONFIG-002 line 38 flows[0].write[0].on_send: unknown key; did you mean `on_sent`?",
        ]
    );
}

#[test]
fn an_unknown_connection_is_refused_with_the_closest_name() {
    assert_eq!(
        said("provider: signer-main", "provider: signer-maim"),
        ["CS-CONFIG-003 line 27 flows[0].envelope.provider: there is no connection `signer-maim`; did you \
             mean `signer-main`?"]
    );
}

#[test]
fn an_unknown_kind_and_an_unknown_tenant_are_refused_together() {
    let mistakes = said("kind: signer\n    tenant: acme", "kind: fax\n    tenant: acne");
    assert_eq!(
        mistakes,
        [
            "CS-CONFIG-003 line 5 connections.signer-main.kind: there is no kind `fax`; known: signer, sheets",
            "CS-CONFIG-003 line 6 connections.signer-main.tenant: there is no tenant `acne`; did you mean `acme`?",
        ]
    );
}

#[test]
fn a_connection_without_a_verify_key_is_refused() {
    assert_eq!(
        said("client_secrets: [{id: c1, env: CRM_SECRET}]", "client_secrets: []"),
        [
            "CS-CONFIG-006 line 11 connections.crm-main: a connection of kind `sheets` would believe no webhook \
             without `client_secrets`; add `client_secrets` with {env: NAME}"
        ]
    );
}

#[test]
fn a_key_the_kind_does_not_use_is_refused() {
    let mistakes = said("portal_id:", "shared_keys: [{env: X}]\n    portal_id:");
    assert_eq!(mistakes.len(), 1);
    assert!(mistakes[0].contains("does not use `shared_keys`"), "{mistakes:?}");
}

#[test]
fn a_secret_in_the_file_is_refused_and_not_repeated() {
    let mistakes = said("access_token: {env: CRM_TOKEN}", "access_token: pat-very-secret");
    assert_eq!(
        mistakes,
        [
            "CS-CONFIG-004 line 15 connections.crm-main.access_token: a secret stands in the file, and must be \
             replaced at the vendor; write {env: NAME} or {file: PATH}"
        ]
    );
}

#[test]
fn a_reference_to_two_places_is_refused() {
    let mistakes = said("{env: CRM_TOKEN}", "{env: CRM_TOKEN, file: /run/secret}");
    assert!(mistakes[0].contains("a secret is in exactly one place"), "{mistakes:?}");
}

#[test]
fn a_stage_that_is_both_trigger_and_target_is_refused() {
    assert_eq!(
        said("dealstage: contract_out", "dealstage: contractsent"),
        ["CS-CONFIG-007 line 38 flows[0].write[0].on_sent.dealstage: this write would start the flow \
             `order-form`; write another value, or narrow that flow's `if`"]
    );
}

#[test]
fn a_write_of_any_value_to_a_property_that_triggers_by_itself_is_refused() {
    let mistakes =
        said(r#"property == "dealstage" and value == "contractsent""#, r#"property == "esign_signed_at""#);
    assert_eq!(mistakes.len(), 1);
    assert!(mistakes[0].contains("on_completed.esign_signed_at"), "{mistakes:?}");
}

#[test]
fn a_flow_without_a_condition_is_started_by_every_write() {
    let mistakes = said("      if: property == \"dealstage\" and value == \"contractsent\"\n", "");
    assert_eq!(mistakes.len(), 4, "{mistakes:?}");
}

#[test]
fn two_flows_with_one_name_are_refused() {
    let twin = GOOD.split_once("flows:\n").unwrap().1;
    let mistakes = parse(&format!("{GOOD}{twin}"), RULES).unwrap_err().mistakes;
    assert_eq!(mistakes.len(), 1);
    assert_eq!(mistakes[0].what, "there are two flows named `order-form`");
}

#[test]
fn an_expression_that_does_not_parse_is_refused() {
    let mistakes = said("{{ record.buyer_name }}", "{{ record.buyer_name");
    assert!(
        mistakes[0].starts_with("CS-CONFIG-008 line 30 flows[0].envelope.parties[0].name: "),
        "{mistakes:?}"
    );
}

#[test]
fn two_documents_and_none_are_refused() {
    let url = r#"document_url: "{{ record.order_pdf_url }}""#;
    assert!(said(url, &format!("{url}\n      template: tmpl_1"))[0].contains("there are two documents"));
    assert!(said(url, "title: nothing to sign")[0].contains("there is no document"));
}

#[test]
fn a_reminder_after_the_deadline_is_refused() {
    assert!(said("[2d, 4d]", "[40d]")[0].contains("a reminder comes after the deadline"));
}

#[test]
fn a_value_of_the_wrong_type_names_its_line() {
    let mistakes = said("send: review", "send: tomorrow");
    assert_eq!(mistakes.len(), 1);
    assert!(
        mistakes[0]
            .starts_with("CS-CONFIG-001 line 31: unknown variant `tomorrow`, expected one of review, auto; "),
        "{mistakes:?}"
    );
}

#[test]
fn text_that_is_not_yaml_names_its_line() {
    let mistakes = parse("tenants:\n  acme: {}\n flows: [", RULES).unwrap_err().mistakes;
    assert_eq!(mistakes[0].code, "CS-CONFIG-001");
    assert!(mistakes[0].line.is_some());
}

#[test]
fn a_name_that_does_not_fit_a_web_address_is_refused() {
    let mistakes = said("tenants: {acme: {}}", "tenants: {acme: {}, A/B: {}}");
    assert_eq!(
        mistakes,
        ["CS-CONFIG-010 line 2 tenants.A/B: this name stands in web addresses; use a-z, 0-9, - and _ only"]
    );
}

#[test]
fn a_bad_edit_leaves_the_old_version_in_force() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(GOOD.as_bytes()).unwrap();
    let shared = SharedConfiguration::from_file(file.path(), RULES, environment()).unwrap();
    std::fs::write(file.path(), "flows: {").unwrap();
    shared.reload().unwrap_err();
    assert_eq!(shared.current().flows().len(), 1);
    std::fs::write(file.path(), "tenants: {acme: {}}\n").unwrap();
    shared.reload().unwrap();
    assert!(shared.current().flows().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_changed_file_is_in_force_without_a_restart() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), GOOD).unwrap();
    let shared = SharedConfiguration::from_file(file.path(), RULES, environment()).unwrap();
    let mut versions = shared.subscribe();
    let shutdown = tokio_util::sync::CancellationToken::new();
    let edit = async {
        std::fs::write(file.path(), "tenants: {acme: {}}\n").unwrap();
        versions.changed().await.unwrap();
        shutdown.cancel();
    };
    tokio::join!(shared.clone().follow_file(shutdown.clone()), edit);
    assert!(shared.current().flows().is_empty());
}

#[test]
fn the_schema_knows_every_key_of_the_example_and_forbids_others() {
    let schema = schema();
    assert_eq!(schema["additionalProperties"], false);
    assert!(schema["$defs"]["When"]["properties"]["if"].is_object());
    assert!(schema["$defs"]["Connection"]["properties"]["client_secrets"].is_object());
}
