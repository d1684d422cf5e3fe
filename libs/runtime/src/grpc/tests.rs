//! A server and a client of this recipe, talking over loopback.

use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::*;

async fn with_server(settings: ServerSettings, test: impl AsyncFnOnce(Client, CancellationToken)) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let shutdown = CancellationToken::new();
    let server = Server::new().serve(listener, settings, shutdown.clone());
    let client = Client::new(&endpoint, ClientSettings::default()).unwrap();
    let (served, ()) = tokio::join!(server, async {
        test(client, shutdown.clone()).await;
        shutdown.cancel();
    });
    served.unwrap();
}

#[tokio::test]
async fn a_server_tells_its_health_and_ends_in_order() {
    with_server(ServerSettings::default(), async |client, _| {
        let answer = HealthClient::new(client).check(HealthCheckRequest::default()).await.unwrap();
        assert_eq!(answer.into_inner().status, 1);
    })
    .await;
}

#[tokio::test]
async fn an_open_stream_does_not_hold_the_server_beyond_its_deadline() {
    let settings = ServerSettings { drain_deadline: Duration::from_millis(100), ..ServerSettings::default() };
    with_server(settings, async |client, shutdown| {
        let mut health = HealthClient::new(client);
        let mut stream = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
        assert_eq!(stream.message().await.unwrap().unwrap().status, 1);
        shutdown.cancel();
        assert_eq!(stream.message().await.unwrap().unwrap().status, 2, "the watcher hears that it ends");
    })
    .await;
}

#[tokio::test]
async fn an_unknown_service_is_unimplemented_and_counted() {
    crate::metrics::install();
    with_server(ServerSettings { reflection: false, ..ServerSettings::default() }, async |client, _| {
        let mut grpc = tonic::client::Grpc::new(client);
        grpc.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<HealthCheckRequest, HealthCheckResponse>::default();
        let path = http::uri::PathAndQuery::from_static("/countersign.none.v1.None/Ask");
        let refused =
            grpc.unary(tonic::Request::new(HealthCheckRequest::default()), path, codec).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unimplemented);
    })
    .await;
    let numbers = crate::metrics::render();
    assert!(numbers.contains(r#"method="countersign.none.v1.None/Ask",code="UNIMPLEMENTED""#), "{numbers}");
}

#[tokio::test]
async fn a_server_that_is_away_is_unavailable() {
    let client = Client::new("http://127.0.0.1:1", ClientSettings::default()).unwrap();
    let refused = HealthClient::new(client).check(HealthCheckRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
}

#[tokio::test]
async fn an_address_without_a_host_is_refused() {
    let refused = Client::new("127.0.0.1", ClientSettings::default()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "`127.0.0.1` is not the address of a gRPC service: write http://host:port"
    );
}

#[test]
fn a_refusal_carries_its_reason_to_the_caller() {
    let status = status::refusal(Code::FailedPrecondition, "ENVELOPE_CLOSED", "the envelope is closed");
    assert_eq!(status::reason(&status).as_deref(), Some("ENVELOPE_CLOSED"));
    let away = status::unavailable("the log is away", Duration::from_secs(2));
    assert_eq!(status::retry_after(&away), Some(Duration::from_secs(2)));
    assert_eq!(status::bad_field("parties", "at least one").message(), "parties: at least one");
}

/// Answers `Say` with the trace it sees, and `Hang` never.
#[derive(Clone)]
struct Echo;

impl tonic::server::NamedService for Echo {
    const NAME: &'static str = "countersign.test.v1.Echo";
}

impl tower::Service<http::Request<tonic::body::Body>> for Echo {
    type Response = http::Response<tonic::body::Body>;
    type Error = std::convert::Infallible;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        Box::pin(async move {
            if request.uri().path().ends_with("/Hang") {
                std::future::pending::<()>().await;
            }
            let waits = request.headers().get("grpc-timeout").cloned();
            let mut response = http::Response::new(tonic::body::Body::empty());
            let headers = response.headers_mut();
            headers.insert("content-type", http::HeaderValue::from_static("application/grpc"));
            headers.insert("grpc-status", http::HeaderValue::from_static("0"));
            if let Some(trace) = crate::propagation::tests::trace_of(&tracing::Span::current()) {
                headers.insert("seen-trace", trace.parse().unwrap());
            }
            headers.extend(waits.map(|wait| (http::HeaderName::from_static("seen-timeout"), wait)));
            Ok(response)
        })
    }
}

async fn say(
    settings: ServerSettings,
    patience: ClientSettings,
    method: &str,
) -> http::Response<tonic::body::Body> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let shutdown = CancellationToken::new();
    let server = Server::new().service(Echo).serve(listener, settings, shutdown.clone());
    let asking = async {
        let mut client = Client::new(&endpoint, patience).unwrap();
        let request = http::Request::post(format!("/countersign.test.v1.Echo/{method}"))
            .body(tonic::body::Body::empty())
            .unwrap();
        let response = tower::ServiceExt::ready(&mut client).await.unwrap();
        let response = tower::Service::call(response, request).await.unwrap();
        shutdown.cancel();
        response
    };
    let (served, response) = tokio::join!(server, asking);
    served.unwrap();
    response
}

#[tokio::test]
async fn a_trace_and_the_deadline_go_from_client_to_server() {
    use opentelemetry::trace::TracerProvider;
    use tracing::Instrument;
    use tracing_subscriber::layer::SubscriberExt;

    let provider = opentelemetry_sdk::trace::SdkTracerProvider::builder().build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));

    let journey = tracing::info_span!("journey");
    let trace = crate::propagation::tests::trace_of(&journey).unwrap();
    let trace_id = trace.split('-').nth(1).unwrap().to_owned();
    let response = say(ServerSettings::default(), ClientSettings::default(), "Say").instrument(journey).await;
    let seen = response.headers()["seen-trace"].to_str().unwrap();
    assert!(seen.contains(&trace_id), "{seen} is not of the trace {trace_id}");
    assert_eq!(response.headers()["seen-timeout"], "10000m");
}

#[tokio::test]
async fn a_call_that_hangs_ends_at_the_servers_deadline() {
    let settings = ServerSettings { timeout: Duration::from_millis(50), ..ServerSettings::default() };
    let response = say(settings, ClientSettings::default(), "Hang").await;
    let status = tonic::Status::from_header_map(response.headers()).unwrap();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(status.message(), "the answer took too long");
}

#[tokio::test]
async fn a_server_that_does_not_answer_at_all_is_given_up_at_the_clients_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let patience = ClientSettings { timeout: Duration::from_millis(50), ..ClientSettings::default() };
    let client = Client::new(&endpoint, patience).unwrap();
    let refused = HealthClient::new(client).check(HealthCheckRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::DeadlineExceeded);
    drop(listener);
}
