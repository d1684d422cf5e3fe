//! The vendor simulators as an integrator meets them: through real HTTP, line by line of the contracts.

mod atlas_accounts;
mod atlas_api;
mod atlas_create;
mod atlas_people;
mod atlas_second;
mod atlas_webhooks;
mod pandadoc_api;
mod pandadoc_people;
mod pandadoc_webhooks;

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use outbound::{Body, Outbound, Part, Request, Response};
use secrecy::SecretString;
use serde_json::Value;
use simulation::{Received, Receiver, Running};
use tokio::net::TcpListener;

/// Nothing here takes longer, unless it is broken.
const PATIENCE: Duration = Duration::from_secs(20);
const KEY: &str = "atlas_live_7Yq2mWkP0sZr4tVxB9dL";

/// A client of one simulator.
struct Caller {
    running: Running,
    client: Outbound,
    credential: String,
}

impl Caller {
    fn new(running: Running, credential: &str) -> Self {
        let mut settings = outbound::Settings::new("test");
        settings.allow_private_addresses = true;
        settings.breaker.failures_to_open = u32::MAX;
        let client = Outbound::new(settings).expect("a client");
        Self { running, client, credential: credential.to_owned() }
    }

    fn url(&self, path: &str) -> url::Url {
        let path = path.strip_prefix(&self.running.url()).unwrap_or(path);
        format!("{}{path}", self.running.url()).parse().expect("an address")
    }

    async fn send(&self, request: Request) -> Response {
        let mut request = Request { deadline: PATIENCE, ..request };
        if !request.headers.iter().any(|(name, _)| name == http::header::AUTHORIZATION)
            && !self.credential.is_empty()
        {
            request = with(request, "authorization", &self.credential);
        }
        self.client.send(request).await.expect("an answer")
    }

    async fn get(&self, path: &str) -> Response {
        self.send(Request::get(self.url(path), "test")).await
    }

    async fn post(&self, path: &str, body: Value) -> Response {
        self.send(Request::post_json(self.url(path), "test", &body)).await
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> Response {
        self.send(Request { method, ..Request::post_json(self.url(path), "test", &body) }).await
    }

    /// A POST under an idempotency key.
    async fn keyed(&self, path: &str, key: &str, body: Value) -> Response {
        let request = Request::post_json(self.url(path), "test", &body);
        self.send(with(request, "idempotency-key", key)).await
    }

    async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.send(Request { body: Body::Form(fields), ..Request::post(self.url(path), "test") }).await
    }

    async fn multipart(&self, path: &str, key: &str, parts: Vec<Part>) -> Response {
        let request = Request::post_multipart(self.url(path), "test", parts);
        self.send(with(request, "idempotency-key", key)).await
    }

    /// Asks again until the answer is as wanted.
    async fn until(&self, path: &str, wanted: impl Fn(&Response) -> bool) -> Response {
        let asking = async {
            loop {
                let answer = self.get(path).await;
                if wanted(&answer) {
                    return answer;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, asking).await.expect("the answer becomes as wanted")
    }
}

fn with(mut request: Request, name: &str, value: &str) -> Request {
    let name: HeaderName = name.parse().expect("a header name");
    request
        .headers
        .push((name, outbound::Header::Plain(HeaderValue::from_str(value).expect("a header value"))));
    request
}

fn json_of(response: &Response) -> Value {
    serde_json::from_slice(&response.body).expect("JSON")
}

fn text_of(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

async fn port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a free port")
}

async fn receiver(script: impl IntoIterator<Item = u16>) -> Receiver {
    Receiver::start(script).await.expect("a receiver")
}

/// The first `count` deliveries.
async fn arrived(receiver: &Receiver, count: usize) -> Vec<Received> {
    tokio::time::timeout(PATIENCE, receiver.until(count)).await.expect("the deliveries arrive")
}

fn body_of(received: &Received) -> Value {
    serde_json::from_slice(&received.body).expect("JSON")
}
