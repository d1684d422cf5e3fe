//! A portal, a connection to it, and a receiver of its webhooks.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use crms::hubspot::simulator::{self, Settings};
use crms::{ConnectionSettings, Crm, Tokens, WebhookSettings};
use domain::intake::{Meaning, RawDelivery, RecordChange, RecordRef, Refusal, Signal};
use domain::time::Timestamp;
use outbound::{Outbound, Response};
use secrecy::SecretString;
use serde_json::{Value, json};
use signatures::{VerifyKey, WebhookScheme};
use simulation::Running;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use url::Url;

pub const TOKEN: &str = "pat-na1-test";
pub const SECRET: &str = "client-secret-test";
pub const PUBLIC_URL: &str = "https://hooks.acme.test/v1/hooks/hubspot-main";
/// Nothing in these tests takes longer, unless it is broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// A simulated portal and a client for its control calls.
pub struct Portal {
    pub running: Running,
    outbound: Outbound,
}

impl Portal {
    pub async fn start() -> Self {
        Self::with(|_settings| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            access_tokens: vec![SecretString::from(TOKEN)],
            client_secret: SecretString::from(SECRET),
            ..Settings::default()
        };
        change(&mut settings);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let running = simulator::start(listener, settings).unwrap();
        Self { running, outbound: client() }
    }

    pub fn url(&self, path: &str) -> Url {
        format!("{}{path}", self.running.url()).parse().unwrap()
    }

    /// Any call with the good token.
    pub async fn call(&self, request: outbound::Request) -> Response {
        self.outbound.send(request.bearer(&SecretString::from(TOKEN))).await.unwrap()
    }

    pub async fn post(&self, path: &str, body: Value) -> Response {
        self.call(outbound::Request::post_json(self.url(path), "test", &body)).await
    }

    pub async fn get(&self, path: &str) -> Response {
        self.call(outbound::Request::get(self.url(path), "test")).await
    }

    /// A control call that must succeed.
    pub async fn control(&self, path: &str, body: Value) -> Value {
        let response = self.post(&format!("/__sim/{path}"), body).await;
        assert!(response.is_success(), "{path}: {}", response.status);
        if response.body.is_empty() { Value::Null } else { response.json().unwrap() }
    }

    /// A person makes a deal.
    pub async fn deal(&self, properties: Value) -> RecordRef {
        let made = self.control("deals", json!({"properties": properties})).await;
        RecordRef {
            connection: "hubspot-main".parse().unwrap(),
            object_type: "deal".into(),
            object_id: made["id"].as_str().unwrap().into(),
        }
    }

    /// A person edits a deal.
    pub async fn edit(&self, deal: &RecordRef, properties: Value) {
        self.control("ui-edit", json!({"id": deal.object_id, "properties": properties})).await;
    }

    /// The writes to one property, in order.
    pub async fn history(&self, deal: &RecordRef, property: &str) -> Vec<Value> {
        let shown: Value = self.get(&format!("/__sim/deals/{}", deal.object_id)).await.json().unwrap();
        let history = shown["history"].as_array().unwrap().iter();
        history.filter(|write| write["property"] == property).cloned().collect()
    }

    pub fn crm(&self) -> Arc<dyn Crm> {
        self.crm_with(Arc::new(|| SecretString::from(TOKEN)))
    }

    pub fn crm_with(&self, access_token: Tokens) -> Arc<dyn Crm> {
        let options = json!({"requests_per_ten_seconds": 10_000});
        let settings = ConnectionSettings {
            connection: "hubspot-main".parse().unwrap(),
            base_url: self.running.url().parse().unwrap(),
            access_token,
            options: options.as_object().unwrap().clone(),
            allow_private_addresses: true,
        };
        crms::connect("hubspot", settings).unwrap()
    }
}

fn client() -> Outbound {
    let settings = outbound::Settings { allow_private_addresses: true, ..outbound::Settings::new("test") };
    Outbound::new(settings).unwrap()
}

pub fn values<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// A receiver that answers 200, or first what it is told to answer.
pub struct Receiver {
    pub url: Url,
    pub arrived: mpsc::UnboundedReceiver<RawDelivery>,
    _tasks: JoinSet<()>,
}

#[derive(Clone)]
struct Desk {
    arrived: mpsc::UnboundedSender<RawDelivery>,
    answers: Arc<Mutex<VecDeque<u16>>>,
}

impl Receiver {
    pub async fn start(answers: &[u16]) -> Self {
        let (sender, arrived) = mpsc::unbounded_channel();
        let desk = Desk { arrived: sender, answers: Arc::new(Mutex::new(answers.iter().copied().collect())) };
        let router = Router::new().fallback(receive).with_state(desk);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/hooks/hubspot-main", listener.local_addr().unwrap()).parse().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, arrived, _tasks: tasks }
    }

    /// A portal that delivers here, under the public address.
    pub async fn portal(&self, change: impl FnOnce(&mut Settings)) -> Portal {
        Portal::with(|settings| {
            settings.webhook_url = Some(PUBLIC_URL.parse().unwrap());
            settings.deliver_to = Some(self.url.clone());
            change(settings);
        })
        .await
    }

    pub async fn next(&mut self) -> RawDelivery {
        tokio::time::timeout(PATIENCE, self.arrived.recv()).await.unwrap().unwrap()
    }

    /// The changes in the next delivery, which must be believed.
    pub async fn changes(&mut self) -> Vec<RecordChange> {
        let delivery = self.next().await;
        verify(&delivery, SECRET).unwrap();
        changes(split(&delivery))
    }
}

async fn receive(State(desk): State<Desk>, request: Request) -> StatusCode {
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let header = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        (name.as_str().to_owned(), value.as_bytes().to_vec())
    };
    let status = desk.answers.lock().unwrap().pop_front().unwrap_or(200);
    let delivery = RawDelivery {
        connection: "hubspot-main".parse().unwrap(),
        method: parts.method.to_string(),
        path_and_query: parts.uri.path_and_query().unwrap().to_string(),
        headers: parts.headers.iter().map(header).collect(),
        body: body.to_vec(),
        received_at: simulation::clock::now(),
    };
    desk.arrived.send(delivery).unwrap();
    StatusCode::from_u16(status).unwrap()
}

fn scheme() -> Arc<dyn WebhookScheme> {
    let options = json!({"app_id": "9900"});
    let settings = WebhookSettings {
        connection: "hubspot-main".parse().unwrap(),
        webhook_url: Some(PUBLIC_URL.parse().unwrap()),
        account: Some("44001122".into()),
        options: options.as_object().unwrap().clone(),
    };
    crms::scheme("hubspot", settings).unwrap()
}

pub fn verify(delivery: &RawDelivery, secret: &str) -> Result<usize, Refusal> {
    let key = VerifyKey::new("c1", SecretString::from(secret)).unwrap();
    scheme().verify(delivery, &[key], delivery.received_at)
}

pub fn split(delivery: &RawDelivery) -> Vec<Signal> {
    scheme().split(delivery)
}

pub fn changes(signals: Vec<Signal>) -> Vec<RecordChange> {
    signals
        .into_iter()
        .map(|signal| match signal.meaning {
            Meaning::Record(change) => change,
            Meaning::Envelope(_) | Meaning::Nothing(_) => panic!("no change of a record"),
        })
        .collect()
}

/// The time a delivery says it was signed at.
pub fn signed_at(delivery: &RawDelivery) -> Timestamp {
    let text = delivery.header("x-hubspot-request-timestamp").next().unwrap();
    Timestamp(std::str::from_utf8(text).unwrap().parse().unwrap())
}
