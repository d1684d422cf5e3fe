//! Reading and writing single records.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crms::{Class, CrmError};
use domain::intake::RecordRef;
use domain::retry::Retry;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::{Portal, TOKEN, values};

async fn refused(portal: &Portal, deal: &RecordRef, pair: (&str, &str)) -> CrmError {
    portal.crm().write(deal, &values([pair])).await.unwrap_err()
}

#[tokio::test]
async fn what_is_written_is_read_back_and_nothing_else_is_touched() {
    let portal = Portal::start().await;
    let deal = portal.deal(json!({"dealname": "Order 1", "buyer_email": "dana@buyer.test"})).await;
    portal.crm().write(&deal, &values([("esign_status", "sent"), ("esign_version", "5")])).await.unwrap();

    let asked = ["esign_status", "buyer_email", "esign_reason"].map(str::to_owned);
    let record = portal.crm().read(&deal, &asked).await.unwrap();
    assert_eq!(record.id, deal.object_id);
    assert_eq!(record.properties["esign_status"].as_deref(), Some("sent"));
    assert_eq!(record.properties["buyer_email"].as_deref(), Some("dana@buyer.test"));
    assert_eq!(record.properties["esign_reason"], None);
    assert!(record.modified_at.is_some());
    assert!(!format!("{record:?}").contains("dana"));
}

#[tokio::test]
async fn one_write_is_one_update_so_the_link_is_never_behind_the_stage() {
    let portal = Portal::start().await;
    let deal = portal.deal(json!({"dealstage": "readytosend"})).await;
    let both = values([("esign_envelope_id", "env_1"), ("dealstage", "contractsent")]);
    portal.crm().write(&deal, &both).await.unwrap();
    let link = portal.history(&deal, "esign_envelope_id").await;
    let stage = portal.history(&deal, "dealstage").await;
    assert_eq!(link[0]["update"], stage[1]["update"]);
    assert_eq!((&stage[1]["source"], &stage[1]["source_id"]), (&json!("INTEGRATION"), &json!("9900")));
}

#[tokio::test]
async fn nothing_to_write_is_no_call() {
    let portal = Portal::start().await;
    let deal = portal.deal(json!({})).await;
    portal.crm().write(&deal, &values([])).await.unwrap();
    let requests: Vec<Value> = portal.get("/__sim/requests?method=PATCH").await.json().unwrap();
    assert_eq!(requests.len(), 0);
}

#[tokio::test]
async fn an_unknown_property_or_stage_is_the_configurations_fault_and_writes_nothing() {
    let portal = Portal::start().await;
    let deal = portal.deal(json!({})).await;
    for (pair, code) in
        [(("no_such", "x"), "PROPERTY_DOESNT_EXIST"), (("dealstage", "Closed won"), "INVALID_OPTION")]
    {
        let mixed = values([pair, ("esign_reason", "why")]);
        let error = portal.crm().write(&deal, &mixed).await.unwrap_err();
        assert_eq!(
            (error.class, error.retry, error.http, error.code.as_str()),
            (Class::StopConfig, Retry::Never, Some(400), code)
        );
        assert!(!error.correlation_id.is_empty());
    }
    assert_eq!(portal.history(&deal, "esign_reason").await, [] as [Value; 0]);
}

#[tokio::test]
async fn a_value_that_does_not_fit_is_this_records_fault() {
    let portal = Portal::start().await;
    let deal = portal.deal(json!({})).await;
    let error = refused(&portal, &deal, ("esign_signed_at", "tomorrow")).await;
    assert_eq!((error.class, error.code.as_str()), (Class::StopRecord, "INVALID_DATE"));
}

#[tokio::test]
async fn a_unique_value_of_another_deal_must_be_reconciled() {
    let portal = Portal::start().await;
    portal.deal(json!({"esign_envelope_id": "env_1"})).await;
    let deal = portal.deal(json!({})).await;
    let error = refused(&portal, &deal, ("esign_envelope_id", "env_1")).await;
    assert_eq!((error.class, error.http), (Class::Reconcile, Some(409)));
}

#[tokio::test]
async fn a_deleted_or_unknown_record_is_an_orphan() {
    let portal = Portal::start().await;
    let deal = portal.deal(json!({})).await;
    let path = format!("/crm/v3/objects/deals/{}", deal.object_id);
    assert_eq!(portal.call(outbound::Request::delete(portal.url(&path), "test")).await.status, 204);
    let unknown = RecordRef { object_id: "../../properties".into(), ..deal.clone() };
    for record in [deal, unknown] {
        assert_eq!(portal.crm().read(&record, &[]).await.unwrap_err().class, Class::Orphan);
        assert_eq!(refused(&portal, &record, ("esign_reason", "x")).await.class, Class::Orphan);
    }
}

#[tokio::test]
async fn a_merged_record_says_its_new_id() {
    let portal = Portal::start().await;
    let (kept, merged) = (portal.deal(json!({})).await, portal.deal(json!({})).await);
    let body = json!({"primaryObjectId": kept.object_id, "objectIdToMerge": merged.object_id});
    assert_eq!(portal.post("/crm/v3/objects/deals/merge", body).await.status, 200);
    assert_eq!(portal.crm().read(&merged, &[]).await.unwrap().id, kept.object_id);
}

