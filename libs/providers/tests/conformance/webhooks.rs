//! What the simulators send is what the schemes believe.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use domain::ids::ConnectionId;
use domain::intake::{Claim, Meaning, RawDelivery, Signal};
use domain::time::Timestamp;
use secrecy::SecretString;
use serde_json::Map;
use signatures::VerifyKey;
use tokio::sync::mpsc;

use crate::stand::{API_KEY, SHARED_KEY, Stand, variants};

type Inbox = mpsc::Sender<RawDelivery>;

/// Passes every delivery on exactly as it arrived.
async fn receive(State(inbox): State<Inbox>, request: Request) -> &'static str {
    let (head, body) = request.into_parts();
    let headers =
        head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
    let delivery = RawDelivery {
        connection: ConnectionId::from_str("under-test").expect("a connection id"),
        method: head.method.to_string(),
        path_and_query: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers: headers.collect(),
        body: axum::body::to_bytes(body, 1 << 20).await.expect("a body").to_vec(),
        received_at: Timestamp(0),
    };
    inbox.send(delivery).await.expect("the test listens");
    ""
}

async fn listen() -> (String, mpsc::Receiver<RawDelivery>) {
    let (inbox, deliveries) = mpsc::channel(100);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/v1/hooks/under-test", listener.local_addr().expect("an address"));
    let routes = Router::new().fallback(receive).with_state(inbox);
    let serving = async move { axum::serve(listener, routes).await };
    #[expect(clippy::disallowed_methods, reason = "a test's server ends with the test's runtime")]
    tokio::task::spawn(serving);
    (url, deliveries)
}

/// The deliveries, each verified, as the signals they carry, up to the one that claims completion.
async fn until_completed(kind: &str, deliveries: &mut mpsc::Receiver<RawDelivery>) -> Vec<Signal> {
    let scheme: Arc<_> = providers::scheme(kind, &Map::new()).expect("a scheme");
    let key = |secret: &str| VerifyKey::new("k", SecretString::from(secret.to_owned())).expect("a key");
    let mut signals: Vec<Signal> = Vec::new();
    let completed = |signal: &Signal| matches!(&signal.meaning, Meaning::Envelope(news) if news.claim == Claim::Completed);
    while !signals.iter().any(completed) {
        let delivery = deliveries.recv().await.expect("one more delivery");
        let verified = scheme.verify(&delivery, &[key(API_KEY), key(SHARED_KEY)], Timestamp(0));
        assert!(verified.is_ok(), "{kind}: {verified:?}");
        let strangers = scheme.verify(&delivery, &[key("stranger")], Timestamp(0));
        assert!(strangers.is_err(), "{kind}: any key will do");
        signals.extend(scheme.split(&delivery));
    }
    signals
}

#[tokio::test]
async fn every_webhook_of_an_envelopes_life_verifies_and_names_the_envelope() {
    for (kind, options) in variants() {
        let (url, mut deliveries) = listen().await;
        let stand = Stand::open(kind, options, Some(&url)).await;
        let id = stand.sent(1).await;
        stand.decide(&id, "sign").await;
        stand.decide(&id, "sign").await;
        let patience = Duration::from_secs(30);
        let signals = tokio::time::timeout(patience, until_completed(stand.kind, &mut deliveries));
        let signals = signals.await.expect("completed in time");
        for signal in &signals {
            let Meaning::Envelope(news) = &signal.meaning else { panic!("{}: {signal:?}", stand.kind) };
            assert_eq!((&news.provider_id, signal.subject.as_str()), (&id, id.as_str()));
            let reference = news.correlation.get("external_id").map(String::as_str);
            assert_eq!(reference, Some("20417"), "{}: {}", stand.kind, signal.event);
        }
        let mut dedupes: Vec<&str> = signals.iter().map(|signal| signal.dedupe.as_str()).collect();
        dedupes.sort_unstable();
        dedupes.dedup();
        assert_eq!(dedupes.len(), signals.len(), "{}: no two signals are the same news", stand.kind);
    }
}
