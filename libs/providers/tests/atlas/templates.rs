//! Templates: what they ask for is read before they are used (contract §14).

use domain::retry::Retry;
use providers::{Class, CreateOrder, Provider};
use serde_json::json;

use super::{Desk, TEMPLATE, order, template_source};

fn path() -> String {
    format!("/api/templates/{TEMPLATE}")
}

#[tokio::test]
async fn a_label_that_the_template_does_not_have_stops_the_order_before_anything_is_made() {
    let desk = Desk::open().await;
    let adapter = desk.adapter(json!({}));
    let misspelt = order(1, template_source(&[("ammount", "EUR 12")]));
    let refused = adapter.create(&misspelt, "deal-1:create").await.expect_err("it would stay empty");
    assert_eq!((refused.class, refused.retry), (Class::InvalidRequest, Retry::Never));
    assert_eq!(refused.code, "template_prefill_unknown");
    assert_eq!(desk.requests("POST", &format!("{}/send", path())).await, 0);
}

#[tokio::test]
async fn roles_that_are_not_the_templates_stop_the_order_before_anything_is_made() {
    let desk = Desk::open().await;
    desk.post(
        "/__sim/templates",
        json!({"template_id": TEMPLATE, "name": "Order form", "roles": ["Buyer", "Seller"]}),
    )
    .await;
    let refused = desk.adapter(json!({})).create(&order(1, template_source(&[])), "deal-1:create").await;
    assert_eq!(refused.expect_err("nobody has these roles").code, "template_roles_differ");
    assert_eq!(desk.requests("POST", &format!("{}/send", path())).await, 0);
}

#[tokio::test]
async fn a_template_is_read_once_for_many_orders_and_again_after_a_refusal() {
    let desk = Desk::open().await;
    let adapter = desk.adapter(json!({}));
    for number in 1..=3 {
        let fits = order(number, template_source(&[("amount", "EUR 12")]));
        adapter.create(&fits, &format!("deal-{number}:create")).await.expect("created");
    }
    assert_eq!(desk.requests("GET", &path()).await, 1);
    adapter.create(&order(4, template_source(&[("x", "y")])), "deal-4:create").await.expect_err("refused");
    desk.post(
        "/__sim/templates",
        json!({"template_id": TEMPLATE, "name": "Order form", "roles": ["Customer", "Company"], "prefill_keys": ["x"]}),
    )
    .await;
    let mended = order(4, template_source(&[("x", "y")]));
    adapter.create(&mended, "deal-4:create").await.expect("the template has the label now");
    assert_eq!(desk.requests("GET", &path()).await, 2);
}

#[tokio::test]
async fn an_unknown_template_is_not_found_and_nothing_is_made() {
    let desk = Desk::open().await;
    let source = providers::Source::Template { id: "tmpl_gone".to_owned(), prefill: Default::default() };
    let missing = desk.adapter(json!({})).create(&order(1, source), "deal-1:create").await;
    assert_eq!(missing.expect_err("unknown").class, Class::NotFound);
}

#[tokio::test]
async fn the_second_generation_has_no_templates_and_sends_nothing_by_itself() {
    let desk = Desk::open().await;
    let adapter = desk.adapter(json!({"dialect": "g2"}));
    let orders = [
        order(1, template_source(&[])),
        CreateOrder { auto_send: true, ..order(1, super::url_source(&desk)) },
    ];
    for order in orders {
        let refused = adapter.create(&order, "deal-1:create").await.expect_err("it cannot");
        assert_eq!(
            (refused.class, refused.code.as_str()),
            (Class::InvalidRequest, "unsupported_by_provider")
        );
    }
    assert_eq!(desk.requests("POST", "/api/v1/envelopes").await, 0);
}
