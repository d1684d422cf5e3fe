//! Atlas, the webhooks: which, to whom, signed how, retried how.

use http::HeaderMap;
use providers::atlas::simulator::{Settings, Switches};
use serde_json::{Value, json};
use simulation::Received;

use super::atlas_api::{atlas, created, quick, sent};
use super::{Caller, KEY, arrived, body_of, json_of, receiver, text_of};

fn signature(headers: &HeaderMap) -> &str {
    headers["x-atlas-signature"].to_str().expect("text")
}

fn expected(key: &str, received: &Received) -> String {
    hex::encode(signatures::hmac_sha256(key.as_bytes(), &[&received.body]))
}

fn events(received: &[Received]) -> Vec<String> {
    received.iter().map(|one| text_of(&body_of(one)["event"]).to_owned()).collect()
}

async fn sign_all(atlas: &Caller, id: &str) {
    for _ in 0..2 {
        let progress = json_of(&atlas.get(&format!("/api/envelope/{id}/status")).await);
        let link = text_of(&progress["sign_url"]).to_owned();
        atlas.get(&link).await;
        assert_eq!(atlas.form(&link, &[("action", "sign")]).await.status, 303);
    }
}

#[tokio::test]
async fn a_life_is_told_in_order_and_signed_once() {
    let (atlas, hook) = (atlas(quick()).await, receiver([]).await);
    let id = sent(&atlas, Some(&hook.url())).await;
    sign_all(&atlas, &id).await;
    let received = arrived(&hook, 5).await;
    let viewed = "envelope.viewed";
    assert_eq!(events(&received), ["envelope.created", "envelope.sent", viewed, viewed, "envelope.signed"]);
    let last = body_of(&received[4]);
    assert_eq!((&last["envelope_id"], &last["status"]), (&json!(id), &json!("signed")));
    assert_eq!(last["metadata"]["external_id"], "20417");
    assert!(last["parties"].as_array().unwrap().iter().all(|party| party["status"] == "signed"));
}

#[tokio::test]
async fn a_webhook_is_signed_with_the_key_that_created_its_envelope() {
    let (mut atlas, hook) = (atlas(quick()).await, receiver([]).await);
    created(&atlas, Some(&hook.url())).await;
    atlas.credential = "Bearer test_k3Jd82hQpLmN".into();
    created(&atlas, Some(&hook.url())).await;
    for received in arrived(&hook, 2).await {
        let found = [KEY, "test_k3Jd82hQpLmN"].map(|key| format!("sha256={}", expected(key, &received)));
        assert!(found.iter().any(|digest| digest == signature(&received.headers)));
    }
    let received = hook.received();
    assert_ne!(signature(&received[0].headers), signature(&received[1].headers));
}

#[tokio::test]
async fn the_signature_can_be_bare_corrupt_or_made_with_another_key() {
    let (atlas, hook) = (atlas(quick()).await, receiver([]).await);
    atlas.post("/__sim/settings", json!({"bare_hex_signature": true})).await;
    for (count, knob) in [(1, "none"), (2, "corrupt"), (3, "wrong_key")] {
        atlas.post("/__sim/webhooks", json!({"signature": knob})).await;
        created(&atlas, Some(&hook.url())).await;
        let received = arrived(&hook, count).await.remove(count - 1);
        assert_eq!(signature(&received.headers) == expected(KEY, &received), knob == "none", "{knob}");
        assert_eq!(signature(&received.headers).len(), 64);
    }
}

#[tokio::test]
async fn retries_are_identical_and_shown_on_the_review_page() {
    let (atlas, hook) =
        (atlas(Settings { time_factor: 60_000.0, ..quick() }).await, receiver([500, 404]).await);
    let id = created(&atlas, Some(&hook.url())).await;
    let received = arrived(&hook, 3).await;
    assert!(received.iter().all(|one| one.body == received[0].body && one.headers == received[0].headers));

    let deliveries = format!("/__sim/deliveries?lane={id}");
    let done = |answer: &outbound::Response| json_of(answer)[0]["state"] == "delivered";
    let record = json_of(&atlas.until(&deliveries, done).await)[0].clone();
    let statuses: Vec<&Value> =
        record["attempts"].as_array().unwrap().iter().map(|attempt| &attempt["status"]).collect();
    assert_eq!(statuses, [500, 404, 200]);
    let review = text_of(&json_of(&atlas.get("/__sim/envelopes").await)[0]["review_url"]).to_owned();
    let page = String::from_utf8(atlas.get(&review).await.body.to_vec()).unwrap();
    assert!(page.contains("envelope.created") && page.contains("404"));
}

#[tokio::test]
async fn each_signature_is_told_only_when_switched_on_and_extras_can_be_missing() {
    let switches =
        Switches { signed_per_signer: true, created_and_viewed: false, extraction: true, ..quick().switches };
    let (atlas, hook) = (atlas(Settings { switches, ..quick() }).await, receiver([]).await);
    let id = sent(&atlas, Some(&hook.url())).await;
    sign_all(&atlas, &id).await;
    let received = arrived(&hook, 4).await;
    assert_eq!(
        events(&received),
        ["envelope.sent", "envelope.signed", "envelope.signed", "contract.extracted"]
    );
    assert_eq!(
        (&body_of(&received[1])["status"], &body_of(&received[2])["status"]),
        (&json!("pending"), &json!("signed"))
    );
}

#[tokio::test]
async fn a_void_and_a_decline_are_told() {
    let switches = Switches { created_and_viewed: false, ..quick().switches };
    let (atlas, hook) = (atlas(Settings { switches, ..quick() }).await, receiver([]).await);
    let id = sent(&atlas, Some(&hook.url())).await;
    atlas.post(&format!("/api/envelope/{id}/void"), json!({})).await;
    arrived(&hook, 2).await;
    let id = sent(&atlas, Some(&hook.url())).await;
    let progress = json_of(&atlas.get(&format!("/api/envelope/{id}/status")).await);
    atlas
        .form(text_of(&progress["sign_url"]), &[("action", "decline"), ("reason", "Preis zu hoch – 10 €")])
        .await;
    let received = arrived(&hook, 4).await;
    assert_eq!(events(&received), ["envelope.sent", "envelope.voided", "envelope.sent", "envelope.declined"]);
    assert_eq!(body_of(&received[3])["reason"], "Preis zu hoch – 10 €");
}
