//! Telemetry against a collector that is absent, down, or there.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;

use super::*;
use crate::grpc::{Server, ServerSettings};

#[tokio::test]
async fn without_a_collector_spans_have_ids_and_the_flush_ends() {
    let provider = provider(&Settings::default()).unwrap();
    let subscriber = Registry::default().with(spans(&provider));
    let trace = tracing::subscriber::with_default(subscriber, || {
        crate::propagation::tests::trace_of(&tracing::info_span!("work"))
    });
    assert!(trace.is_some());
    Guard(provider).flush().await;
}

#[tokio::test]
async fn a_collector_that_is_down_does_not_hold_the_flush() {
    let settings = Settings { otlp_endpoint: Some("http://127.0.0.1:1".to_owned()), ..Settings::default() };
    let provider = provider(&settings).unwrap();
    tokio::time::timeout(EXPORT_TIMEOUT * 4, Guard(provider).flush()).await.unwrap();
}

#[test]
fn a_filter_that_cannot_be_read_is_an_error() {
    let settings = Settings { filter: Some("info,=[[".to_owned()), ..Settings::default() };
    assert!(matches!(start(&settings), Err(TelemetryError::Filter(_))));
}

/// A collector that hands on what it is sent, as bytes.
#[derive(Clone)]
struct Collector(mpsc::UnboundedSender<Bytes>);

impl tonic::server::NamedService for Collector {
    const NAME: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
}

impl tower::Service<http::Request<Body>> for Collector {
    type Response = http::Response<Body>;
    type Error = std::convert::Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let received = self.0.clone();
        Box::pin(async move {
            let bytes = request.into_body().collect().await.unwrap().to_bytes();
            received.send(bytes).unwrap();
            // One empty message, and the status after it.
            let mut trailers = http::HeaderMap::new();
            trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
            let message = Full::new(Bytes::from_static(&[0; 5]));
            let body = message.with_trailers(std::future::ready(Some(Ok(trailers))));
            let response = http::Response::builder().header("content-type", "application/grpc");
            Ok(response.body(Body::new(body)).unwrap())
        })
    }
}

#[tokio::test]
async fn the_flush_brings_the_last_spans_to_the_collector() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = Settings {
        service_name: "countersign-under-test".to_owned(),
        otlp_endpoint: Some(format!("http://{}", listener.local_addr().unwrap())),
        ..Settings::default()
    };
    let (sender, mut received) = mpsc::unbounded_channel();
    let shutdown = CancellationToken::new();
    let server =
        Server::new().service(Collector(sender)).serve(listener, ServerSettings::default(), shutdown.clone());
    let work = async {
        let provider = provider(&settings).unwrap();
        let subscriber = Registry::default().with(spans(&provider));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info_span!("signing").in_scope(|| tracing::info!("done"));
            tracing::info_span!(target: "h2", "noise").in_scope(|| ());
        });
        Guard(provider).flush().await;
        shutdown.cancel();
    };
    let (served, ()) = tokio::join!(server, work);
    served.unwrap();
    let text = String::from_utf8_lossy(&received.recv().await.unwrap()).into_owned();
    assert!(text.contains("signing") && text.contains("countersign-under-test"), "{text}");
    assert!(!text.contains("noise"), "the exporter's own stack is kept out: {text}");
}
