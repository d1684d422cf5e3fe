//! Our adapter for PandaDoc against its simulator: what only this vendor has, and what becomes of every write that
//! goes wrong.

mod access;
mod endings;
mod missed;
mod pace;
mod twins;
mod writes;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::ids::{EnvelopeId, ProviderEnvelopeId};
use domain::intake::Claim;
use domain::parties::Parties;
use outbound::{Outbound, Request};
use providers::pandadoc::Adapter;
use providers::pandadoc::simulator::{OAuthApp, Settings, Switches, start};
use providers::{
    Class, ConnectionSettings, CreateOrder, OAuth, Provider, Snapshot, Source, TokenStore, TokensInMemory,
};
use secrecy::SecretString;
use serde_json::{Value, json};
use simulation::{Running, files};
use tokio::net::TcpListener;

const API_KEY: &str = "pd_matrix_1";
const SHARED_KEY: &str = "shared_matrix_1";
const FIRST_REFRESH: &str = "rt_first";
const TEMPLATE: &str = "hryKLmY9qYZHjQCYQuSjRQ";
/// Where the pre-made subscription points; nobody listens there.
const HOOK: &str = "http://127.0.0.1:9/v1/hooks/pandadoc-sales";
/// Nothing here takes longer, unless it is broken.
const PATIENCE: Duration = Duration::from_secs(30);

fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

/// A simulated workspace, and the way to it.
struct Office {
    simulator: Running,
    client: Outbound,
    hook: String,
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
        let mut client = outbound::Settings::new("test");
        client.allow_private_addresses = true;
        Self {
            simulator: start(listener, settings).expect("the simulator starts"),
            client: Outbound::new(client).expect("a client"),
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
            base_url: self.simulator.url().parse().expect("an address"),
            key: Arc::new(|| secret(API_KEY)),
            oauth,
            webhook_url: Some(self.hook.parse().expect("an address")),
            options: options.as_object().cloned().unwrap_or_default(),
            allow_private_addresses: true,
        }
    }

    fn url(&self, path: &str) -> url::Url {
        format!("{}{path}", self.simulator.url()).parse().expect("an address")
    }

    async fn ask(&self, request: Request) -> Value {
        let answer = self.client.send(request).await.expect("the simulator answers");
        assert!(answer.status < 400, "{} {:?}", answer.status, String::from_utf8_lossy(&answer.body));
        answer.json().unwrap_or_default()
    }

    async fn get(&self, path: &str) -> Value {
        self.ask(Request::get(self.url(path), "test")).await
    }

    /// A read of the vendor's API under the key.
    async fn read(&self, path: &str) -> Value {
        let key = secret(&format!("API-Key {API_KEY}"));
        self.ask(Request::get(self.url(path), "test").secret_header(http::header::AUTHORIZATION, key)).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.ask(Request::post_json(self.url(path), "test", &body)).await
    }

    async fn act(&self, id: &ProviderEnvelopeId, act: &str) {
        self.post(&format!("/__sim/ui/documents/{id}/{act}"), json!({"reason": "Terms not acceptable"}))
            .await;
    }

    /// The next request that fits goes wrong.
    async fn spoil(&self, method: &str, path: &str, action: Value) {
        let wanted = json!({"method": method, "path": path});
        self.post("/__sim/faults", json!({"match": wanted, "hold_ms": 1, "action": action})).await;
    }

    /// Requests of this method and exactly this path.
    async fn requests(&self, method: &str, path: &str) -> usize {
        let found = self.get(&format!("/__sim/requests?method={method}&path_prefix={path}")).await;
        found.as_array().into_iter().flatten().filter(|request| request["path"] == path).count()
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

async fn until(adapter: &Adapter, id: &ProviderEnvelopeId, wanted: impl Fn(&Snapshot) -> bool) -> Snapshot {
    let look = async {
        loop {
            match adapter.snapshot(id).await {
                Ok(seen) if wanted(&seen) => return seen,
                Ok(_) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("it stands as wished in time")
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

fn ours(number: u8) -> EnvelopeId {
    EnvelopeId::from_bytes([number; 16])
}

fn parties() -> Parties {
    let people = [("Client", "Dana Buyer", "dana@buyer.test"), ("Sender", "Sam Seller", "sam@acme.test")];
    let owned = people.map(|(role, name, email)| (role.to_owned(), name.to_owned(), email.to_owned()));
    Parties::sequential(owned).expect("well-formed parties")
}

fn url_source(office: &Office) -> Source {
    Source::Url(format!("{}/files/order-1.pdf", office.simulator.url()))
}

fn template_source() -> Source {
    let prefill = [("Client.Company", "Buyer GmbH"), ("field:PO.Number", "PO-8812")];
    let prefill = prefill.map(|(label, text)| (label.to_owned(), text.to_owned()));
    Source::Template { id: TEMPLATE.to_owned(), prefill: BTreeMap::from(prefill) }
}

fn upload_source() -> Source {
    Source::Upload {
        file_name: "order.pdf".to_owned(),
        content_type: "application/pdf".to_owned(),
        bytes: files::order_pdf("1").into(),
    }
}

fn order(number: u8, source: Source) -> CreateOrder {
    let correlation = [
        (providers::ENVELOPE_ID_KEY, ours(number).to_string()),
        (providers::EXTERNAL_ID_KEY, "20417".to_owned()),
        (providers::CLIENT_REFERENCE_KEY, "deal-20417".to_owned()),
    ];
    CreateOrder {
        name: format!("Order form {number}"),
        source,
        parties: parties(),
        auto_send: false,
        correlation: correlation.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        webhook_url: None,
    }
}

/// Tokens that lie in memory.
fn in_memory() -> Arc<dyn TokenStore> {
    Arc::new(TokensInMemory::default())
}
