//! Whether the other side is told our trace.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::get;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use outbound::{Outbound, Request, Settings};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tracing_subscriber::layer::SubscriberExt;

async fn echo(headers: HeaderMap) -> String {
    headers.get("traceparent").map_or("none", |value| value.to_str().unwrap()).to_owned()
}

/// What arrives as `traceparent` at a server.
async fn told(propagate_trace: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, Router::new().route("/", get(echo))).await.unwrap() });
    let settings = Settings { propagate_trace, allow_private_addresses: true, ..Settings::new("test") };
    let response = Outbound::new(settings).unwrap().send(Request::get(url, "test")).await.unwrap();
    String::from_utf8(response.body.to_vec()).unwrap()
}

#[tokio::test]
async fn the_trace_is_told_only_where_it_is_wanted() {
    let tracer = SdkTracerProvider::builder().build().tracer("test");
    let subscriber = tracing_subscriber::registry().with(tracing_opentelemetry::layer().with_tracer(tracer));
    let _guard = tracing::subscriber::set_default(subscriber);
    assert_eq!(told(false).await, "none");

    let traceparent = told(true).await;
    let parts: Vec<&str> = traceparent.split('-').collect();
    assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [2, 32, 16, 2], "{traceparent}");
    assert_ne!(parts[1], "0".repeat(32));
}
