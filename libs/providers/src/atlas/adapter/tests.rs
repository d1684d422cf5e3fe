use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{Query, RawQuery, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use domain::ids::ConnectionId;
use domain::retry::Retry;
use parking_lot::Mutex;
use secrecy::SecretString;

use super::*;

/// A vendor that answers as told and remembers what it was asked.
async fn vendor(routes: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let serving = async move { axum::serve(listener, routes).await };
    #[expect(clippy::disallowed_methods, reason = "a test's server ends with the test's runtime")]
    tokio::task::spawn(serving);
    format!("http://{address}")
}

fn adapter(base_url: &str, options: Value) -> Result<Adapter, ConnectError> {
    Adapter::new(ConnectionSettings {
        connection: ConnectionId::from_str("atlas-main").expect("a connection id"),
        base_url: base_url.parse().expect("an address"),
        key: Arc::new(|| SecretString::from("atlas_live_1".to_owned())),
        oauth: None,
        webhook_url: None,
        options: options.as_object().cloned().unwrap_or_default(),
        allow_private_addresses: true,
    })
}

fn fast(base_url: &str) -> Adapter {
    adapter(base_url, json!({"pace": {"per_second": 10_000.0, "burst": 100}})).expect("an adapter")
}

fn ours() -> EnvelopeId {
    EnvelopeId::from_bytes([7; 16])
}

#[test]
fn an_unknown_option_is_refused_by_name() {
    let error = adapter("http://127.0.0.1:1", json!({"acount": "ext_1"})).err().expect("refused");
    assert!(error.to_string().contains("acount"), "{error}");
}

#[test]
fn a_base_address_with_or_without_the_api_path_is_the_same() {
    for base in
        ["http://127.0.0.1:1", "http://127.0.0.1:1/", "http://127.0.0.1:1/api", "http://127.0.0.1:1/api/"]
    {
        let id = "e/1".parse().unwrap();
        let url = fast(base).envelope_url(&id, &["send"]);
        assert_eq!(url.as_str(), "http://127.0.0.1:1/api/envelope/e%2F1/send");
    }
}

#[tokio::test]
async fn a_search_ends_when_the_vendor_repeats_its_pages() {
    let asked = Arc::new(Mutex::new(0));
    let pages = |State(asked): State<Arc<Mutex<u32>>>, RawQuery(_): RawQuery| async move {
        *asked.lock() += 1;
        let cursor = format!("c{}", *asked.lock());
        Json(
            json!({"items": [{"envelope_id": "e1", "metadata": {"external_id": "7"}}], "nextCursor": cursor}),
        )
    };
    let base = vendor(Router::new().route("/api/envelopes", get(pages)).with_state(asked.clone())).await;
    assert_eq!(fast(&base).find(&ours(), "7").await, Ok(None));
    assert_eq!(*asked.lock(), 2);
}

#[tokio::test]
async fn an_envelope_on_a_later_page_is_found_by_our_own_id() {
    let pages = |Query(query): Query<std::collections::HashMap<String, String>>| async move {
        let mine = json!({"countersign_envelope_id": ours().to_string(), "external_id": "7"});
        Json(match query.get("cursor").map(String::as_str) {
            None => {
                json!({"items": [{"envelope_id": "e1", "metadata": {"external_id": "7"}}], "nextCursor": "c2"})
            }
            Some(_) => json!({"items": [{"envelope_id": "e2", "metadata": mine}], "nextCursor": null}),
        })
    };
    let mine = json!({"envelope_id": "e2", "status": "draft", "metadata": {"countersign_envelope_id": ours().to_string()}});
    let envelope = move || async move { Json(mine) };
    let base =
        vendor(Router::new().route("/api/envelopes", get(pages)).route("/api/envelope/e2", get(envelope)))
            .await;
    let found = fast(&base).find(&ours(), "7").await.unwrap().unwrap();
    assert_eq!(found.provider_id.as_str(), "e2");
}

#[tokio::test]
async fn a_connected_account_is_named_on_every_call() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let record = |State(seen): State<Arc<Mutex<Vec<String>>>>, headers: http::HeaderMap| async move {
        let value =
            |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        seen.lock().push(format!("{} {}", value("atlas-account"), value("authorization")));
        Json(json!({"envelope_id": "e1", "status": "draft"}))
    };
    let routes =
        Router::new().route("/api/envelope/e1", get(record)).route("/api/envelope/e1/remind", post(record));
    let base = vendor(routes.with_state(seen.clone())).await;
    let options = json!({"account": "ext_42", "pace": {"per_second": 10_000.0}});
    let adapter = adapter(&base, options).unwrap();
    let id = "e1".parse().unwrap();
    adapter.snapshot(&id).await.unwrap();
    adapter.remind(&id).await.unwrap();
    assert_eq!(*seen.lock(), ["ext_42 Bearer atlas_live_1", "ext_42 Bearer atlas_live_1"]);
}

#[tokio::test]
async fn a_void_is_repeated_without_its_reason_where_the_vendor_refuses_reasons() {
    let refuse_bodies = |body: Bytes| async move {
        if body.is_empty() { http::StatusCode::OK } else { http::StatusCode::BAD_REQUEST }
    };
    let base = vendor(Router::new().route("/api/envelope/e1/void", post(refuse_bodies))).await;
    assert_eq!(fast(&base).void(&"e1".parse().unwrap(), "order cancelled").await, Ok(()));
}

#[tokio::test]
async fn a_truncated_pdf_is_not_taken() {
    let half = || async { b"%PDF-1.7 and then nothing more".to_vec() };
    let base = vendor(Router::new().route("/api/envelope/e1/pdf", get(half))).await;
    let error = fast(&base).download(&"e1".parse().unwrap()).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (Class::Transient, "not_a_whole_pdf"));
}

