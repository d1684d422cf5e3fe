//! Atlas, creating: at most once per key, from every kind of document, or from a template.

use std::sync::Arc;

use outbound::{Part, Request};
use serde_json::{Value, json};
use simulation::files;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::atlas_api::{atlas, code, credits, order, quick};
use super::{json_of, port, text_of, with};

#[tokio::test]
async fn a_repeated_create_returns_the_first_answer_and_makes_nothing() {
    let atlas = atlas(quick()).await;
    let body = order(&atlas, None);
    let first = atlas.keyed("/api/envelope", "k1", body.clone()).await;
    let again = atlas.keyed("/api/envelope", "k1", body.clone()).await;
    assert_eq!((first.status, first.body), (again.status, again.body));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(json_of(&atlas.get("/api/envelopes").await)["items"].as_array().unwrap().len(), 1);

    let mut other = body;
    other["metadata"]["external_id"] = json!("20418");
    assert_eq!(atlas.keyed("/api/envelope", "k1", other).await.status, 422);
}

/// A place for documents that answers only when it is let.
async fn slow_host() -> (JoinSet<()>, String, Arc<Semaphore>, Arc<Semaphore>) {
    let (asked, may_answer) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (asking, waiting) = (asked.clone(), may_answer.clone());
    let answer = move || async move {
        asking.add_permits(1);
        waiting.acquire().await.expect("never closed").forget();
        files::order_pdf("1")
    };
    let listener = port().await;
    let link = format!("http://{}/slow.pdf", listener.local_addr().expect("an address"));
    let router = axum::Router::new().route("/slow.pdf", axum::routing::get(answer));
    let mut server = JoinSet::new();
    server.spawn(async move { drop(axum::serve(listener, router).await) });
    (server, link, asked, may_answer)
}

#[tokio::test]
async fn a_twin_in_flight_is_a_conflict() {
    let atlas = atlas(quick()).await;
    let (_server, link, asked, may_answer) = slow_host().await;
    let mut body = order(&atlas, None);
    body["document_url"] = json!(link);
    let first = atlas.keyed("/api/envelope", "k1", body.clone());
    let twin = async {
        asked.acquire().await.expect("never closed").forget();
        let twin = atlas.keyed("/api/envelope", "k1", body.clone()).await;
        may_answer.add_permits(1);
        twin
    };
    let (first, twin) = tokio::join!(first, twin);
    assert_eq!((first.status, twin.status), (201, 409));
    assert_eq!(atlas.keyed("/api/envelope", "k1", body).await.headers["idempotency-replayed"], "true");
}

#[tokio::test]
async fn json_and_multipart_remember_their_keys_apart() {
    let atlas = atlas(quick()).await;
    let parts = || {
        let part = |name: &str, text: String| Part {
            name: name.into(),
            file_name: None,
            content_type: None,
            bytes: text.into(),
        };
        let body = order(&atlas, None);
        let file = Part {
            name: "file".into(),
            file_name: Some("order.pdf".into()),
            content_type: Some("application/pdf".into()),
            bytes: files::order_pdf("1").into(),
        };
        vec![
            file,
            part("parties", body["parties"].to_string()),
            part("metadata", body["metadata"].to_string()),
        ]
    };
    let json = atlas.keyed("/api/envelope", "k1", order(&atlas, None)).await;
    let form = atlas.multipart("/api/envelope", "k1", parts()).await;
    let again = atlas.multipart("/api/envelope", "k1", parts()).await;
    assert_ne!(json_of(&json)["envelope_id"], json_of(&form)["envelope_id"]);
    assert_eq!((form.status, json_of(&form)), (again.status, json_of(&again)));
    let id = text_of(&json_of(&form)["envelope_id"]).to_owned();
    let stored = json_of(&atlas.get(&format!("/api/envelope/{id}")).await);
    assert_eq!(
        (&stored["metadata"]["external_id"], stored["parties"].as_array().unwrap().len()),
        (&json!("20417"), 2)
    );
}

#[tokio::test]
async fn malformed_creates_are_refused() {
    let atlas = atlas(quick()).await;
    let with = |name: &str, value: Value| {
        let mut body = order(&atlas, None);
        body[name] = value;
        body
    };
    for body in [
        with("template_id", json!("tmpl_of_01")),
        with("parties", json!([{"email": "nobody"}])),
        with("document", json!("JVBERi0=")),
        with("document_url", json!(format!("{}/files/login.html", atlas.running.url()))),
        with("document_url", json!(format!("{}/files/absent", atlas.running.url()))),
        json!({"parties": []}),
    ] {
        assert_eq!(code(&atlas, "/api/envelope", body).await, (400, "bad_request".into()));
    }
}

#[tokio::test]
async fn an_outcome_that_was_lost_is_found_again_with_the_same_key() {
    let atlas = atlas(quick()).await;
    let fault = json!({"match": {"method": "POST", "path": "/api/envelope"}, "hold_ms": 1, "action": "timeout_after_apply"});
    atlas.post("/__sim/faults", fault).await;
    let lost = with(
        Request::post_json(atlas.url("/api/envelope"), "test", &order(&atlas, None)),
        "idempotency-key",
        "k1",
    );
    let lost = with(lost, "authorization", &atlas.credential);
    assert!(atlas.client.send(lost).await.is_err());
    let again = atlas.keyed("/api/envelope", "k1", order(&atlas, None)).await;
    assert_eq!((again.status, &again.headers["idempotency-replayed"]), (201, &"true".parse().unwrap()));
}
#[tokio::test]
async fn a_template_is_sent_when_its_roles_are_met() {
    let atlas = atlas(quick()).await;
    assert_eq!(
        json_of(&atlas.get("/api/templates/tmpl_of_01").await)["roles"],
        json!(["Customer", "Company"])
    );
    let mut body = order(&atlas, None);
    body["auto_send"] = json!(true);
    let answer = atlas.keyed("/api/templates/tmpl_of_01/send", "t1", body.clone()).await;
    assert_eq!((answer.status, &json_of(&answer)["status"]), (201, &json!("pending")));
    assert_eq!(credits(&atlas).await, 4);
    body["parties"][0]["role"] = json!("Witness");
    assert_eq!(atlas.post("/api/templates/tmpl_of_01/send", body).await.status, 400);
    assert_eq!(atlas.get("/api/templates/absent").await.status, 404);
}
