//! Atlas, generation 2: the same envelopes in other words, line by line of contract §21.

use http::Method;
use providers::atlas::simulator::Settings;
use serde_json::{Value, json};

use super::atlas_api::{atlas, code, credits, quick};
use super::{Caller, KEY, arrived, body_of, json_of, receiver, secret, text_of, with};

const ENDPOINT_SECRET: &str = "whsec_5f0c2b9e1d7a4c38";

fn order(atlas: &Caller) -> Value {
    json!({
        "document": {"url": format!("{}/files/order-20417.pdf", atlas.running.url())},
        "participants": [{"name": "Dana Buyer", "email": "dana@buyer.test"}, {"name": "Sam Seller", "email": "sam@acme.test"}],
        "metadata": {"external_id": "20417"},
    })
}

async fn created(atlas: &Caller) -> String {
    let answer = atlas.post("/api/v1/envelopes", order(atlas)).await;
    assert_eq!(answer.status, 201);
    text_of(&json_of(&answer)["envelope"]["id"]).to_owned()
}

async fn shown(atlas: &Caller, id: &str) -> Value {
    json_of(&atlas.get(&format!("/api/v1/envelopes/{id}")).await)
}

#[tokio::test]
async fn an_envelope_is_shown_with_participants_and_a_version_that_a_send_moves_by_two() {
    let atlas = atlas(quick()).await;
    let id = created(&atlas).await;
    let before = shown(&atlas, &id).await;
    assert_eq!(
        (&before["envelope"]["status"], &before["envelope"]["version"]),
        (&json!("review"), &json!(1))
    );
    assert_eq!(before["participants"][1]["orderIndex"], 1);
    let path = format!("/api/v1/envelopes/{id}/send");
    assert_eq!(code(&atlas, &path, json!({"expectedVersion": 7})).await.0, 409);
    let sent = json_of(&atlas.post(&path, json!({"expectedVersion": 1})).await);
    assert_eq!(
        (&sent["envelope"]["status"], &sent["envelope"]["version"]),
        (&json!("in_progress"), &json!(3))
    );
    assert_eq!(credits(&atlas).await, 4);
}

#[tokio::test]
async fn a_draft_is_detecting_until_its_fields_are_found() {
    let atlas = atlas(quick()).await;
    atlas.post("/__sim/settings", json!({"detection_delay_ms": 3_600_000})).await;
    let id = created(&atlas).await;
    assert_eq!(shown(&atlas, &id).await["envelope"]["status"], "detecting");
    assert_eq!(code(&atlas, &format!("/api/v1/envelopes/{id}/send"), json!({})).await.0, 409);
}

#[tokio::test]
async fn a_key_goes_in_either_header_and_a_schema_error_is_422() {
    let atlas = atlas(quick()).await;
    let ping = outbound::Request::get(atlas.url("/api/v1/ping"), "test");
    let ping = with(with(ping, "authorization", "none"), "x-api-key", KEY);
    assert_eq!(atlas.send(ping).await.status, 200);
    let mut strange = order(&atlas);
    strange["participants"][0]["role"] = json!("Customer");
    assert_eq!(code(&atlas, "/api/v1/envelopes", strange).await, (422, "validation_error".into()));
}

#[tokio::test]
async fn drafts_are_edited_as_a_whole_and_only_with_fields_beside_participants() {
    let atlas = atlas(quick()).await;
    let id = created(&atlas).await;
    let path = format!("/api/v1/envelopes/{id}/draft");
    let people = json!([{"name": "Kim Other", "email": "kim@buyer.test"}]);
    let put = |body: Value| atlas.call(Method::PUT, &path, body);
    assert_eq!(put(json!({"participants": people})).await.status, 422);
    let edited = put(json!({"participants": people, "fields": [], "expectedVersion": 1})).await;
    assert_eq!(json_of(&edited)["participants"].as_array().map(Vec::len), Some(1));
    assert_eq!(put(json!({"fields": [], "expectedVersion": 1})).await.status, 409);
}

#[tokio::test]
async fn the_whole_life_is_reported_to_the_endpoint_under_its_own_secret() {
    let hooks = receiver([]).await;
    let url = hooks.url();
    let endpoint = Some((url.parse().expect("an address"), secret(ENDPOINT_SECRET)));
    let atlas = atlas(Settings { endpoint, ..quick() }).await;
    atlas.post("/__sim/settings", json!({"created_and_viewed": false, "internal_events": true})).await;
    let id = created(&atlas).await;
    atlas.post(&format!("/api/v1/envelopes/{id}/send"), json!({})).await;
    for _ in 0..2 {
        let mails = json_of(&atlas.get("/__sim/inbox").await);
        assert_eq!(atlas.form(text_of(&mails[0]["sign_url"]), &[("action", "sign")]).await.status, 303);
    }
    let deliveries = arrived(&hooks, 5).await;
    let names: Vec<String> =
        deliveries.iter().map(|received| text_of(&body_of(received)["type"]).to_owned()).collect();
    assert_eq!(
        names,
        [
            "envelope.sent",
            "participant.link_issued",
            "participant.signed",
            "participant.signed",
            "envelope.completed"
        ]
    );
    for received in &deliveries {
        let digest = signatures::hmac_sha256(ENDPOINT_SECRET.as_bytes(), &[&received.body]);
        let header = received.headers.get("x-atlas-signature").and_then(|value| value.to_str().ok());
        assert_eq!(header, Some(format!("sha256={}", hex::encode(digest)).as_str()));
        assert_eq!(body_of(received)["data"]["envelopeId"], json!(id));
    }
}

#[tokio::test]
async fn a_signer_who_opened_it_is_shown_by_the_time() {
    let atlas = atlas(quick()).await;
    let id = created(&atlas).await;
    atlas.post(&format!("/api/v1/envelopes/{id}/send"), json!({})).await;
    assert_eq!(shown(&atlas, &id).await["participants"][0]["lastViewedAt"], Value::Null);
    let mails = json_of(&atlas.get("/__sim/inbox").await);
    assert_eq!(atlas.get(text_of(&mails[0]["sign_url"])).await.status, 200);
    let participants = shown(&atlas, &id).await["participants"].clone();
    assert!(participants[0]["lastViewedAt"].is_string() && participants[1]["lastViewedAt"].is_null());
}

#[tokio::test]
async fn an_expired_envelope_says_so_and_cannot_be_voided() {
    let atlas = atlas(quick()).await;
    let id = created(&atlas).await;
    assert_eq!(atlas.post(&format!("/__sim/envelopes/{id}/expire"), json!({})).await.status, 204);
    assert_eq!(shown(&atlas, &id).await["envelope"]["status"], "expired");
    assert_eq!(code(&atlas, &format!("/api/v1/envelopes/{id}/void"), json!({})).await.0, 409);
}

#[tokio::test]
async fn lists_are_read_page_by_page_and_know_no_filter() {
    let atlas = atlas(quick()).await;
    for _ in 0..3 {
        created(&atlas).await;
    }
    let first = json_of(&atlas.get("/api/v1/envelopes?limit=2").await);
    assert_eq!(first["items"].as_array().map(Vec::len), Some(2));
    let cursor = text_of(&first["nextCursor"]);
    let rest = json_of(&atlas.get(&format!("/api/v1/envelopes?limit=2&cursor={cursor}")).await);
    assert_eq!((rest["items"].as_array().map(Vec::len), &rest["nextCursor"]), (Some(1), &Value::Null));
    assert_eq!(atlas.get("/api/v1/envelopes?limit=101").await.status, 422);
}
