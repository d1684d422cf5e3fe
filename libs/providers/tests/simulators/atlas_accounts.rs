//! Atlas, platform mode: connected accounts, line by line of contract §16.

use http::Method;
use providers::atlas::simulator::Settings;
use serde_json::{Value, json};

use super::atlas_api::{atlas, credits, order, quick};
use super::{Caller, json_of, secret, text_of, with};

const PLATFORM_KEY: &str = "atlas_live_platform_1";
const ACCOUNTS: &str = "/api/platform/connected-accounts";

async fn platform() -> Caller {
    let atlas = atlas(Settings { platform_keys: vec![secret(PLATFORM_KEY)], ..quick() }).await;
    Caller { credential: format!("Bearer {PLATFORM_KEY}"), ..atlas }
}

async fn provided(atlas: &Caller, external_id: &str, billing_mode: &str, credits: u64) -> Value {
    let wish = json!({"external_id": external_id, "name": "Client", "billing_mode": billing_mode, "initial_credits": credits});
    json_of(&atlas.post(ACCOUNTS, wish).await)
}

async fn on_behalf(atlas: &Caller, account: &str, path: &str, body: Value) -> (u16, Value) {
    let request = outbound::Request::post_json(atlas.url(path), "test", &body);
    let answer = atlas.send(with(request, "atlas-account", account)).await;
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
}

async fn created(atlas: &Caller, account: &str) -> String {
    let (status, body) = on_behalf(atlas, account, "/api/envelope", order(atlas, None)).await;
    assert_eq!(status, 201);
    text_of(&body["envelope_id"]).to_owned()
}

#[tokio::test]
async fn the_same_external_id_is_the_same_account() {
    let atlas = platform().await;
    let first = provided(&atlas, "client-1", "platform_pays", 0).await;
    let second = provided(&atlas, "client-1", "platform_pays", 0).await;
    assert_eq!((&first["created"], &second["created"]), (&json!(true), &json!(false)));
    assert_eq!(first["connected_org_id"], second["connected_org_id"]);
}

#[tokio::test]
async fn what_belongs_to_one_account_is_absent_for_every_other() {
    let atlas = platform().await;
    let account = provided(&atlas, "client-1", "platform_pays", 0).await;
    let id = created(&atlas, "ext_client-1").await;
    let path = format!("/api/envelope/{id}/send");
    assert_eq!(
        atlas.get(&format!("/api/envelope/{id}")).await.status,
        404,
        "without the header it is not ours"
    );
    assert_eq!(json_of(&atlas.get("/api/envelopes").await)["items"], json!([]));
    let by_id = text_of(&account["connected_org_id"]).to_owned();
    assert_eq!(on_behalf(&atlas, &by_id, &path, json!({"fields_version": 1})).await.0, 200);
    assert_eq!(on_behalf(&atlas, "ext_nobody", &path, json!({})).await.0, 404);
}

#[tokio::test]
async fn an_ordinary_key_may_name_no_account() {
    let atlas = atlas(Settings { platform_keys: vec![secret(PLATFORM_KEY)], ..quick() }).await;
    let (status, _) = on_behalf(&atlas, "ext_client-1", "/api/envelope", order(&atlas, None)).await;
    assert_eq!(status, 403);
    assert_eq!(atlas.post(ACCOUNTS, json!({"external_id": "x", "name": "X"})).await.status, 403);
}

#[tokio::test]
async fn a_suspended_account_drafts_but_does_not_send() {
    let atlas = platform().await;
    let account = provided(&atlas, "client-1", "platform_pays", 0).await;
    let id = created(&atlas, "ext_client-1").await;
    let change = format!("{ACCOUNTS}/{}", text_of(&account["connected_org_id"]));
    assert_eq!(atlas.call(Method::PATCH, &change, json!({"status": "suspended"})).await.status, 200);
    let path = format!("/api/envelope/{id}/send");
    assert_eq!(on_behalf(&atlas, "ext_client-1", &path, json!({})).await.0, 403);
    created(&atlas, "ext_client-1").await;
}

#[tokio::test]
async fn a_send_takes_from_the_pool_that_the_billing_mode_names() {
    let atlas = platform().await;
    provided(&atlas, "ours", "platform_pays", 9).await;
    provided(&atlas, "theirs", "child_pays", 1).await;
    for (account, platform_credits) in [("ext_ours", 4), ("ext_theirs", 4)] {
        let id = created(&atlas, account).await;
        assert_eq!(on_behalf(&atlas, account, &format!("/api/envelope/{id}/send"), json!({})).await.0, 200);
        assert_eq!(credits(&atlas).await, platform_credits, "{account}");
    }
    let id = created(&atlas, "ext_theirs").await;
    let (status, _) = on_behalf(&atlas, "ext_theirs", &format!("/api/envelope/{id}/send"), json!({})).await;
    assert_eq!(status, 402, "their one credit is used");
    assert_eq!(json_of(&atlas.get(ACCOUNTS).await)["items"][1]["credits"], 0);
}
