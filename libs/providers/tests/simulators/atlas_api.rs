//! Atlas, the API: creating, sending, voiding, finding, downloading.

use http::Method;
use outbound::Request;
use providers::atlas::simulator::{Settings, Switches, start};
use serde_json::{Value, json};

use super::{Caller, KEY, json_of, port, secret, text_of, with};

pub(super) async fn atlas(settings: Settings) -> Caller {
    let api_keys = vec![secret(KEY), secret("test_k3Jd82hQpLmN")];
    let running = start(port().await, Settings { api_keys, ..settings }).expect("the simulator starts");
    Caller::new(running, &format!("Bearer {KEY}"))
}

/// Detection and the signed PDF take no time.
pub(super) fn quick() -> Settings {
    let switches = Switches { detection_delay_ms: 0, pdf_delay_ms: 0, ..Switches::default() };
    Settings { switches, ..Settings::default() }
}

pub(super) fn order(atlas: &Caller, webhook_url: Option<&str>) -> Value {
    json!({
        "document_url": format!("{}/files/order-20417.pdf", atlas.running.url()),
        "webhook_url": webhook_url,
        "metadata": {"client_reference_id": "deal-20417", "external_id": "20417"},
        "parties": [
            {"email": "dana@buyer.test", "name": "Dana Buyer", "role": "Customer", "order": 1},
            {"email": "sam@acme.test", "name": "Sam Seller", "role": "Company", "order": 2},
        ],
    })
}

pub(super) async fn created(atlas: &Caller, webhook_url: Option<&str>) -> String {
    let answer = atlas.post("/api/envelope", order(atlas, webhook_url)).await;
    assert_eq!(answer.status, 201);
    text_of(&json_of(&answer)["envelope_id"]).to_owned()
}

pub(super) async fn sent(atlas: &Caller, webhook_url: Option<&str>) -> String {
    let id = created(atlas, webhook_url).await;
    assert_eq!(
        atlas.post(&format!("/api/envelope/{id}/send"), json!({"fields_version": 1})).await.status,
        200
    );
    id
}

pub(super) async fn code(atlas: &Caller, path: &str, body: Value) -> (u16, String) {
    let answer = atlas.post(path, body).await;
    (answer.status, json_of(&answer)["code"].as_str().unwrap_or_default().to_owned())
}

pub(super) async fn credits(atlas: &Caller) -> u64 {
    json_of(&atlas.get("/__sim/credits").await)["credits"].as_u64().expect("a number")
}

#[tokio::test]
async fn a_key_is_needed_for_every_call() {
    let atlas = atlas(quick()).await;
    let wrong =
        with(Request::get(atlas.url("/api/envelopes"), "test"), "authorization", "Bearer atlas_live_wrong");
    assert_eq!(atlas.send(wrong).await.status, 401);
    assert_eq!(atlas.get("/api/envelopes").await.status, 200);
    atlas.post("/__sim/keys", json!({"revoke": KEY})).await;
    assert_eq!(atlas.get("/api/envelopes").await.status, 401);
}

#[tokio::test]
async fn sending_waits_for_detection() {
    let atlas = atlas(quick()).await;
    atlas.post("/__sim/settings", json!({"detection_delay_ms": 3_600_000})).await;
    let id = created(&atlas, None).await;
    let path = format!("/api/envelope/{id}/send");
    assert_eq!(json_of(&atlas.get(&format!("/api/envelope/{id}")).await)["fields_status"], "pending");
    assert_eq!(code(&atlas, &path, json!({"fields_version": 1})).await, (409, "detection_pending".into()));
    atlas.post("/__sim/detection", json!({"envelope_id": id, "outcome": "ready"})).await;
    assert_eq!(atlas.post(&path, json!({"fields_version": 1})).await.status, 200);
}

#[tokio::test]
async fn detection_fails_where_it_is_told_to() {
    let atlas = atlas(quick()).await;
    atlas.post("/__sim/detection", json!({"name": "20417", "outcome": "recovered_empty"})).await;
    let id = created(&atlas, None).await;
    let shown = json_of(&atlas.get(&format!("/api/envelope/{id}")).await);
    assert_eq!((&shown["fields_status"], &shown["fields"]), (&json!("recovered_empty"), &json!([])));
}

