//! Against a simulated vendor, with keys in files as the configuration names them.

use providers::pandadoc::simulator::{OAuthApp, Settings, start};
use runtime::config::SharedConfiguration;

use super::*;
use crate::cli::LogKind;

const HOOK: &str = "http://127.0.0.1:9/v1/hooks/sales";

struct Desk {
    _vendor: simulation::Running,
    directory: tempfile::TempDir,
    at: AtVendor,
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

/// Calls are made with an API key.
async fn desk() -> Desk {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("api"), "pd_key").unwrap();
    let access = format!("api_key: {{file: {}}}", directory.path().join("api").display());
    desk_with(directory, &access).await
}

/// Calls are made with tokens of OAuth.
async fn consented() -> Desk {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::write(path("app"), "app-secret").unwrap();
    fs::write(path("refresh"), "refresh-0").unwrap();
    let access = format!(
        "oauth: {{client_id: app-1, client_secret: {{file: {}}}, refresh_token: {{file: {}}}}}",
        path("app").display(),
        path("refresh").display()
    );
    desk_with(directory, &access).await
}

async fn desk_with(directory: tempfile::TempDir, access: &str) -> Desk {
    let app = OAuthApp {
        client_id: "app-1".to_owned(),
        client_secret: secret("app-secret"),
        refresh_token: secret("refresh-0"),
    };
    let settings = Settings { api_keys: vec![secret("pd_key")], oauth: Some(app), ..Settings::default() };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let vendor = start(listener, settings).unwrap();
    let path = |name: &str| directory.path().join(name);
    let text = format!(
        "tenants: {{acme: {{}}}}\nconnections:\n  sales:\n    kind: pandadoc\n    tenant: acme\n    base_url: {}\n    \
         {access}\n    webhook_url: {HOOK}\n    shared_keys:\n      - {{id: s1, file: {}}}\n      \
         - {{id: previous, file: {}}}\n",
        vendor.url(),
        path("current").display(),
        path("previous").display(),
    );
    fs::write(path("countersign.yaml"), text).unwrap();
    let at = AtVendor {
        connection: "sales".parse().unwrap(),
        config: path("countersign.yaml"),
        private_addresses: true,
        log: LogArgs {
            log: LogKind::Embedded,
            nats_url: secret("nats://127.0.0.1:9"),
            nats_monitoring_url: None,
            nats_replicas: 1,
            nats_one_by_one: false,
            accept_risk: Vec::new(),
            data_dir: path("data"),
        },
        json: true,
    };
    Desk { _vendor: vendor, directory, at }
}

impl Desk {
    fn key(&self, name: &str) -> String {
        fs::read_to_string(self.directory.path().join(name)).unwrap()
    }
}

#[tokio::test]
async fn a_subscription_is_made_once_and_its_key_lies_where_the_configuration_says() {
    let desk = desk().await;
    subscribe(&desk.at, "countersign").await.unwrap();
    assert!(!desk.key("current").is_empty());
    let again = subscribe(&desk.at, "countersign").await.unwrap_err();
    assert!(format!("{again:#}").contains("is there already"), "{again:#}");
}

#[tokio::test]
async fn a_rotation_keeps_the_key_before_until_it_is_finished() {
    let desk = desk().await;
    subscribe(&desk.at, "countersign").await.unwrap();
    let first = desk.key("current");
    rotate(&desk.at, false).await.unwrap();
    assert_eq!(desk.key("previous"), first);
    assert_ne!(desk.key("current"), first);
    SharedConfiguration::from_file(&desk.at.config, &RULES, Environment::of_process()).unwrap();
    rotate(&desk.at, true).await.unwrap();
    assert_eq!(desk.key("previous"), desk.key("current"));
}

#[tokio::test]
async fn without_a_subscription_nothing_is_rotated() {
    let desk = desk().await;
    fs::write(desk.directory.path().join("current"), "old-key").unwrap();
    let refused = rotate(&desk.at, false).await.unwrap_err();
    assert!(format!("{refused:#}").contains("there is no subscription"), "{refused:#}");
    assert_eq!(desk.key("current"), "old-key");
}

#[tokio::test]
async fn with_oauth_a_subscription_is_made_and_its_key_rotated_with_the_tokens_beside_the_log() {
    let desk = consented().await;
    subscribe(&desk.at, "countersign").await.unwrap();
    let first = desk.key("current");
    // The consent's refresh token is spent by now: the second verb lives on what the first one kept.
    rotate(&desk.at, false).await.unwrap();
    assert_eq!(desk.key("previous"), first);
    assert_ne!(desk.key("current"), first);
    let log = log::open(&desk.at.log).await.unwrap();
    assert!(log.state().get("oauth/sales").await.unwrap().is_some(), "where every other process finds them");
}

#[tokio::test]
async fn with_oauth_a_log_that_another_process_holds_is_named_and_nothing_is_spent() {
    let desk = consented().await;
    let running = log::open(&desk.at.log).await.unwrap();
    let refused = subscribe(&desk.at, "countersign").await.unwrap_err();
    assert!(format!("{refused:#}").contains("CS-LOG-001"), "{refused:#}");
    drop(running);
    subscribe(&desk.at, "countersign").await.unwrap();
}

#[tokio::test]
async fn without_oauth_no_log_is_opened() {
    let desk = desk().await;
    subscribe(&desk.at, "countersign").await.unwrap();
    assert!(!desk.at.log.data_dir.exists());
}