#[tokio::test]
async fn a_connection_without_credits_is_tried_again_after_the_configured_pause() {
    let broke = || async { (http::StatusCode::PAYMENT_REQUIRED, Json(json!({"code": "credits_exhausted"}))) };
    let draft = || async { Json(json!({"envelope_id": "e1", "status": "draft", "parties": []})) };
    let routes =
        Router::new().route("/api/envelope/e1", get(draft)).route("/api/envelope/e1/send", post(broke));
    let base = vendor(routes).await;
    let adapter = adapter(&base, json!({"quota_pause_seconds": 1.5})).unwrap();
    let parties = Parties::recorded(Vec::new());
    let error = adapter.send(&"e1".parse().unwrap(), &parties, Some(1), "k").await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (Class::QuotaExhausted, "credits_exhausted"));
    assert_eq!(error.retry, Retry::After(Duration::from_millis(1500)));
}

#[tokio::test]
async fn what_cannot_be_an_order_is_refused_before_anything_is_sent() {
    let draft = || async { Json(json!({"envelope_id": "e1", "status": "draft"})) };
    let only_reads = fast(&vendor(Router::new().route("/api/envelope/e1", get(draft))).await);
    let nobody_listens = fast("http://127.0.0.1:1");
    let id = "e1".parse().unwrap();
    let erased = Parties::recorded(vec![domain::parties::Party {
        order: 1,
        role: String::new(),
        name: domain::personal::Personal::Erased,
        email: domain::personal::Personal::Erased,
    }]);
    let error = only_reads.send(&id, &erased, None, "k").await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (Class::InvalidRequest, "party_erased"));
    let error =
        nobody_listens.send(&id, &Parties::recorded(Vec::new()), None, "two words").await.unwrap_err();
    assert_eq!(error.code, "idempotency_key_malformed");
}

#[tokio::test]
async fn a_draft_that_hides_its_addresses_is_sent_without_a_list_of_ours() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let draft = || async { Json(json!({"envelope_id": "e1", "parties": [{"name": "Dana", "order": 1}]})) };
    let record = |State(seen): State<Arc<Mutex<Vec<Value>>>>, Json(body): Json<Value>| async move {
        seen.lock().push(body);
    };
    let routes =
        Router::new().route("/api/envelope/e1", get(draft)).route("/api/envelope/e1/send", post(record));
    let base = vendor(routes.with_state(seen.clone())).await;
    let parties =
        Parties::sequential([("Customer".to_owned(), "Dana".to_owned(), "dana@buyer.test".to_owned())]);
    fast(&base).send(&"e1".parse().unwrap(), &parties.unwrap(), Some(3), "k").await.unwrap();
    assert_eq!(*seen.lock(), [json!({"fields_version": 3})]);
}

/// Who stands in the draft, and the bodies and keys of the sends that came.
#[derive(Default)]
struct Reviewed {
    parties: Value,
    sends: Vec<(String, Value)>,
}

/// A vendor whose reviewer puts somebody else in as soon as the draft was read; `named` refuses a send without parties.
async fn reviewed(named: bool) -> (String, Arc<Mutex<Reviewed>>) {
    let dana = json!([{"email": "dana@buyer.test", "name": "Dana", "order": 1, "status": "waiting"}]);
    let state = Arc::new(Mutex::new(Reviewed { parties: dana, sends: Vec::new() }));
    let draft = |State(state): State<Arc<Mutex<Reviewed>>>| async move {
        let other = json!([{"email": "boss@buyer.test", "name": "Bo", "order": 1, "status": "waiting"}]);
        let read = std::mem::replace(&mut state.lock().parties, other);
        Json(json!({"envelope_id": "e1", "status": "draft", "parties": read}))
    };
    let send = move |State(state): State<Arc<Mutex<Reviewed>>>,
                     headers: http::HeaderMap,
                     Json(body): Json<Value>| async move {
        let mut state = state.lock();
        let key = headers["idempotency-key"].to_str().unwrap_or_default().to_owned();
        state.sends.push((key, body.clone()));
        match body.get("parties") {
            None if named => return http::StatusCode::BAD_REQUEST,
            None => {}
            Some(parties) => state.parties = parties.clone(),
        }
        http::StatusCode::OK
    };
    let routes =
        Router::new().route("/api/envelope/e1", get(draft)).route("/api/envelope/e1/send", post(send));
    (vendor(routes.with_state(state.clone())).await, state)
}

fn ordered() -> Parties {
    let dana = ("Customer".to_owned(), "Dana".to_owned(), "dana@buyer.test".to_owned());
    Parties::sequential([dana]).expect("one party")
}

#[tokio::test]
async fn whoever_is_put_in_while_we_send_is_not_overwritten() {
    let (base, state) = reviewed(false).await;
    fast(&base).send(&"e1".parse().unwrap(), &ordered(), Some(3), "k").await.unwrap();
    let state = state.lock();
    assert_eq!(state.sends, [("k".to_owned(), json!({"fields_version": 3}))]);
    assert_eq!(state.parties[0]["email"], "boss@buyer.test");
}

#[tokio::test]
async fn a_vendor_that_wants_everybody_named_is_named_those_of_the_draft_under_another_key() {
    let (base, state) = reviewed(true).await;
    fast(&base).send(&"e1".parse().unwrap(), &ordered(), Some(3), "k").await.unwrap();
    let state = state.lock();
    let bo = json!({"email": "boss@buyer.test", "name": "Bo", "order": 1});
    let named = ("k:named".to_owned(), json!({"fields_version": 3, "parties": [bo]}));
    assert_eq!(state.sends, [("k".to_owned(), json!({"fields_version": 3})), named]);
}
