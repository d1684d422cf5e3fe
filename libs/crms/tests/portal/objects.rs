//! The object API where only the simulator speaks it: what a reconciler or a person would use.

use serde_json::{Value, json};

use crate::support::{Portal, values};

#[tokio::test]
async fn the_search_index_lags_behind_the_record() {
    let portal = Portal::start().await;
    portal.control("settings", json!({"search_lag_ms": 3_600_000})).await;
    let deal = portal.deal(json!({"dealstage": "contractsent", "amount": "12"})).await;
    portal.deal(json!({"dealstage": "closedlost"})).await;
    let query = json!({
        "filterGroups": [{"filters": [
            {"propertyName": "dealstage", "operator": "IN", "values": ["contractsent", "closedwon"]},
            {"propertyName": "hs_lastmodifieddate", "operator": "GTE", "value": "1767225600000"},
        ]}],
        "properties": ["dealstage"], "sorts": [{"propertyName": "hs_lastmodifieddate", "direction": "ASCENDING"}], "limit": 100,
    });
    let found: Value = portal.post("/crm/v3/objects/deals/search", query.clone()).await.json().unwrap();
    assert_eq!(found["total"], 0);
    portal.control("settings", json!({"search_lag_ms": 0})).await;
    let found: Value = portal.post("/crm/v3/objects/deals/search", query).await.json().unwrap();
    assert_eq!((&found["total"], &found["results"][0]["id"]), (&json!(1), &json!(deal.object_id)));
}

#[tokio::test]
async fn a_search_pages_and_refuses_more_than_its_window() {
    let portal = Portal::start().await;
    portal.control("settings", json!({"search_lag_ms": 0, "searches_per_second_max": 100})).await;
    for _ in 0..3 {
        portal.deal(json!({})).await;
    }
    let page: Value = portal.post("/crm/v3/objects/deals/search", json!({"limit": 2})).await.json().unwrap();
    assert_eq!((&page["total"], &page["paging"]["next"]["after"]), (&json!(3), &json!("2")));
    let page: Value =
        portal.post("/crm/v3/objects/deals/search", json!({"limit": 2, "after": "2"})).await.json().unwrap();
    assert_eq!((page["results"].as_array().unwrap().len(), page.get("paging")), (1, None));
    for beyond in [json!({"limit": 201}), json!({"limit": 200, "after": "9900"})] {
        assert_eq!(portal.post("/crm/v3/objects/deals/search", beyond).await.status, 400);
    }
}

#[tokio::test]
async fn a_sixth_search_in_a_second_is_refused_under_its_own_policy() {
    let portal = Portal::start().await;
    portal.control("settings", json!({"searches_per_second_max": 0})).await;
    let response = portal.post("/crm/v3/objects/deals/search", json!({})).await;
    assert_eq!(
        (response.status, response.json::<Value>().unwrap()["policyName"].as_str()),
        (429, Some("SECONDLY"))
    );
}

#[tokio::test]
async fn a_batch_with_a_missing_deal_is_answered_in_part() {
    let portal = Portal::start().await;
    let deals = [portal.deal(json!({})).await, portal.deal(json!({})).await];
    let ids = json!([{"id": deals[0].object_id}, {"id": deals[1].object_id}, {"id": "1"}]);
    let response = portal
        .post("/crm/v3/objects/deals/batch/read", json!({"inputs": ids, "properties": ["dealstage"]}))
        .await;
    let answered: Value = response.json().unwrap();
    assert_eq!(response.status, 207);
    assert_eq!(
        (answered["results"].as_array().unwrap().len(), &answered["errors"][0]["context"]["ids"]),
        (2, &json!(["1"]))
    );

    let twice = json!([{"id": deals[0].object_id}, {"id": deals[0].object_id}]);
    assert_eq!(portal.post("/crm/v3/objects/deals/batch/read", json!({"inputs": twice})).await.status, 400);
}

