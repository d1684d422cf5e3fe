//! The client against a real server on loopback.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};
use outbound::{Outbound, OutboundError, Part, Rate, Request, Settings, Unreachable};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::Url;

const SECRET: &str = "pat-secret-of-ours";

/// A server that dies with the test.
struct Server {
    address: SocketAddr,
    hits: Arc<AtomicU32>,
    _tasks: JoinSet<()>,
}

impl Server {
    async fn start() -> Self {
        let hits = Arc::new(AtomicU32::new(0));
        let router = Router::new()
            .route("/echo-authorization", get(echo_authorization))
            .route("/never", get(std::future::pending::<StatusCode>))
            .route("/long", get(|| async { vec![b'x'; 2048] }))
            .route("/broken", get(broken))
            .route("/parts", post(|body: String| async { body }))
            .route("/loop", get(|| async { Redirect::temporary("/loop") }))
            .route("/hop", get(|| async { Redirect::temporary("/echo-authorization") }))
            .route("/post-hop", post(|| async { Redirect::temporary("/parts") }))
            .with_state(Arc::clone(&hits));
        Self::serve(router, hits).await
    }

    async fn serve(router: Router, hits: Arc<AtomicU32>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, hits, _tasks: tasks }
    }

    fn url(&self, path: &str) -> Url {
        format!("http://{}{path}", self.address).parse().unwrap()
    }

    fn get(&self, path: &str) -> Request {
        Request::get(self.url(path), "test").bearer(&SecretString::from(SECRET))
    }
}

async fn echo_authorization(headers: HeaderMap) -> String {
    headers.get(header::AUTHORIZATION).map_or("none", |value| value.to_str().unwrap()).to_owned()
}

async fn broken(State(hits): State<Arc<AtomicU32>>) -> impl IntoResponse {
    hits.fetch_add(1, Ordering::SeqCst);
    StatusCode::BAD_GATEWAY
}

fn settings() -> Settings {
    Settings { allow_private_addresses: true, ..Settings::new("test") }
}

fn client() -> Outbound {
    Outbound::new(settings()).unwrap()
}

fn text(response: outbound::Response) -> String {
    String::from_utf8(response.body.to_vec()).unwrap()
}

#[tokio::test]
async fn a_deadline_that_passes_leaves_the_outcome_unknown() {
    let server = Server::start().await;
    let request = server.get("/never").deadline(Duration::from_millis(50));
    assert_eq!(client().send(request).await.unwrap_err(), OutboundError::OutcomeUnknown);
}

#[tokio::test]
async fn a_refused_connection_is_certainly_not_sent() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let request = Request::get(format!("http://{free}/").parse().unwrap(), "test");
    let error = client().send(request).await.unwrap_err();
    assert_eq!(error, OutboundError::NotSent(Unreachable::Connect));
    assert!(error.nothing_happened());
}

#[tokio::test]
async fn a_connection_closed_after_the_request_leaves_the_outcome_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut bytes = [0; 64];
        stream.readable().await.unwrap();
        assert!(stream.try_read(&mut bytes).unwrap() > 0);
    });
    let error = client().send(Request::post(url, "test")).await.unwrap_err();
    assert_eq!(error, OutboundError::OutcomeUnknown);
}

#[tokio::test]
async fn any_status_is_an_answer() {
    let server = Server::start().await;
    assert_eq!(client().send(server.get("/broken")).await.unwrap().status, 502);
    assert_eq!(client().send(server.get("/nowhere")).await.unwrap().status, 404);
}

#[tokio::test]
async fn a_redirect_is_followed_only_as_often_as_allowed() {
    let server = Server::start().await;
    assert_eq!(client().send(server.get("/hop")).await.unwrap().status, 307);
    let followed = client().send(server.get("/hop").follow_redirects(1)).await.unwrap();
    assert_eq!(text(followed), format!("Bearer {SECRET}"));
    let error = client().send(server.get("/loop").follow_redirects(3)).await.unwrap_err();
    assert_eq!(error, OutboundError::Refused { reason: "too many redirects" });
}

#[tokio::test]
async fn a_redirect_to_another_host_or_port_loses_the_authorization() {
    let target = Server::start().await;
    let to = target.url("/echo-authorization").to_string();
    let router = Router::new().route("/away", get(move || async move { Redirect::to(&to) }));
    let server = Server::serve(router, Arc::default()).await;
    let response = client().send(server.get("/away").follow_redirects(1)).await.unwrap();
    assert_eq!(text(response), "none");
}

