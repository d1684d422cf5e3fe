//! PandaDoc, the people: sales and recipients, and a document that reopens.

use http::Method;
use providers::pandadoc::simulator::{Settings, Switches};
use serde_json::{Value, json};

use super::pandadoc_api::{act, completed, draft, pandadoc, quick, sent, status};
use super::{Caller, json_of, text_of};

async fn workspace() -> Caller {
    pandadoc(Settings { switches: quick(), ..Settings::default() }).await
}

async fn details(panda: &Caller, id: &str) -> Value {
    json_of(&panda.get(&format!("/public/v1/documents/{id}/details")).await)
}

#[tokio::test]
async fn recipients_complete_in_their_order() {
    let panda = workspace().await;
    let id = sent(&panda).await;
    assert_eq!(act(&panda, &id, "sign", json!({"recipient": "sam@acme.test"})).await, 409);
    assert_eq!(act(&panda, &id, "sign", json!({"recipient": "dana@buyer.test"})).await, 200);
    assert_eq!(act(&panda, &id, "sign", json!({"recipient": "dana@buyer.test"})).await, 409);
    assert_eq!(status(&panda, &id).await, "document.sent");
    assert_eq!(act(&panda, &id, "sign", json!({"recipient": "sam@acme.test"})).await, 200);
    assert_eq!(status(&panda, &id).await, "document.completed");
}

#[tokio::test]
async fn a_copy_recipient_does_not_sign_but_may_decline() {
    let panda = workspace().await;
    let id = sent(&panda).await;
    assert_eq!(act(&panda, &id, "sign", json!({"recipient": "lee@acme.test"})).await, 409);
    assert_eq!(act(&panda, &id, "decline", json!({"recipient": "lee@acme.test", "reason": "no"})).await, 200);
    assert_eq!(status(&panda, &id).await, "document.declined");
    assert_eq!(act(&panda, &id, "sign", json!({})).await, 409);
}

#[tokio::test]
async fn a_revert_to_draft_clears_signatures_and_needs_a_new_send() {
    let panda = workspace().await;
    let id = completed(&panda).await;
    let before = details(&panda, &id).await;
    assert_eq!(before["recipients"][0]["has_completed"], true);
    assert_eq!(panda.post(&format!("/public/v1/documents/{id}/draft"), json!({})).await.status, 200);
    let after = details(&panda, &id).await;
    assert_eq!(after["status"], "document.draft");
    assert_eq!(
        (&after["recipients"][0]["has_completed"], &after["recipients"][0]["signature_date"]),
        (&json!(false), &Value::Null)
    );
    assert!(text_of(&after["date_modified"]) > text_of(&before["date_modified"]));
    assert_eq!(panda.post(&format!("/public/v1/documents/{id}/draft"), json!({})).await.status, 200);
    assert_eq!(details(&panda, &id).await["version"], after["version"], "a draft stays what it is");
    assert_eq!(panda.post(&format!("/public/v1/documents/{id}/send"), json!({})).await.status, 200);
}

#[tokio::test]
async fn an_approved_document_must_be_sent_again() {
    let switches = Switches { approval: true, ..quick() };
    let panda = pandadoc(Settings { switches, ..Settings::default() }).await;
    let id = draft(&panda).await;
    let send = format!("/public/v1/documents/{id}/send");
    assert_eq!(json_of(&panda.post(&send, json!({})).await)["status"], "document.waiting_approval");
    assert_eq!(act(&panda, &id, "approve", json!({})).await, 200);
    assert_eq!(json_of(&panda.post(&send, json!({})).await)["status"], "document.sent");
}

#[tokio::test]
async fn a_payment_block_leaves_a_signed_document_waiting_for_money() {
    let switches = Switches { payment: true, ..quick() };
    let panda = pandadoc(Settings { switches, ..Settings::default() }).await;
    let id = completed(&panda).await;
    assert_eq!(status(&panda, &id).await, "document.waiting_pay");
    assert_eq!(act(&panda, &id, "pay", json!({})).await, 200);
    assert_eq!(status(&panda, &id).await, "document.paid");
}

#[tokio::test]
async fn sales_make_a_document_and_click_through_its_page() {
    let panda = workspace().await;
    let made = panda.form("/__sim/ui/documents", &[("name", "Offer <1>"), ("deal_id", "20417")]).await;
    assert_eq!(made.status, 303);
    let page = made.headers["location"].to_str().unwrap().to_owned();
    let id = page.trim_start_matches("/documents/").to_owned();
    let shown = async || String::from_utf8(panda.get(&page).await.body.to_vec()).expect("UTF-8");
    assert!(shown().await.contains("Offer &lt;1&gt;"));
    assert_eq!(panda.form(&format!("/__sim/ui/documents/{id}/send"), &[]).await.status, 303);
    assert!(shown().await.contains(">Sign</button>"));
    assert_eq!(details(&panda, &id).await["metadata"]["deal_id"], "20417");
    assert_eq!(panda.get(&format!("{page}/pdf")).await.headers["content-type"], "application/pdf");
}

#[tokio::test]
async fn a_deleted_document_is_gone() {
    let panda = workspace().await;
    let id = sent(&panda).await;
    let path = format!("/public/v1/documents/{id}");
    assert_eq!(panda.call(Method::DELETE, &path, json!({})).await.status, 204);
    assert_eq!(panda.get(&path).await.status, 404);
    assert_eq!(act(&panda, &id, "delete", json!({})).await, 404);
}

#[tokio::test]
async fn only_drafts_are_edited() {
    let panda = workspace().await;
    let id = draft(&panda).await;
    let path = format!("/public/v1/documents/{id}");
    assert_eq!(panda.call(Method::PATCH, &path, json!({"name": "Better"})).await.status, 204);
    assert_eq!(details(&panda, &id).await["name"], "Better");
    panda.post(&format!("{path}/send"), json!({})).await;
    assert_eq!(panda.call(Method::PATCH, &path, json!({"name": "Worse"})).await.status, 400);
}
