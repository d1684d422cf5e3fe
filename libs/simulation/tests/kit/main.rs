//! The kit as a caller and a webhook receiver see it: through real HTTP.

mod faults;
mod webhooks;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use outbound::{Outbound, OutboundError, Request, Response};
use serde_json::Value;
use simulation::webhooks::{Attempt, Message, Policy, Signed};
use simulation::{Kit, Receiver, Running, Settings};
use tokio::net::TcpListener;

/// Nothing here takes longer, unless it is broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// A simulator of nothing in particular: a counter.
struct Stand {
    kit: Kit,
    running: Running,
    client: Outbound,
    counter: Arc<AtomicU64>,
}

impl Stand {
    async fn open() -> Self {
        let webhooks =
            Policy { retries: vec![Duration::from_secs(60), Duration::from_secs(300)], ..Policy::default() };
        let settings = Settings { name: "counter".into(), seed: 3, time_factor: 6_000.0, webhooks };
        let kit = Kit::new(settings).expect("a kit");
        let counter = Arc::new(AtomicU64::new(0));
        let (adding, resetting) = (counter.clone(), counter.clone());
        kit.on_reset(move |_| resetting.store(0, Ordering::SeqCst));
        let add = move || async move { (adding.fetch_add(1, Ordering::SeqCst) + 1).to_string() };
        let router = Router::new().route("/add", post(add)).route("/ping", get(async || "pong"));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let running = kit.serve(listener, router).expect("a server");
        let mut settings = outbound::Settings::new("test");
        settings.allow_private_addresses = true;
        settings.breaker.failures_to_open = u32::MAX;
        Self { kit, running, client: Outbound::new(settings).expect("a client"), counter }
    }

    fn count(&self) -> u64 {
        self.counter.load(Ordering::SeqCst)
    }

    async fn call(&self, request: Request) -> Result<Response, OutboundError> {
        self.client.send(Request { deadline: PATIENCE, ..request }).await
    }

    async fn add(&self) -> Result<Response, OutboundError> {
        self.call(Request::post(self.url("/add"), "add")).await
    }

    async fn order(&self, path: &str, body: Value) -> Response {
        self.call(Request::post_json(self.url(path), "control", &body)).await.expect("an answer")
    }

    fn url(&self, path: &str) -> url::Url {
        format!("{}{path}", self.running.url()).parse().expect("an address")
    }

    /// Sends a webhook about `lane` whose body is `text` as JSON.
    fn tell(&self, receiver: &Receiver, lane: &str, text: &str) {
        let url: url::Url = receiver.url().parse().expect("an address");
        let sign = move |attempt: &Attempt<'_>| {
            let digest = hex::encode(attempt.digest([7; 32]));
            let headers = vec![
                ("X-Signature".to_owned(), digest),
                ("X-Key".to_owned(), attempt.key("key")),
                ("X-Attempt".to_owned(), attempt.number.to_string()),
            ];
            Signed { url: url.clone(), headers }
        };
        let body = Value::from(text).to_string().into();
        let (event, lane) = ("happened".to_owned(), lane.to_owned());
        self.kit.webhooks().send(Message {
            event,
            lane,
            body,
            sign: Arc::new(sign),
            retries: None,
            on_answer: None,
        });
    }
}

/// The first `count` deliveries.
async fn until(receiver: &Receiver, count: usize) -> Vec<simulation::Received> {
    tokio::time::timeout(PATIENCE, receiver.until(count)).await.expect("the deliveries arrive")
}

fn bodies(received: &[simulation::Received]) -> Vec<String> {
    received.iter().map(|one| serde_json::from_slice::<String>(&one.body).expect("a text")).collect()
}
