//! Platform mode: a connection that speaks for a connected account (contract §16).

use domain::retry::Retry;
use providers::{Class, Provider};
use serde_json::{Value, json};

use super::{API_KEY, CREDITS, Desk, PLATFORM_KEY, order, parties, url_source};

const ACCOUNTS: &str = "/api/platform/connected-accounts";

fn client_one() -> Value {
    json!({"account": "ext_client-1", "provide": {"name": "Client One"}})
}

#[tokio::test]
async fn the_account_is_made_when_it_is_first_needed_and_only_once() {
    let desk = Desk::open().await;
    let adapter = desk.adapter_with(PLATFORM_KEY, client_one()).expect("an adapter");
    let (first, second) = (order(1, url_source(&desk)), order(2, url_source(&desk)));
    let both =
        tokio::join!(adapter.create(&first, "deal-1:create"), adapter.create(&second, "deal-2:create"));
    let made = both.0.expect("created").provider_id;
    both.1.expect("created");
    assert_eq!(desk.requests("POST", ACCOUNTS).await, 1);

    let found = adapter.snapshot(&made).await.expect("it is the account's");
    assert_eq!(found.provider_id, made);
    let own = desk.adapter_with(PLATFORM_KEY, json!({})).expect("an adapter");
    assert_eq!(own.snapshot(&made).await.expect_err("not the platform's").class, Class::NotFound);
    assert_eq!(own.find(&super::ours(1), "20417").await, Ok(None), "nor is it found there");
}

#[tokio::test]
async fn an_account_that_could_not_be_made_is_asked_for_again() {
    let desk = Desk::open().await;
    let adapter = desk.adapter_with(PLATFORM_KEY, client_one()).expect("an adapter");
    desk.spoil("POST", ACCOUNTS, 1, json!("timeout_after_apply")).await;
    let lost = adapter.create(&order(1, url_source(&desk)), "deal-1:create").await.expect_err("lost");
    assert_eq!((lost.class, lost.retry), (Class::OutcomeUnknown, Retry::WithBackoff));
    assert!(desk.envelopes(1).await.is_empty(), "no envelope without its account");
    adapter.create(&order(1, url_source(&desk)), "deal-1:create").await.expect("created");
    assert_eq!(desk.requests("POST", ACCOUNTS).await, 2);
}

#[tokio::test]
async fn an_account_that_pays_itself_takes_nothing_from_the_platform() {
    let desk = Desk::open().await;
    let options =
        json!({"account": "ext_client-2", "provide": {"name": "Client Two", "billing_mode": "child_pays"}});
    let adapter = desk.adapter_with(PLATFORM_KEY, options).expect("an adapter");
    let (id, version) = desk.draft(&adapter, 1).await;
    let refused = adapter.send(&id, &parties(), version, "send-1").await.expect_err("it has no credits");
    assert_eq!(refused.class, Class::QuotaExhausted);
    let provide = json!({"name": "Client Three", "billing_mode": "child_pays", "initial_credits": 1});
    let adapter = desk.adapter_with(PLATFORM_KEY, json!({"account": "ext_client-3", "provide": provide}));
    let adapter = adapter.expect("an adapter");
    let (id, version) = desk.draft(&adapter, 2).await;
    adapter.send(&id, &parties(), version, "send-2").await.expect("it begins with a credit of its own");
    assert_eq!(desk.credits().await, CREDITS);
}

#[tokio::test]
async fn an_ordinary_key_with_an_account_and_an_unknown_account_stop() {
    let desk = Desk::open().await;
    let named = json!({"account": "ext_client-1"});
    let ordinary = desk.adapter_with(API_KEY, named.clone()).expect("an adapter");
    let refused = ordinary.create(&order(1, url_source(&desk)), "deal-1:create").await.expect_err("refused");
    assert_eq!((refused.class, refused.retry), (Class::Forbidden, Retry::Never));
    let unknown = desk.adapter_with(PLATFORM_KEY, named).expect("an adapter");
    let missing = unknown.create(&order(1, url_source(&desk)), "deal-1:create").await.expect_err("unknown");
    assert_eq!(missing.class, Class::NotFound);
}

#[tokio::test]
async fn an_account_that_cannot_be_one_is_refused_by_name() {
    let desk = Desk::open().await;
    let wrong = [
        json!({"account": "two words"}),
        json!({"account": ""}),
        json!({"provide": {"name": "Client One"}}),
        json!({"account": "6f1d2c3b", "provide": {"name": "Client One"}}),
    ];
    for options in wrong {
        let refused = desk.adapter_with(PLATFORM_KEY, options.clone()).err();
        assert!(refused.is_some_and(|error| error.to_string().contains("atlas-main")), "{options}");
    }
}
