//! PandaDoc, the webhooks: arrays signed in the query, batches, retries, deactivation, rotation, history.

use http::Method;
use providers::pandadoc::simulator::Switches;
use serde_json::{Value, json};
use simulation::{Received, Receiver};

use super::pandadoc_api::{SHARED_KEY, act, completed, draft, order, quick, sent, subscribed};
use super::{Caller, arrived, body_of, json_of, receiver, text_of};

/// Event and status of every element of every delivery.
fn told(received: &[Received]) -> Vec<(String, String)> {
    let element = |element: &Value| {
        let status = element["data"]["status"].as_str().unwrap_or_default().trim_start_matches("document.");
        (text_of(&element["event"]).to_owned(), status.to_owned())
    };
    received
        .iter()
        .flat_map(|one| body_of(one).as_array().cloned().unwrap_or_default())
        .map(|one| element(&one))
        .collect()
}

fn signature(received: &Received) -> String {
    let (_, signature) = received.target.split_once("signature=").expect("a signature");
    signature.to_owned()
}

fn expected(key: &str, received: &Received) -> String {
    hex::encode(signatures::hmac_sha256(key.as_bytes(), &[&received.body]))
}

async fn subscription(panda: &Caller) -> Value {
    json_of(&panda.get("/public/v1/webhook-subscriptions").await)["items"][0].clone()
}

#[tokio::test]
async fn a_life_is_told_in_order_with_metadata_and_a_signature_in_the_query() {
    let hook = receiver([]).await;
    let panda = subscribed(&hook, quick()).await;
    let id = sent(&panda).await;
    act(&panda, &id, "view", json!({})).await;
    act(&panda, &id, "sign", json!({})).await;
    act(&panda, &id, "sign", json!({})).await;
    let received = arrived(&hook, 7).await;
    let changed = |status: &str| ("document_state_changed".to_owned(), status.to_owned());
    let signed = |status: &str| ("recipient_completed".to_owned(), status.to_owned());
    let pdf = ("document_completed_pdf_ready".to_owned(), "completed".to_owned());
    let wanted = [
        changed("draft"),
        changed("sent"),
        changed("viewed"),
        signed("viewed"),
        signed("completed"),
        changed("completed"),
        pdf,
    ];
    assert_eq!(told(&received), wanted);
    assert!(received.iter().all(|one| signature(one) == expected(SHARED_KEY, one)));
    let first = body_of(&received[3]);
    assert_eq!(first[0]["data"]["metadata"]["mw_envelope"], "0192f");
    assert_eq!(first[0]["data"]["action_by"]["email"], "dana@buyer.test");
    assert_eq!(first[0]["data"]["recipients"][0]["shared_link"], "");
}

#[tokio::test]
async fn events_of_one_document_travel_together_when_batching() {
    let hook = receiver([]).await;
    let panda = subscribed(&hook, Switches { batch_ms: 1_500, ..quick() }).await;
    panda.post("/__sim/ui/documents", json!({})).await;
    let other = json_of(&panda.post("/__sim/ui/documents", json!({})).await);
    act(&panda, text_of(&other["id"]), "send", json!({})).await;
    let received = arrived(&hook, 2).await;
    let sizes: Vec<usize> = received.iter().map(|one| body_of(one).as_array().unwrap().len()).collect();
    assert_eq!(sizes, [1, 2]);
}

#[tokio::test]
async fn a_revert_is_told_as_updated_and_draft() {
    let hook = receiver([]).await;
    let panda = subscribed(&hook, quick()).await;
    let id = completed(&panda).await;
    let before = arrived(&hook, 6).await.len();
    act(&panda, &id, "edit-back-to-draft", json!({})).await;
    let told = told(&arrived(&hook, before + 2).await[before..]);
    assert_eq!(
        told,
        [("document_updated".into(), "draft".into()), ("document_state_changed".into(), "draft".to_owned())]
    );
}

#[tokio::test]
async fn a_failed_creation_and_a_deletion_are_told_with_little() {
    let hook = receiver([]).await;
    let panda = subscribed(&hook, quick()).await;
    let mut body = order();
    body["recipients"][0]["role"] = json!("Größe");
    panda.post("/public/v1/documents", body).await;
    let failed = body_of(&arrived(&hook, 2).await[0]);
    assert_eq!(failed[0]["event"], "document_creation_failed");
    assert_eq!(failed[0]["data"]["error"]["type"], "validation_error");
    let id = draft(&panda).await;
    act(&panda, &id, "delete", json!({})).await;
    let deleted = body_of(&arrived(&hook, 4).await[3]);
    assert_eq!(deleted, json!([{"event": "document_deleted", "data": {"id": id}}]));
}

#[tokio::test]
async fn older_texts_call_the_time_of_a_recipient_by_another_name() {
    let hook = receiver([]).await;
    let panda = subscribed(&hook, Switches { action_on: true, ..quick() }).await;
    let id = sent(&panda).await;
    act(&panda, &id, "sign", json!({})).await;
    let done = body_of(&arrived(&hook, 3).await[2])[0].clone();
    assert_eq!(done["event"], "recipient_completed");
    assert!(done["data"]["action_on"].is_string() && done["data"].get("action_date").is_none());
}

#[tokio::test]
async fn all_thirteen_events_can_be_raised() {
    let hook = receiver([]).await;
    let panda = subscribed(&hook, quick()).await;
    let id = draft(&panda).await;
    let triggers = subscription(&panda).await["triggers"].as_array().cloned().expect("triggers");
    assert_eq!(triggers.len(), 13);
    for trigger in &triggers {
        let answer = panda.post("/__sim/ui/events", json!({"event": trigger, "document_id": id})).await;
        assert_eq!(answer.status, 204);
    }
    let received = arrived(&hook, 14).await;
    let events: Vec<Value> = told(&received[1..]).into_iter().map(|(event, _)| json!(event)).collect();
    assert_eq!(events, triggers);
}

