//! PandaDoc, the API: asynchronous creation, the status matrix, limits, locks, lists, downloads.

use http::Method;
use outbound::Part;
use providers::pandadoc::simulator::{Settings, Switches, start};
use serde_json::{Value, json};
use simulation::{Receiver, files};

use super::{Caller, json_of, port, secret, text_of};

pub(super) const SHARED_KEY: &str = "nK4wTz8QpR2vYb6LsXc9Hd";

pub(super) fn quick() -> Switches {
    Switches { creation_delay_ms: 0, pdf_delay_ms: 0, ..Switches::default() }
}

pub(super) async fn pandadoc(settings: Settings) -> Caller {
    let api_keys = vec![secret("9fc1")];
    let running = start(port().await, Settings { api_keys, ..settings }).expect("the simulator starts");
    Caller::new(running, "API-Key 9fc1")
}

/// A quick workspace whose webhooks go to `hook`.
pub(super) async fn subscribed(hook: &Receiver, switches: Switches) -> Caller {
    let subscription = Some((hook.url().parse().expect("an address"), secret(SHARED_KEY)));
    pandadoc(Settings { subscription, switches, time_factor: 1_000.0, ..Settings::default() }).await
}

pub(super) fn order() -> Value {
    json!({
        "name": "Order form 20417", "template_uuid": "hryKLmY9qYZHjQCYQuSjRQ",
        "recipients": [
            {"email": "dana@buyer.test", "first_name": "Dana", "last_name": "Buyer", "role": "Client", "signing_order": 1},
            {"email": "sam@acme.test", "first_name": "Sam", "last_name": "Seller", "role": "Sender", "signing_order": 2},
            {"email": "lee@acme.test", "first_name": "Lee", "last_name": "Law"},
        ],
        "metadata": {"deal_id": "20417", "mw_envelope": "0192f"},
    })
}

fn path(id: &str, rest: &str) -> String {
    format!("/public/v1/documents/{id}{rest}")
}

pub(super) async fn status(panda: &Caller, id: &str) -> String {
    text_of(&json_of(&panda.get(&path(id, "")).await)["status"]).to_owned()
}

/// A document that has become a draft.
pub(super) async fn draft(panda: &Caller) -> String {
    let id = text_of(&json_of(&panda.post("/public/v1/documents", order()).await)["id"]).to_owned();
    panda.until(&path(&id, ""), |answer| json_of(answer)["status"] == "document.draft").await;
    id
}

pub(super) async fn sent(panda: &Caller) -> String {
    let id = draft(panda).await;
    assert_eq!(panda.post(&path(&id, "/send"), json!({"silent": true})).await.status, 200);
    id
}

pub(super) async fn act(panda: &Caller, id: &str, act: &str, body: Value) -> u16 {
    panda.post(&format!("/__sim/ui/documents/{id}/{act}"), body).await.status
}

pub(super) async fn completed(panda: &Caller) -> String {
    let id = sent(panda).await;
    for _ in 0..2 {
        assert_eq!(act(panda, &id, "sign", json!({})).await, 200);
    }
    id
}

async fn quick_workspace() -> Caller {
    pandadoc(Settings { switches: quick(), ..Settings::default() }).await
}

#[tokio::test]
async fn a_key_is_needed() {
    let mut panda = quick_workspace().await;
    panda.credential = "API-Key wrong".into();
    assert_eq!(panda.get("/public/v1/documents").await.status, 401);
}

#[tokio::test]
async fn a_document_is_uploaded_first_and_has_no_details_until_it_is_a_draft() {
    let switches = Switches { creation_delay_ms: 3_600_000, ..quick() };
    let panda = pandadoc(Settings { switches, ..Settings::default() }).await;
    let created = panda.post("/public/v1/documents", order()).await;
    let id = text_of(&json_of(&created)["id"]).to_owned();
    assert_eq!(
        (created.status, id.len(), status(&panda, &id).await.as_str()),
        (201, 22, "document.uploaded")
    );
    for answer in [panda.get(&path(&id, "/details")).await, panda.post(&path(&id, "/send"), json!({})).await]
    {
        assert_eq!((answer.status, &json_of(&answer)["status"]), (409, &json!("document.uploaded")));
    }
}

