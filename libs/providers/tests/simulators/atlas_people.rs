//! Atlas, the people: reviewing, signing one after another, declining, and the signed PDF.

use outbound::Request;
use providers::atlas::simulator::Settings;
use serde_json::{Value, json};

use super::atlas_api::{atlas, created, quick, sent};
use super::{Caller, json_of, text_of, with};

async fn progress(atlas: &Caller, id: &str) -> Value {
    json_of(&atlas.get(&format!("/api/envelope/{id}/status")).await)
}

async fn sign_next(atlas: &Caller, id: &str) {
    let link = text_of(&progress(atlas, id).await["sign_url"]).to_owned();
    assert_eq!(atlas.form(&link, &[("action", "sign")]).await.status, 303);
}

async fn page(atlas: &Caller, link: &str) -> String {
    String::from_utf8(atlas.get(link).await.body.to_vec()).expect("UTF-8")
}

#[tokio::test]
async fn a_person_reviews_and_presses_send() {
    let atlas = atlas(quick()).await;
    let id = created(&atlas, None).await;
    let review = json_of(&atlas.get("/__sim/envelopes").await)[0]["review_url"].as_str().unwrap().to_owned();
    let shown = page(&atlas, &review).await;
    for word in ["dana@buyer.test", "Send", "Webhook deliveries", "Signature (signature)"] {
        assert!(shown.contains(word), "{word}");
    }
    assert_eq!(atlas.get(&format!("/review/{id}?rt=guessed")).await.status, 403);
    let send = review.replace("?rt=", "/send?rt=");
    assert_eq!(atlas.form(&send, &[("fields_version", "1")]).await.status, 303);
    assert_eq!(progress(&atlas, &id).await["status"], "pending");
    assert!(page(&atlas, &review).await.contains("Nothing can be edited any more"));
}

#[tokio::test]
async fn parties_sign_strictly_one_after_another() {
    let atlas = atlas(quick()).await;
    let id = sent(&atlas, None).await;
    let links: Vec<Value> =
        json_of(&atlas.get("/__sim/envelopes").await)[0]["sign_urls"].as_array().unwrap().clone();
    let (dana, sam) = (text_of(&links[0]), text_of(&links[1]));
    assert_eq!(atlas.form(sam, &[("action", "sign")]).await.status, 409);
    assert_eq!(json_of(&atlas.get("/__sim/inbox").await).as_array().unwrap().len(), 1);

    sign_next(&atlas, &id).await;
    let half = progress(&atlas, &id).await;
    assert_eq!((&half["signed_count"], &half["next_signer_email"]), (&json!(1), &json!("sam@acme.test")));
    assert_eq!(json_of(&atlas.get("/__sim/inbox").await)[0]["sign_url"], json!(sam));
    assert_eq!(atlas.form(dana, &[("action", "sign")]).await.status, 409);

    sign_next(&atlas, &id).await;
    let done = progress(&atlas, &id).await;
    assert_eq!(
        (&done["status"], &done["signed_count"], &done["sign_url"]),
        (&json!("signed"), &json!(2), &Value::Null)
    );
}

#[tokio::test]
async fn the_token_selects_the_party_and_its_fields() {
    let atlas = atlas(quick()).await;
    let id = sent(&atlas, None).await;
    let links = json_of(&atlas.get("/__sim/envelopes").await)[0]["sign_urls"].clone();
    let dana = page(&atlas, text_of(&links[0])).await;
    assert!(dana.contains("Dana Buyer (Customer)") && !dana.contains("Sam Seller"));
    assert_eq!(dana.matches("Signature (signature)").count(), 1);
    assert!(page(&atlas, text_of(&links[1])).await.contains("It is not your turn yet"));
    assert_eq!(atlas.get(&format!("/sign/{id}")).await.status, 401);
}

#[tokio::test]
async fn a_signer_declines_on_the_page_or_with_the_token_but_never_with_an_api_key() {
    let atlas = atlas(quick()).await;
    let (first, second) = (sent(&atlas, None).await, sent(&atlas, None).await);
    let link = text_of(&progress(&atlas, &first).await["sign_url"]).to_owned();
    assert_eq!(atlas.form(&link, &[("action", "decline"), ("reason", "too dear")]).await.status, 303);
    let shown = json_of(&atlas.get(&format!("/api/envelope/{first}")).await);
    assert_eq!((&shown["status"], &shown["reason"]), (&json!("declined"), &json!("too dear")));

    let path = format!("/api/envelope/{second}/decline");
    assert_eq!(atlas.post(&path, json!({})).await.status, 401);
    let link = text_of(&progress(&atlas, &second).await["sign_url"]).to_owned();
    let token = link.split_once("?t=").expect("a token").1;
    let decline = Request::post_json(atlas.url(&path), "test", &json!({"reason": "no"}));
    assert_eq!(atlas.send(with(decline, "authorization", &format!("Bearer {token}"))).await.status, 200);
    assert_eq!(progress(&atlas, &second).await["status"], "declined");
}

#[tokio::test]
async fn the_signed_pdf_lies_behind_a_link_that_works_once() {
    let atlas = atlas(quick()).await;
    let id = sent(&atlas, None).await;
    let path = format!("/api/envelope/{id}/pdf");
    assert_eq!(atlas.get(&path).await.status, 404);
    sign_next(&atlas, &id).await;
    sign_next(&atlas, &id).await;

    let redirect = atlas.until(&path, |answer| answer.status == 302).await;
    let link = redirect.headers["location"].to_str().unwrap().to_owned();
    let pdf = atlas.get(&link).await;
    assert!(pdf.status == 200 && pdf.body.starts_with(b"%PDF-"));
    assert!(pdf.body.windows(10).any(|window| window == b"Dana Buyer"));
    assert_eq!(atlas.get(&link).await.status, 403);
}

#[tokio::test]
async fn storage_elsewhere_refuses_a_forwarded_api_key() {
    let storage_url = Some("http://storage.test".to_owned());
    let atlas = atlas(Settings { storage_url, ..quick() }).await;
    let id = sent(&atlas, None).await;
    sign_next(&atlas, &id).await;
    sign_next(&atlas, &id).await;
    let redirect = atlas.until(&format!("/api/envelope/{id}/pdf"), |answer| answer.status == 302).await;
    let location = redirect.headers["location"].to_str().unwrap();
    let path = location.strip_prefix("http://storage.test").expect("another host");
    assert_eq!(atlas.get(path).await.status, 400);
}

#[tokio::test]
async fn the_overview_leads_everywhere_and_a_reset_empties_it() {
    let atlas = atlas(quick()).await;
    sent(&atlas, None).await;
    let overview = page(&atlas, "/").await;
    assert!(overview.contains("sign as Dana Buyer") && overview.contains("/review/"));
    atlas.post("/__sim/reset", json!({})).await;
    assert_eq!(json_of(&atlas.get("/__sim/envelopes").await), json!([]));
}
