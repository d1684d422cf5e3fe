//! How uploads travel: the vendor keeps its keys by transport (contract §12), so a key's first way holds.

use domain::retry::Retry;
use providers::{Class, CreateOrder, Provider};
use serde_json::json;

use super::{Desk, order, upload_source};

#[tokio::test]
async fn a_create_whose_answer_was_lost_is_one_envelope_although_the_option_changed_meanwhile() {
    for (before, after) in [("multipart", "inline"), ("inline", "multipart")] {
        let desk = Desk::open().await;
        let first = desk.adapter(json!({"uploads": before}));
        assert_eq!(first.upload_way(), Some(before));
        let order = CreateOrder { way: first.upload_way().map(str::to_owned), ..order(1, upload_source()) };
        desk.spoil("POST", "/api/envelope", 1, json!("timeout_after_apply")).await;
        let lost = first.create(&order, "deal-1:create").await.expect_err("the answer is lost");
        assert_eq!(lost.class, Class::OutcomeUnknown);

        let second = desk.adapter(json!({"uploads": after}));
        second.create(&order, "deal-1:create").await.expect("the same answer again");
        assert_eq!(desk.envelopes(1).await.len(), 1, "from {before} to {after}");
    }
}

#[tokio::test]
async fn a_way_that_nobody_knows_is_refused_before_anything_is_called() {
    let desk = Desk::open().await;
    let order = CreateOrder { way: Some("pigeon".to_owned()), ..order(1, upload_source()) };
    let refused = desk.adapter(json!({})).create(&order, "deal-1:create").await.expect_err("refused");
    assert_eq!((refused.class, refused.retry), (Class::InvalidRequest, Retry::Never));
    assert_eq!(desk.requests("POST", "/api/envelope").await, 0);
}

#[tokio::test]
async fn the_second_generation_has_one_way_only() {
    let desk = Desk::open().await;
    assert_eq!(desk.adapter(json!({"dialect": "g2", "uploads": "inline"})).upload_way(), None);
}
