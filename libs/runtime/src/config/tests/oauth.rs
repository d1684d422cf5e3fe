//! Access by OAuth in place of a key.

use secrecy::ExposeSecret;

use super::*;

const KINDS: &[KindRule] = &[
    KindRule { kind: "office", call: "api_key", verify: "shared_keys", regions: &[] },
    KindRule { kind: "sheets", call: "access_token", verify: "shared_keys", regions: &[] },
];
const SECRETS: &str = "client_secret: {env: CRM_SECRET}, refresh_token: {env: CRM_TOKEN}";

fn loaded(kind: &str, further: &str) -> Result<Loaded, ConfigurationError> {
    let text = format!(
        "tenants: {{acme: {{}}}}\nconnections:\n  office-main:\n    kind: {kind}\n    tenant: acme\n    \
         base_url: http://127.0.0.1:9402\n    shared_keys: [{{id: s1, env: SIGNER_KEY}}]\n    {further}\n"
    );
    Loaded::new(&text, KINDS, &environment())
}

#[test]
fn access_by_oauth_takes_the_place_of_a_key() {
    let loaded = loaded("office", &format!("oauth: {{client_id: app-1, {SECRETS}}}")).unwrap();
    let credentials = loaded.credentials(&"office-main".parse().unwrap()).unwrap();
    let oauth = credentials.oauth.as_ref().unwrap();
    assert_eq!(oauth.client_id, "app-1");
    assert_eq!(oauth.refresh_token.expose_secret(), "CRM_TOKEN-value");
}

#[test]
fn a_key_and_oauth_together_are_refused_and_so_is_oauth_where_nobody_offers_it() {
    let said = |kind, further: String| loaded(kind, &further).unwrap_err().to_string();
    let oauth = format!("oauth: {{client_id: app-1, {SECRETS}}}");
    let both = said("office", format!("api_key: {{env: CRM_TOKEN}}\n    {oauth}"));
    assert!(both.contains("either with `api_key` or with `oauth`"), "{both}");
    let nobody = said("sheets", format!("access_token: {{env: CRM_TOKEN}}\n    {oauth}"));
    assert!(nobody.contains("is not called with OAuth"), "{nobody}");
    assert!(said("office", String::new()).contains("cannot call its vendor without `api_key`"));
}

#[test]
fn a_secret_of_oauth_that_stands_in_the_file_is_refused_without_being_repeated() {
    let text = "oauth: {client_id: app-1, client_secret: hunter2, refresh_token: {env: CRM_TOKEN}}";
    let said = loaded("office", text).unwrap_err().to_string();
    assert!(said.contains("connections.office-main.oauth.client_secret"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}
