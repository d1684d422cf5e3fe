//! Answers that go wrong as ordered, and what the journal says about it.

use outbound::{OutboundError, Request};
use serde_json::json;

use super::Stand;

#[tokio::test]
async fn an_ordered_status_is_answered_without_applying_the_change() {
    let stand = Stand::open().await;
    let action = json!({"status": 429, "body": {"code": "slow"}, "headers": {"Retry-After": "7"}});
    stand
        .order("/__sim/faults", json!({"match": {"method": "POST", "path": "/add"}, "action": action}))
        .await;

    let refused = stand.add().await.unwrap();
    assert_eq!((refused.status, refused.headers["retry-after"].to_str().unwrap()), (429, "7"));
    assert_eq!((stand.count(), stand.add().await.unwrap().status, stand.count()), (0, 200, 1));
}

#[tokio::test]
async fn a_timeout_after_apply_loses_the_answer_but_not_the_change() {
    let stand = Stand::open().await;
    stand.order("/__sim/faults", json!({"hold_ms": 1, "action": "timeout_after_apply"})).await;
    assert_eq!(stand.add().await.unwrap_err(), OutboundError::OutcomeUnknown);
    assert_eq!(stand.count(), 1);
}

#[tokio::test]
async fn a_timeout_before_apply_and_a_dropped_line_change_nothing() {
    let stand = Stand::open().await;
    for action in ["timeout_before_apply", "drop_connection"] {
        stand.order("/__sim/faults", json!({"hold_ms": 1, "action": action})).await;
        assert!(stand.add().await.is_err(), "{action}");
        assert_eq!(stand.count(), 0, "{action}");
    }
}

#[tokio::test]
async fn a_truncated_body_is_an_unknown_outcome_of_an_applied_change() {
    let stand = Stand::open().await;
    stand.order("/__sim/faults", json!({"match": {"path": "~dd"}, "action": "truncate_body"})).await;
    assert!(stand.add().await.is_err());
    assert_eq!(stand.count(), 1);
}

#[tokio::test]
async fn a_proxy_page_is_html_and_a_delay_only_delays() {
    let stand = Stand::open().await;
    stand.order("/__sim/faults", json!({"action": "html_502"})).await;
    stand.order("/__sim/faults", json!({"action": {"delay_ms": 5}})).await;
    let page = stand.add().await.unwrap();
    assert_eq!((page.status, page.body.starts_with(b"<html>")), (502, true));
    assert_eq!((stand.add().await.unwrap().status, stand.count()), (200, 1));
}

#[tokio::test]
async fn an_error_after_the_commit_is_an_error_of_an_applied_change() {
    let stand = Stand::open().await;
    stand.order("/__sim/faults", json!({"action": {"status": 500, "after_apply": true}})).await;
    assert_eq!((stand.add().await.unwrap().status, stand.count()), (500, 1));
}

#[tokio::test]
async fn a_slow_body_is_whole_in_the_end() {
    let stand = Stand::open().await;
    stand.order("/__sim/faults", json!({"action": {"slow_body_ms": 5}})).await;
    let pong = stand.call(Request::get(stand.url("/ping"), "ping")).await.unwrap();
    assert_eq!(pong.body, "pong");
}

#[tokio::test]
async fn an_unknown_action_is_refused() {
    let stand = Stand::open().await;
    assert_eq!(stand.order("/__sim/faults", json!({"action": "explode"})).await.status, 400);
}

#[tokio::test]
async fn the_journal_keeps_order_status_and_fault_and_no_control_calls() {
    let stand = Stand::open().await;
    stand.order("/__sim/faults", json!({"match": {"path": "/add"}, "action": "drop_connection"})).await;
    stand.add().await.unwrap_err();
    stand.call(Request::get(stand.url("/ping"), "ping")).await.unwrap();
    stand.add().await.unwrap();

    let answer =
        stand.call(Request::get(stand.url("/__sim/requests?path_prefix=/"), "journal")).await.unwrap();
    let journal: serde_json::Value = answer.json().unwrap();
    let seen: Vec<_> = journal
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            (
                entry["path"].as_str().unwrap().to_owned(),
                entry["status"].as_u64(),
                entry["fault"].as_str().map(str::to_owned),
            )
        })
        .collect();
    let dropped = Some("drop_connection".to_owned());
    assert_eq!(
        seen,
        [
            ("/add".to_owned(), None, dropped),
            ("/ping".to_owned(), Some(200), None),
            ("/add".to_owned(), Some(200), None),
        ]
    );
}

#[tokio::test]
async fn a_reset_forgets_everything() {
    let stand = Stand::open().await;
    stand.add().await.unwrap();
    stand.order("/__sim/faults", json!({"action": "html_502"})).await;
    stand.order("/__sim/reset", json!({})).await;
    assert_eq!((stand.count(), stand.kit.journal().requests(None, "").len()), (0, 0));
    assert_eq!(stand.add().await.unwrap().status, 200);
}

#[tokio::test]
async fn documents_can_be_fetched() {
    let stand = Stand::open().await;
    for (name, start) in
        [("order-7.pdf", b"%PDF".as_slice()), ("order-7.docx", b"PK\x03\x04"), ("login.html", b"<htm")]
    {
        let file = stand.call(Request::get(stand.url(&format!("/files/{name}")), "file")).await.unwrap();
        assert!(file.status == 200 && file.body.starts_with(start), "{name}");
    }
}