#[tokio::test]
async fn a_post_never_follows_a_redirect() {
    let server = Server::start().await;
    let request = Request::post(server.url("/post-hop"), "test").follow_redirects(3);
    assert_eq!(client().send(request).await.unwrap().status, 307);
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_not_read_to_the_end() {
    let server = Server::start().await;
    let client = Outbound::new(Settings { body_bytes_max: 1024, ..settings() }).unwrap();
    let error = client.send(server.get("/long")).await.unwrap_err();
    assert_eq!(error, OutboundError::BodyTooLarge { limit_bytes: 1024 });
}

#[tokio::test]
async fn ten_server_errors_open_the_breaker_and_nothing_more_arrives() {
    let server = Server::start().await;
    let client = client();
    for _ in 0..10 {
        assert_eq!(client.send(server.get("/broken")).await.unwrap().status, 502);
    }
    let error = client.send(server.get("/broken")).await.unwrap_err();
    assert!(matches!(error, OutboundError::BreakerOpen { .. }), "{error}");
    assert_eq!(server.hits.load(Ordering::SeqCst), 10);
}

#[tokio::test]
async fn a_place_beyond_the_deadline_is_refused_at_once() {
    let server = Server::start().await;
    let rate = Some(Rate { per_second: 0.01, burst: 1 });
    let client = Outbound::new(Settings { rate, ..settings() }).unwrap();
    assert_eq!(client.send(server.get("/nowhere")).await.unwrap().status, 404);
    let error = client.send(server.get("/nowhere")).await.unwrap_err();
    assert!(matches!(error, OutboundError::Throttled { .. }), "{error}");
}

#[tokio::test]
async fn an_operation_with_a_pace_of_its_own_neither_waits_for_others_nor_holds_them_back() {
    let server = Server::start().await;
    let operation_rates = vec![("slow", Rate { per_second: 0.01, burst: 1 })];
    let client = Outbound::new(Settings { operation_rates, ..settings() }).unwrap();
    let call = |operation| client.send(Request::get(server.url("/nowhere"), operation));
    assert_eq!(call("slow").await.unwrap().status, 404);
    assert!(matches!(call("slow").await.unwrap_err(), OutboundError::Throttled { .. }));
    assert_eq!(call("other").await.unwrap().status, 404);
    client.pause_operation("other", std::time::Duration::from_secs(600));
    assert!(matches!(call("other").await.unwrap_err(), OutboundError::Throttled { .. }));
}

#[tokio::test]
async fn a_private_address_is_refused_by_number_and_by_name() {
    let server = Server::start().await;
    let client = Outbound::new(Settings::new("test")).unwrap();
    let by_name = format!("http://localhost:{}/nowhere", server.address.port()).parse().unwrap();
    for url in [server.url("/nowhere"), by_name] {
        let error = client.send(Request::get(url, "test")).await.unwrap_err();
        assert!(matches!(error, OutboundError::Refused { .. }), "{error}");
    }
}

#[tokio::test]
async fn forms_and_parts_arrive() {
    let server = Server::start().await;
    let form = vec![("document[name]".to_owned(), "a b&c".to_owned())];
    let request = Request::post_form(server.url("/parts"), "test", form);
    assert_eq!(text(client().send(request).await.unwrap()), "document%5Bname%5D=a+b%26c");

    let part = Part {
        name: "file".to_owned(),
        file_name: Some("order.pdf".to_owned()),
        content_type: Some("application/pdf".to_owned()),
        bytes: "%PDF-1.7".into(),
    };
    let request = Request::post_multipart(server.url("/parts"), "test", vec![part]);
    let sent = text(client().send(request).await.unwrap());
    assert!(sent.contains("name=\"file\"; filename=\"order.pdf\"") && sent.contains("%PDF-1.7"), "{sent}");
}

#[tokio::test]
async fn nothing_secret_is_printed() {
    let server = Server::start().await;
    let url = server.url("/echo-authorization?rt=token-in-a-link");
    let request = Request::post_json(url, "test", &"dana@buyer.test").bearer(&SecretString::from(SECRET));
    let response = client().send(server.get("/echo-authorization")).await.unwrap();
    let printed = format!("{request:?} {:?} {:?} {response:?} {:?}", request.headers, request.body, client());
    for secret in [SECRET, "token-in-a-link", "dana@buyer.test"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}