#[tokio::test]
async fn a_repeated_create_makes_a_second_document() {
    let panda = quick_workspace().await;
    assert_ne!(draft(&panda).await, draft(&panda).await);
}

#[tokio::test]
async fn a_wrong_role_fails_later_and_for_good() {
    let panda = quick_workspace().await;
    let mut body = order();
    body["recipients"][0]["role"] = json!("client");
    let created = panda.post("/public/v1/documents", body).await;
    let id = text_of(&json_of(&created)["id"]).to_owned();
    panda.until(&path(&id, ""), |answer| json_of(answer)["status"] == "document.error").await;
    assert_eq!((created.status, panda.post(&path(&id, "/send"), json!({})).await.status), (201, 409));
}

#[tokio::test]
async fn documents_come_from_uploads_and_addresses_too() {
    let panda = quick_workspace().await;
    let part = |name: &str, bytes: Vec<u8>| Part {
        name: name.into(),
        file_name: None,
        content_type: None,
        bytes: bytes.into(),
    };
    let data = json!({"name": "Upload", "recipients": order()["recipients"]}).to_string().into_bytes();
    let upload = vec![part("file", files::order_pdf("1")), part("data", data)];
    assert_eq!(panda.multipart("/public/v1/documents?upload", "unused", upload).await.status, 201);
    let address =
        |name: &str| json!({"name": "Address", "url": format!("{}/files/{name}", panda.running.url())});
    assert_eq!(panda.post("/public/v1/documents", address("order-1.pdf")).await.status, 201);
    assert_eq!(panda.post("/public/v1/documents", address("login.html")).await.status, 400);
}

#[tokio::test]
async fn a_second_send_is_a_conflict_that_names_the_status() {
    let panda = quick_workspace().await;
    let id = sent(&panda).await;
    let again = panda.post(&path(&id, "/send"), json!({})).await;
    assert_eq!((again.status, &json_of(&again)["status"]), (409, &json!("document.sent")));
    let details = json_of(&panda.get(&path(&id, "/details")).await);
    assert!(text_of(&details["recipients"][0]["shared_link"]).starts_with("http"));
    assert_eq!(details["recipients"][2]["recipient_type"], "CC");
}

/// Of the statuses that staff may set, a document that got there this way takes these and no other.
async fn only_these(panda: &Caller, way: &[&str], allowed: &[u64]) {
    for number in [2, 10, 11, 12] {
        let id = draft(panda).await;
        for step in way {
            assert_eq!(act(panda, &id, step, json!({})).await, 200, "{way:?}");
        }
        let answer = panda.call(Method::PATCH, &path(&id, "/status"), json!({"status": number})).await;
        let wanted = if allowed.contains(&number) { 204 } else { 409 };
        assert_eq!(answer.status, wanted, "{way:?} to {number}");
    }
}

#[tokio::test]
async fn statuses_are_set_by_hand_only_within_the_matrix() {
    let panda = quick_workspace().await;
    // (how to get there, numbers that may be set from there)
    let table: [(&[&str], &[u64]); 6] = [
        (&[], &[2, 12]),
        (&["send"], &[2, 11, 12]),
        (&["send", "view"], &[2, 11, 12]),
        (&["send", "sign", "sign"], &[12]),
        (&["send", "expire"], &[2, 12]),
        (&["send", "decline"], &[2]),
    ];
    for (way, allowed) in table {
        only_these(&panda, way, allowed).await;
    }
}

#[tokio::test]
async fn a_payment_block_opens_the_starred_fields_of_the_matrix() {
    let panda =
        pandadoc(Settings { switches: Switches { payment: true, ..quick() }, ..Settings::default() }).await;
    let table: [(&[&str], &[u64]); 5] = [
        (&[], &[2, 10, 12]),
        (&["send"], &[2, 11, 12]),
        (&["send", "sign", "sign"], &[10, 12]),
        (&["send", "expire"], &[2, 10, 12]),
        (&["send", "decline"], &[2, 10]),
    ];
    for (way, allowed) in table {
        only_these(&panda, way, allowed).await;
    }
}