#[tokio::test]
async fn a_refused_token_needs_a_person_unless_it_was_replaced_meanwhile() {
    let portal = Portal::start().await;
    let deal = portal.deal(json!({})).await;
    let stale = portal.crm_with(Arc::new(|| SecretString::from("pat-revoked")));
    let error = stale.read(&deal, &[]).await.unwrap_err();
    assert_eq!((error.class, error.http), (Class::Reauth, Some(401)));

    let asked = AtomicU32::new(0);
    let replaced = portal.crm_with(Arc::new(move || {
        SecretString::from(if asked.fetch_add(1, Ordering::SeqCst) == 0 { "pat-revoked" } else { TOKEN })
    }));
    assert_eq!(replaced.read(&deal, &[]).await.unwrap_err().class, Class::Refresh);
    assert!(replaced.read(&deal, &[]).await.is_ok());
}

#[tokio::test]
async fn a_limit_met_once_holds_the_whole_credential_back() {
    let portal = Portal::start().await;
    let deal = portal.deal(json!({})).await;
    let crm = portal.crm();
    portal
        .control(
            "faults",
            json!({"match": {"method": "GET", "path": "/crm"}, "times": 1, "action": {
        "status": 429, "body": {"policyName": "TEN_SECONDLY_ROLLING"}, "headers": {"retry-after": "60"}}}),
        )
        .await;
    let error = crm.read(&deal, &[]).await.unwrap_err();
    assert_eq!((error.class, error.retry), (Class::RetryAfter, Retry::After(Duration::from_secs(60))));

    let held_back = crm.read(&deal, &[]).await.unwrap_err();
    assert_eq!(
        (held_back.class, held_back.http, held_back.code.as_str()),
        (Class::RetryAfter, None, "throttled")
    );
    let requests: Vec<Value> = portal.get("/__sim/requests?method=GET").await.json().unwrap();
    assert_eq!(requests.len(), 1);
}

#[tokio::test]
async fn the_rolling_and_the_daily_limit_are_told_apart() {
    let portal = Portal::start().await;
    let deal = portal.deal(json!({})).await;
    portal.control("settings", json!({"calls_per_ten_seconds_max": 0})).await;
    let error = portal.crm().read(&deal, &[]).await.unwrap_err();
    let rolling = (Class::RetryAfter, Retry::After(Duration::from_secs(10)), "TEN_SECONDLY_ROLLING");
    assert_eq!((error.class, error.retry, error.code.as_str()), rolling);

    portal.control("settings", json!({"calls_per_day_max": 0})).await;
    let error = portal.crm().read(&deal, &[]).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (Class::ParkTenant, "DAILY"));
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_may_have_happened_and_is_safe_to_repeat() {
    let portal = Portal::start().await;
    let deal = portal.deal(json!({})).await;
    for action in ["timeout_after_apply", "truncate_body"] {
        portal.control("faults", json!({"match": {"method": "PATCH", "path": "/crm"}, "times": 1, "hold_ms": 10, "action": action})).await;
        let error = refused(&portal, &deal, ("esign_reason", action)).await;
        assert!(error.outcome_unknown(), "{action}: {error}");
        portal.crm().write(&deal, &values([("esign_reason", action)])).await.unwrap();
    }
    let changed =
        portal.history(&deal, "esign_reason").await.into_iter().filter(|write| write["changed"] == true);
    assert_eq!(changed.count(), 2);
}

#[tokio::test]
async fn a_vendor_that_is_unwell_is_tried_again_later() {
    let portal = Portal::start().await;
    let deal = portal.deal(json!({})).await;
    for (action, http) in [
        (json!("html_502"), Some(502)),
        (json!("drop_connection"), None),
        (json!({"status": 521}), Some(521)),
    ] {
        portal
            .control(
                "faults",
                json!({"match": {"method": "GET", "path": "/crm"}, "times": 1, "action": action}),
            )
            .await;
        let error = portal.crm().read(&deal, &[]).await.unwrap_err();
        assert_eq!(
            (error.class, error.retry, error.http),
            (Class::RetryBackoff, Retry::WithBackoff, http),
            "{action}"
        );
    }
}

#[tokio::test]
async fn an_answer_without_sense_is_a_bug() {
    let portal = Portal::start().await;
    let deal = portal.deal(json!({})).await;
    portal.control("faults", json!({"match": {"method": "GET", "path": "/crm"}, "times": 1, "action": {"status": 200, "body": "dana@buyer.test"}})).await;
    let error = portal.crm().read(&deal, &[]).await.unwrap_err();
    assert_eq!(error.class, Class::Bug);
    assert!(!format!("{error} {error:?}").contains("dana"));
}

#[tokio::test]
async fn a_portal_that_is_not_there_is_tried_again_soon() {
    let portal = Portal::start().await;
    let deal = portal.deal(json!({})).await;
    let crm = portal.crm();
    portal.running.stop().await;
    let error = crm.read(&deal, &[]).await.unwrap_err();
    assert_eq!((error.class, error.retry, error.http), (Class::RetryFast, Retry::WithBackoff, None));
}
