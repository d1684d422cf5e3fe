//! Our adapter for PandaDoc against its simulator: what only this vendor has, and what becomes of every write that
//! goes wrong.

mod access;
#[path = "../common/mod.rs"]
mod common;
mod endings;
mod missed;
mod pace;
mod twins;
mod writes;

use std::ops::Deref;
use std::sync::Arc;

use common::{PATIENCE, Vendor, order_of, ours, people, secret, template, until, upload_source, url_source};
use domain::ids::ProviderEnvelopeId;
use domain::intake::Claim;
use domain::parties::Parties;
use outbound::Request;
use providers::pandadoc::Adapter;
use providers::pandadoc::simulator::{OAuthApp, Settings, Switches, start};
use providers::{
    Class, ConnectionSettings, CreateOrder, OAuth, Provider, Snapshot, Source, TokenStore, TokensInMemory,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const API_KEY: &str = "pd_matrix_1";
const SHARED_KEY: &str = "shared_matrix_1";
const FIRST_REFRESH: &str = "rt_first";
const TEMPLATE: &str = "hryKLmY9qYZHjQCYQuSjRQ";
/// Where the pre-made subscription points; nobody listens there.
const HOOK: &str = "http://127.0.0.1:9/v1/hooks/pandadoc-sales";

/// A simulated workspace, and the way to it.
struct Office {
    vendor: Vendor,
    hook: String,
}

impl Deref for Office {
    type Target = Vendor;

    fn deref(&self) -> &Vendor {
        &self.vendor
    }
}

/// How an adapter gets its access.
enum By {
    Key,
    OAuth(Arc<dyn TokenStore>),
}

impl Office {
    async fn open() -> Self {
        Self::with(Switches { creation_delay_ms: 0, pdf_delay_ms: 0, ..Switches::default() }, Some(HOOK))
            .await
    }

    async fn with(switches: Switches, hook: Option<&str>) -> Self {
        let subscription = hook.map(|hook| (hook.parse().expect("an address"), secret(SHARED_KEY)));
        let app = OAuthApp {
            client_id: "app-1".to_owned(),
            client_secret: secret("app-secret"),
            refresh_token: secret(FIRST_REFRESH),
        };
        let settings = Settings {
            api_keys: vec![secret(API_KEY)],
            oauth: Some(app),
            subscription,
            switches,
            time_factor: 1_000.0,
            ..Settings::default()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Self {
            vendor: Vendor::new(start(listener, settings).expect("the simulator starts")),
            hook: hook.unwrap_or(HOOK).to_owned(),
        }
    }

    /// An adapter that goes as fast as it can.
    fn adapter(&self, by: By) -> Adapter {
        self.adapter_with(by, json!({"pace": {"per_second": 10_000.0, "burst": 1_000, "deadline_ms": 4_000}}))
    }

    fn adapter_with(&self, by: By, mut options: Value) -> Adapter {
        options["search_lag_seconds"] = json!(0);
        Adapter::new(self.settings(by, options)).expect("an adapter")
    }

    fn settings(&self, by: By, options: Value) -> ConnectionSettings {
        let oauth = match by {
            By::Key => None,
            By::OAuth(tokens) => Some(OAuth {
                client_id: "app-1".to_owned(),
                client_secret: secret("app-secret"),
                refresh_token: secret(FIRST_REFRESH),
                token_url: None,
                tokens,
            }),
        };
        ConnectionSettings {
            connection: "pandadoc-sales".parse().expect("a connection id"),
            base_url: self.base_url(),
            key: Arc::new(|| secret(API_KEY)),
            oauth,
            webhook_url: Some(self.hook.parse().expect("an address")),
            options: options.as_object().cloned().unwrap_or_default(),
            allow_private_addresses: true,
        }
    }

    /// A read of the vendor's API under the key.
    async fn read(&self, path: &str) -> Value {
        let key = secret(&format!("API-Key {API_KEY}"));
        self.ask(Request::get(self.url(path), "test").secret_header(http::header::AUTHORIZATION, key)).await
    }

    /// A change by somebody else who has the key.
    async fn change(&self, path: &str, body: Value) {
        let key = secret(&format!("API-Key {API_KEY}"));
        let request = Request::patch_json(self.url(path), "test", &body);
        self.ask(request.secret_header(http::header::AUTHORIZATION, key)).await;
    }

    /// The workspace's subscription, of which there is one.
    async fn only_subscription(&self) -> Value {
        let mut all = self.read("/public/v1/webhook-subscriptions").await;
        let items = all["items"].as_array_mut().expect("a list");
        assert_eq!(items.len(), 1, "one subscription");
        items.remove(0)
    }

    async fn act(&self, id: &ProviderEnvelopeId, act: &str) {
        self.post(&format!("/__sim/ui/documents/{id}/{act}"), json!({"reason": "Terms not acceptable"}))
            .await;
    }

    /// The next request that fits goes wrong.
    async fn spoil(&self, method: &str, path: &str, action: Value) {
        self.vendor.spoil(method, path, 1, action).await;
    }

    /// How often an action stands in the audit trail.
    async fn audited(&self, id: &ProviderEnvelopeId, action: u64) -> usize {
        let trail = self.read(&format!("/public/v2/documents/{id}/audit-trail")).await;
        trail["results"].as_array().into_iter().flatten().filter(|line| line["action"] == action).count()
    }

    /// A document that has become a draft.
    async fn draft(&self, adapter: &Adapter, number: u8) -> ProviderEnvelopeId {
        let made = adapter.create(&order(number, url_source(self)), "no key").await.expect("created");
        until(adapter, &made.provider_id, |seen| seen.claim == Claim::Draft).await;
        made.provider_id
    }

    async fn sent(&self, adapter: &Adapter, number: u8) -> ProviderEnvelopeId {
        let id = self.draft(adapter, number).await;
        adapter.send(&id, &parties(), None, "no key").await.expect("sent");
        id
    }
}

/// What a search finds, once it is not being made any more.
async fn found(adapter: &Adapter, number: u8) -> Option<Snapshot> {
    let search = async {
        loop {
            match adapter.find(&ours(number), "20417").await {
                Err(error) if error.class == Class::NotReady => tokio::task::yield_now().await,
                answer => return answer.expect("an answer"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, search).await.expect("it is made in time")
}

fn parties() -> Parties {
    people(["Client", "Sender"])
}

fn template_source() -> Source {
    template(TEMPLATE, &[("Client.Company", "Buyer GmbH"), ("field:PO.Number", "PO-8812")])
}

fn order(number: u8, source: Source) -> CreateOrder {
    order_of(number, source, parties())
}

/// Tokens that lie in memory.
fn in_memory() -> Arc<dyn TokenStore> {
    Arc::new(TokensInMemory::default())
}