#[tokio::test]
async fn what_is_too_large_or_half_said_is_refused() {
    let panda = quick_workspace().await;
    let refused = async |body: Value| panda.post("/public/v1/documents", body).await.status;
    let mut nobody = order();
    nobody["recipients"] = json!([]);
    assert_eq!(refused(nobody).await, 400, "a template needs its recipients");
    let mut long = order();
    long["tokens"] = json!([{"name": "Client.Company", "value": "x".repeat(2_000_000)}]);
    assert_eq!(refused(long).await, 413);
    let elsewhere = panda.multipart("/public/v1/documents", "unused", vec![]).await;
    assert_eq!(elsewhere.status, 400, "a file is uploaded to its own address");
    let both = panda.get("/public/v1/documents?template_id=a&form_id=b").await;
    assert_eq!(both.status, 400);
}

#[tokio::test]
async fn a_recipient_whose_role_is_empty_only_gets_a_copy() {
    let panda = quick_workspace().await;
    let mut body = order();
    body["recipients"][2]["role"] = json!("");
    let id = text_of(&json_of(&panda.post("/public/v1/documents", body).await)["id"]).to_owned();
    let details = panda.until(&path(&id, "/details"), |answer| answer.status == 200).await;
    assert_eq!(json_of(&details)["recipients"][2]["recipient_type"], "CC");
}

#[tokio::test]
async fn the_audit_trail_comes_in_parts_and_a_sandbox_hides_where_people_were() {
    let panda = quick_workspace().await;
    let id = sent(&panda).await;
    for _ in 0..12 {
        for step in ["suggest", "resolve"] {
            assert_eq!(act(&panda, &id, step, json!({})).await, 200);
        }
    }
    let part = async |query: &str| {
        json_of(&panda.get(&format!("/public/v2/documents/{id}/audit-trail{query}")).await)
    };
    let lines = |part: &Value| part["results"].as_array().map_or(0, Vec::len);
    let (usual, rest) = (part("").await, part("?limit=100&offset=20").await);
    assert_eq!((lines(&usual), usual["count"].as_u64()), (20, Some(20 + lines(&rest) as u64)));
    assert_eq!(usual["results"][0]["ip_address"], "203.0.113.7");
    panda.post("/__sim/settings", json!({"sandbox": true})).await;
    assert_eq!(part("").await["results"][0]["ip_address"], "hidden");
}

#[tokio::test]
async fn a_completion_by_hand_carries_no_signature() {
    let panda = quick_workspace().await;
    let id = sent(&panda).await;
    panda.call(Method::PATCH, &path(&id, "/status"), json!({"status": 2, "note": "on paper"})).await;
    let details = json_of(&panda.get(&path(&id, "/details")).await);
    assert_eq!(
        (&details["status"], &details["recipients"][0]["signature_date"]),
        (&json!("document.completed"), &Value::Null)
    );
    let trail = json_of(&panda.get(&format!("/public/v2/documents/{id}/audit-trail")).await);
    let last = trail["results"].as_array().unwrap().last().cloned().expect("a line");
    assert_eq!((&last["action"], &last["reason"]), (&json!(18), &json!("on paper")));
}

#[tokio::test]
async fn a_locked_document_answers_423_to_every_edit() {
    let panda = quick_workspace().await;
    let id = draft(&panda).await;
    panda.post("/__sim/lock", json!({"document_id": id, "for_ms": 3_600_000})).await;
    let send = panda.post(&path(&id, "/send"), json!({})).await;
    assert_eq!((send.status, &json_of(&send)["type"]), (423, &json!("document_locked")));
    for (method, rest) in
        [(Method::PATCH, ""), (Method::DELETE, ""), (Method::POST, "/draft"), (Method::PATCH, "/status")]
    {
        assert_eq!(panda.call(method, &path(&id, rest), json!({"status": 12})).await.status, 423, "{rest}");
    }
    panda.post("/__sim/lock", json!({"document_id": id, "for_ms": 0})).await;
    assert_eq!(panda.post(&path(&id, "/send"), json!({})).await.status, 200);
}