#[tokio::test]
async fn a_deal_is_found_by_its_unique_property_and_tells_its_history() {
    let portal = Portal::start().await;
    let deal = portal.deal(json!({"dealstage": "readytosend", "esign_envelope_id": "env_1"})).await;
    portal.edit(&deal, json!({"dealstage": "closedlost"})).await;
    let path = "/crm/objects/2026-03/0-3/env_1?idProperty=esign_envelope_id&propertiesWithHistory=dealstage";
    let shown: Value = portal.get(path).await.json().unwrap();
    assert_eq!(shown["id"], json!(deal.object_id));
    let history = shown["propertiesWithHistory"]["dealstage"].as_array().unwrap();
    assert_eq!((&history[0]["value"], &history[1]["value"]), (&json!("closedlost"), &json!("readytosend")));
    assert_eq!(history[0]["sourceType"], "CRM_UI");
}

#[tokio::test]
async fn a_property_that_is_created_can_be_written() {
    let portal = Portal::start().await;
    let deal = portal.deal(json!({})).await;
    let property = json!({"name": "esign_mood", "type": "enumeration", "options": [{"value": "good"}], "hasUniqueValue": false});
    assert_eq!(portal.post("/crm/v3/properties/deals", property.clone()).await.status, 201);
    assert_eq!(portal.post("/crm/v3/properties/deals", property).await.status, 409);
    portal.crm().write(&deal, &values([("esign_mood", "good")])).await.unwrap();
    assert!(portal.crm().write(&deal, &values([("esign_mood", "bad")])).await.is_err());
}

#[tokio::test]
async fn the_pipeline_names_its_stages_by_id() {
    let portal = Portal::start().await;
    let pipelines: Value = portal.get("/crm/v3/pipelines/deals").await.json().unwrap();
    let stages = pipelines["results"][0]["stages"].as_array().unwrap();
    assert!(stages.iter().any(|stage| stage["id"] == "contractsent" && stage["label"] == "Contract sent"));
}

#[tokio::test]
async fn a_call_without_a_good_token_is_refused_and_limits_are_told_in_headers() {
    let portal = Portal::start().await;
    let path = "/crm/v3/pipelines/deals";
    let told = portal.get(path).await;
    assert_eq!(told.header("x-hubspot-ratelimit-interval-milliseconds"), Some("10000"));
    assert_eq!(told.header("x-hubspot-ratelimit-max"), Some("100"));
    portal.control("tokens", json!({"accepted": []})).await;
    assert_eq!(portal.get(path).await.status, 401);
}

#[tokio::test]
async fn a_person_moves_a_deal_on_the_page_and_names_are_shown_as_text() {
    let portal = Portal::start().await;
    let deal = portal.deal(json!({"dealname": "<script>alert(1)</script>"})).await;
    let page = String::from_utf8(portal.get("/").await.body.to_vec()).unwrap();
    assert!(page.contains("&lt;script&gt;alert") && !page.contains("<script>"));

    let form = vec![("stage".to_owned(), "closedwon".to_owned())];
    let path = format!("/ui/deals/{}/stage", deal.object_id);
    let moved = portal.call(outbound::Request::post_form(portal.url(&path), "test", form)).await;
    assert_eq!(moved.status, 303);
    assert_eq!(portal.history(&deal, "dealstage").await.last().unwrap()["source"], "CRM_UI");
}

#[tokio::test]
async fn a_reset_leaves_an_empty_portal_with_its_first_switches() {
    let portal = Portal::start().await;
    portal.deal(json!({})).await;
    portal.control("settings", json!({"search_lag_ms": 1})).await;
    portal.control("reset", json!({})).await;
    assert_eq!(portal.get("/__sim/deals").await.json::<Value>().unwrap(), json!([]));
    assert_eq!(portal.get("/__sim/settings").await.json::<Value>().unwrap()["search_lag_ms"], 5000);
}

#[tokio::test]
async fn an_unknown_switch_is_refused() {
    let portal = Portal::start().await;
    assert_eq!(portal.post("/__sim/settings", json!({"no_such": 1})).await.status, 400);
}
