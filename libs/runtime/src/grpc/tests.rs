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