#[tokio::test]
async fn a_sandbox_allows_ten_calls_a_minute_and_no_protected_download() {
    let panda = quick_workspace().await;
    let id = completed(&panda).await;
    panda.post("/__sim/settings", json!({"sandbox": true})).await;
    assert_eq!(panda.get(&path(&id, "/download-protected")).await.status, 401);
    for _ in 0..10 {
        assert_eq!(panda.get(&path(&id, "")).await.status, 200);
    }
    let throttled = panda.get(&path(&id, "")).await;
    assert_eq!((throttled.status, &json_of(&throttled)["type"]), (429, &json!("throttled")));
    assert!(throttled.retry_after().is_some());
}

#[tokio::test]
async fn the_limits_of_production_apply_when_switched_on() {
    let panda = quick_workspace().await;
    let id = draft(&panda).await;
    panda.post("/__sim/settings", json!({"rate_limit": true})).await;
    for _ in 0..50 {
        assert_eq!(panda.get(&path(&id, "/download")).await.status, 200);
    }
    assert_eq!(panda.get(&path(&id, "/download")).await.status, 429);
    assert_eq!(panda.get(&path(&id, "")).await.status, 200);
}

#[tokio::test]
async fn the_sealed_pdf_is_promised_with_202_before_it_is_there() {
    let panda = quick_workspace().await;
    let open = sent(&panda).await;
    assert_eq!(panda.get(&path(&open, "/download-protected")).await.status, 409);
    panda.post("/__sim/settings", json!({"pdf_delay_ms": 3_600_000})).await;
    let id = completed(&panda).await;
    let waiting = panda.get(&path(&id, "/download-protected")).await;
    assert_eq!((waiting.status, waiting.body.len()), (202, 0));
    assert!(waiting.retry_after().is_some());
    panda.post("/__sim/settings", json!({"pdf_delay_ms": 0})).await;
    let pdf = panda.get(&path(&id, "/download-protected")).await;
    assert!(pdf.status == 200 && pdf.body.starts_with(b"%PDF-"));
}

#[tokio::test]
async fn lists_filter_by_metadata_status_and_time_and_may_lag() {
    let panda = quick_workspace().await;
    let id = draft(&panda).await;
    let found = async |query: &str| {
        let answer = panda.get(&format!("/public/v1/documents?{query}")).await;
        json_of(&answer)["results"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(
        (found("metadata_mw_envelope=0192f").await, found("metadata_mw_envelope=other").await),
        (1, 0)
    );
    assert_eq!((found("status=0").await, found("status=2").await, found("status__ne=0").await), (1, 0, 0));
    let modified = text_of(&json_of(&panda.get(&path(&id, "")).await)["date_modified"]).to_owned();
    assert_eq!(found(&format!("modified_from={modified}&order_by=date_modified&count=100")).await, 1);
    assert_eq!(found(&format!("modified_to={modified}")).await, 0);
    assert_eq!((found("count=1&page=1").await, found("count=1&page=2").await), (1, 0));
    panda.post("/__sim/settings", json!({"search_lag_ms": 3_600_000})).await;
    assert_eq!(found("metadata_mw_envelope=0192f").await, 0);
    panda.post("/__sim/settings", json!({"not_found_first_ms": 3_600_000})).await;
    assert_eq!(panda.get(&path(&id, "")).await.status, 404);
}

#[tokio::test]
async fn reminders_report_each_recipient_inside_a_200() {
    let panda = quick_workspace().await;
    let id = draft(&panda).await;
    assert_eq!(panda.post(&path(&id, "/send-reminder"), json!({})).await.status, 409);
    panda.post(&path(&id, "/send"), json!({})).await;
    act(&panda, &id, "sign", json!({})).await;
    let result = json_of(&panda.post(&path(&id, "/send-reminder"), json!({})).await)["result"].clone();
    assert_eq!(
        (&result[0]["email"]["status"], &result[1]["email"]["status"]),
        (&json!("error"), &json!("sent"))
    );
}