#[tokio::test]
async fn a_retry_repeats_bytes_and_event_id() {
    let hook = receiver([500, 404, 503]).await;
    let panda = subscribed(&hook, quick()).await;
    draft(&panda).await;
    let received = arrived(&hook, 4).await;
    let id = |one: &Received| one.headers["x-pandadoc-webhook-event-id"].to_str().unwrap().to_owned();
    assert!(received.iter().all(|one| one.body == received[0].body && id(one) == id(&received[0])));
    assert_eq!(subscription(&panda).await["status"], "ACTIVE");
}

#[tokio::test]
async fn older_accounts_neither_retry_nor_name_events() {
    let hook = receiver([500]).await;
    let panda = subscribed(&hook, Switches { retries: 0, event_id_header: false, ..quick() }).await;
    let id = draft(&panda).await;
    panda.post(&format!("/public/v1/documents/{id}/send"), json!({})).await;
    let received = arrived(&hook, 2).await;
    assert_eq!(told(&received)[1].1, "sent");
    assert!(received.iter().all(|one| !one.headers.contains_key("x-pandadoc-webhook-event-id")));
}

#[tokio::test]
async fn one_gone_deactivates_the_subscription_until_it_is_switched_on_again() {
    let hook = receiver([410]).await;
    let panda = subscribed(&hook, quick()).await;
    let id = draft(&panda).await;
    arrived(&hook, 1).await;
    let deactivated = |answer: &outbound::Response| json_of(answer)["items"][0]["status"] == "DEACTIVATED";
    panda.until("/public/v1/webhook-subscriptions", deactivated).await;
    panda.post(&format!("/public/v1/documents/{id}/send"), json!({})).await;

    let uuid = text_of(&subscription(&panda).await["uuid"]).to_owned();
    let path = format!("/public/v1/webhook-subscriptions/{uuid}");
    assert_eq!(panda.call(Method::PATCH, &path, json!({"active": true})).await.status, 200);
    act(&panda, &id, "view", json!({})).await;
    assert_eq!(told(&arrived(&hook, 2).await)[1].1, "viewed");
}

#[tokio::test]
async fn after_a_rotation_only_the_new_key_signs() {
    let hook = receiver([]).await;
    let panda = subscribed(&hook, quick()).await;
    let uuid = text_of(&subscription(&panda).await["uuid"]).to_owned();
    let path = format!("/public/v1/webhook-subscriptions/{uuid}/shared-key");
    let rotated = json_of(&panda.call(Method::PATCH, &path, json!({})).await);
    let key = text_of(&rotated["shared_key"]);
    draft(&panda).await;
    let received = arrived(&hook, 1).await.remove(0);
    assert_eq!(signature(&received), expected(key, &received));
    assert_ne!(key, SHARED_KEY);
}

#[tokio::test]
async fn subscriptions_are_managed_and_filter_triggers_and_payload() {
    let (main, hook): (Receiver, Receiver) = (receiver([]).await, receiver([]).await);
    let panda = subscribed(&main, quick()).await;
    let url = format!("{}?tenant=a", hook.url());
    let wish =
        json!({"name": "mine", "url": url, "triggers": ["recipient_completed"], "payload": ["tokens"]});
    let made = panda.post("/public/v1/webhook-subscriptions", wish).await;
    let (made, created) = (json_of(&made), made.status);
    let id = sent(&panda).await;
    act(&panda, &id, "sign", json!({})).await;
    let received = arrived(&hook, 1).await.remove(0);
    assert!(received.target.starts_with("/hook?tenant=a&signature="));
    assert_eq!((created, signature(&received)), (201, expected(text_of(&made["shared_key"]), &received)));
    let data = body_of(&received)[0]["data"].clone();
    assert!(data.get("metadata").is_none() && data.get("tokens").is_some());

    let path = format!("/public/v1/webhook-subscriptions/{}", text_of(&made["uuid"]));
    assert_eq!(panda.get(&path).await.status, 200);
    assert_eq!(panda.call(Method::DELETE, &path, json!({})).await.status, 204);
    assert_eq!(panda.get(&path).await.status, 404);
    for (list, stranger) in [("triggers", "document_eaten"), ("payload", "recipes")] {
        let unknown = json!({"name": "x", "url": url, list: [stranger]});
        assert_eq!(panda.post("/public/v1/webhook-subscriptions", unknown).await.status, 400, "{list}");
    }
}

#[tokio::test]
async fn what_was_missed_is_found_in_the_history_of_events() {
    let hook = receiver([500]).await;
    let panda = subscribed(&hook, Switches { retries: 0, ..quick() }).await;
    draft(&panda).await;
    let received = arrived(&hook, 1).await.remove(0);
    let query = "/public/v1/webhook-events?count=10&page=1&http_status_code[]=500";
    let listed = panda.until(query, |answer| json_of(answer)["items"][0]["http_status_code"] == 500).await;
    let uuid = text_of(&json_of(&listed)["items"][0]["uuid"]).to_owned();
    let detail = json_of(&panda.get(&format!("/public/v1/webhook-events/{uuid}")).await);
    assert_eq!(text_of(&detail["request_body"]).as_bytes(), &received.body);
    assert_eq!(
        (text_of(&detail["signature"]), uuid.as_str()),
        (signature(&received).as_str(), received.headers["x-pandadoc-webhook-event-id"].to_str().unwrap())
    );
    assert_eq!(panda.get("/public/v1/webhook-events").await.status, 400);
}
