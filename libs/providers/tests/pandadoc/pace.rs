//! A pace for each kind of call, below the vendor's limits.

use std::time::Duration;

use domain::retry::Retry;
use futures::future::join_all;
use providers::pandadoc::Adapter;
use providers::pandadoc::simulator::Switches;
use providers::{Class, ConnectError, Provider};
use serde_json::json;

use super::{By, Office, order, url_source};

#[tokio::test]
async fn one_kind_of_call_at_its_limit_holds_no_other_back() {
    let office = Office::with(Switches { rate_limit: true, ..Switches::default() }, None).await;
    let adapter = office.adapter_with(By::Key, json!({"deadline_ms": 1_000}));
    let orders: Vec<_> = (1..=20).map(|number| order(number, url_source(&office))).collect();
    let answers = join_all(orders.iter().map(|order| adapter.create(order, "no key"))).await;
    let held: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
    assert!((1..20).contains(&held.len()), "some at once, the others later: {held:?}");
    let held = held.first().expect("one of them");
    assert_eq!((held.class, held.http), (Class::RateLimited, None), "held back here, not refused there");
    assert!(matches!(held.retry, Retry::After(pause) if pause < Duration::from_secs(60)));
    adapter.changed_since(domain::time::Timestamp(0), 1).await.expect("lists have a limit of their own");
    let refused = office.get("/__sim/requests").await.to_string();
    assert!(!refused.contains("\"status\":429"));
}

#[tokio::test]
async fn a_refused_pace_holds_back_the_kind_of_call_it_answers_and_no_other() {
    let office = Office::open().await;
    let adapter = office.adapter_with(By::Key, json!({}));
    let id = office.draft(&adapter, 1).await;
    let slow = json!({"status": 429, "headers": {"retry-after": "600"}, "body": {"type": "throttled"}});
    office.spoil("GET", "~/details", slow).await;
    let refused = adapter.snapshot(&id).await.expect_err("too fast");
    assert_eq!(refused.retry, Retry::After(Duration::from_secs(600)));
    let held = adapter.snapshot(&id).await.expect_err("held back here");
    assert_eq!((held.class, held.http), (Class::RateLimited, None));
    adapter.changed_since(domain::time::Timestamp(0), 1).await.expect("lists go on");
}

#[tokio::test]
async fn a_limit_of_a_call_that_does_not_exist_is_refused_by_name() {
    let office = Office::open().await;
    let refused = Adapter::new(office.settings(By::Key, json!({"limits_per_minute": {"sned": 5}})));
    let Some(ConnectError::Options { reason, .. }) = refused.err() else { panic!("it should be refused") };
    assert!(reason.contains("sned"), "{reason}");
}