#[tokio::test]
async fn a_stale_fields_version_is_a_conflict() {
    let atlas = atlas(quick()).await;
    let id = created(&atlas, None).await;
    let (fields, send) = (format!("/api/envelope/{id}/fields"), format!("/api/envelope/{id}/send"));
    let edit =
        json!({"fields_version": 1, "fields": [{"id": "fld_7", "type": "text", "label": "PO number"}]});
    assert_eq!(json_of(&atlas.call(Method::PATCH, &fields, edit.clone()).await)["fields_version"], 2);
    assert_eq!(atlas.call(Method::PATCH, &fields, edit).await.status, 409);
    atlas.post("/__sim/fields-version", json!({"envelope_id": id})).await;
    assert_eq!(
        code(&atlas, &send, json!({"fields_version": 2})).await,
        (409, "fields_version_mismatch".into())
    );
    assert_eq!(atlas.post(&send, json!({"fields_version": 3})).await.status, 200);
    assert_eq!(code(&atlas, &send, json!({"fields_version": 3})).await.0, 409);
}

#[tokio::test]
async fn without_credits_drafts_work_and_sends_do_not() {
    let atlas = atlas(quick()).await;
    atlas.post("/__sim/credits", json!({"credits": 0})).await;
    let id = created(&atlas, None).await;
    let path = format!("/api/envelope/{id}/send");
    let refused = atlas.keyed(&path, "s1", json!({"fields_version": 1})).await;
    assert_eq!((refused.status, &json_of(&refused)["code"]), (402, &json!("credits_exhausted")));
    atlas.post("/__sim/credits", json!({"credits": 1})).await;
    assert_eq!(atlas.keyed(&path, "s1", json!({"fields_version": 1})).await.status, 200);
    assert_eq!(
        atlas.keyed(&path, "s1", json!({"fields_version": 1})).await.headers["idempotency-replayed"],
        "true"
    );
    assert_eq!(credits(&atlas).await, 0);
}

#[tokio::test]
async fn a_suspended_account_drafts_but_does_not_send() {
    let atlas = atlas(quick()).await;
    atlas.post("/__sim/account", json!({"suspended": true})).await;
    let id = created(&atlas, None).await;
    assert_eq!(atlas.post(&format!("/api/envelope/{id}/send"), json!({})).await.status, 403);
}

#[tokio::test]
async fn a_void_refunds_only_what_was_sent_and_nobody_signed() {
    let atlas = atlas(quick()).await;
    let draft = created(&atlas, None).await;
    let untouched = sent(&atlas, None).await;
    let begun = sent(&atlas, None).await;
    assert_eq!(credits(&atlas).await, 3);
    let link =
        text_of(&json_of(&atlas.get(&format!("/api/envelope/{begun}/status")).await)["sign_url"]).to_owned();
    assert_eq!(atlas.form(&link, &[("action", "sign")]).await.status, 303);

    for (id, credits_after) in [(&draft, 3), (&untouched, 4), (&begun, 4)] {
        let path = format!("/api/envelope/{id}/void");
        assert_eq!(atlas.post(&path, json!({"reason": "wrong price"})).await.status, 200);
        assert_eq!(credits(&atlas).await, credits_after);
        assert_eq!(code(&atlas, &path, json!({})).await, (409, "terminal".into()));
    }
}

#[tokio::test]
async fn a_reminder_goes_out_once_per_hour() {
    let atlas = atlas(quick()).await;
    let id = sent(&atlas, None).await;
    let path = format!("/api/envelope/{id}/remind");
    assert_eq!(atlas.post(&path, json!({})).await.status, 200);
    let again = atlas.post(&path, json!({})).await;
    assert_eq!(again.status, 429);
    assert!(again.retry_after().is_some_and(|pause| pause.as_secs() > 3_500));
    let mails = json_of(&atlas.get("/__sim/inbox").await);
    assert_eq!((&mails[0]["kind"], &mails[1]["kind"]), (&json!("reminder"), &json!("invitation")));
}

#[tokio::test]
async fn envelopes_are_found_by_external_id_and_status_page_by_page() {
    let atlas = atlas(quick()).await;
    for _ in 0..3 {
        created(&atlas, None).await;
    }
    let sent = sent(&atlas, None).await;
    let mut path = "/api/envelopes?external_id=20417&limit=2".to_owned();
    let mut pages = vec![];
    loop {
        let page = json_of(&atlas.get(&path).await);
        pages.push(page["items"].as_array().unwrap().len());
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        path = format!("/api/envelopes?external_id=20417&limit=2&cursor={cursor}");
    }
    assert_eq!(pages, [2, 2]);
    let pending = json_of(&atlas.get("/api/envelopes?status=pending").await);
    assert_eq!(pending["items"][0]["envelope_id"], json!(sent));
    assert_eq!(json_of(&atlas.get("/api/envelopes?external_id=9").await)["items"], json!([]));
}
