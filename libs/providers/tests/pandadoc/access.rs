//! Access by OAuth: one refresh, however many need it, and its tokens kept before they are used.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::retry::Retry;
use futures::future::join_all;
use providers::{Class, Kept, Provider, TokenStore, TokenStoreError, Tokens, TokensInMemory};
use secrecy::ExposeSecret;
use serde_json::json;
use tokio::sync::{Notify, Semaphore};

use super::{By, FIRST_REFRESH, Office, PATIENCE, in_memory};

async fn counted(office: &Office, what: &str) -> u64 {
    office.get("/__sim/oauth").await[what].as_u64().expect("a number")
}

#[tokio::test]
async fn twenty_calls_that_meet_an_expired_access_refresh_it_once() {
    let office = Office::open().await;
    let adapter = office.adapter(By::OAuth(in_memory()));
    adapter.subscription().await.expect("an answer");
    assert_eq!(counted(&office, "refreshed").await, 1, "nobody had an access token yet");
    office.post("/__sim/oauth/expire", json!({})).await;
    for answer in join_all((0..20).map(|_| adapter.subscription())).await {
        answer.expect("an answer");
    }
    assert_eq!((counted(&office, "refreshed").await, counted(&office, "reused").await), (2, 0));
}

#[tokio::test]
async fn of_two_replicas_one_refreshes_and_a_spent_refresh_token_is_never_shown_again() {
    let office = Office::open().await;
    let tokens = in_memory();
    let replicas = [office.adapter(By::OAuth(tokens.clone())), office.adapter(By::OAuth(tokens))];
    for round in 1..=3u64 {
        let answers = join_all(replicas.iter().map(|adapter| adapter.subscription())).await;
        for (answer, adapter) in answers.into_iter().zip(&replicas) {
            if let Err(error) = answer {
                assert_eq!((error.class, error.code.as_str()), (Class::Transient, "token_refresh_elsewhere"));
                adapter.subscription().await.expect("the other's token is there by now");
            }
        }
        assert_eq!((counted(&office, "refreshed").await, counted(&office, "reused").await), (round, 0));
        office.post("/__sim/oauth/expire", json!({})).await;
    }
}

#[tokio::test]
async fn a_restart_goes_on_with_the_kept_tokens() {
    let office = Office::open().await;
    let tokens = in_memory();
    office.adapter(By::OAuth(tokens.clone())).subscription().await.expect("an answer");
    let restarted = office.adapter(By::OAuth(tokens));
    restarted.subscription().await.expect("an answer");
    assert_eq!(counted(&office, "refreshed").await, 1, "the kept access still counts");
    office.post("/__sim/oauth/expire", json!({})).await;
    restarted.subscription().await.expect("the kept refresh token counts too");
    assert_eq!(counted(&office, "reused").await, 0);
}

/// A store that cannot write for a while.
struct Forgetful {
    inner: TokensInMemory,
    away: AtomicBool,
    /// Somebody wants to keep something.
    asked: Notify,
    /// Whoever keeps something goes through here.
    gate: Semaphore,
}

impl Forgetful {
    fn away() -> Arc<Self> {
        let away = AtomicBool::new(true);
        let inner = TokensInMemory::default();
        Arc::new(Self { inner, away, asked: Notify::new(), gate: Semaphore::new(1) })
    }

    fn comes_back(&self) {
        self.away.store(false, Ordering::SeqCst);
    }

    async fn holds_something(&self) -> Tokens {
        let look = async {
            loop {
                match self.load().await.expect("an answer").tokens {
                    Some(tokens) => return tokens,
                    None => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, look).await.expect("it is kept in time")
    }
}

#[async_trait]
impl TokenStore for Forgetful {
    async fn load(&self) -> Result<Kept, TokenStoreError> {
        self.inner.load().await
    }

    async fn claim(&self, seen: u64, at_most: Duration) -> Result<u64, TokenStoreError> {
        self.inner.claim(seen, at_most).await
    }

    async fn keep(&self, claimed: u64, tokens: &Tokens) -> Result<(), TokenStoreError> {
        self.asked.notify_one();
        let open = self.gate.acquire().await;
        drop(open.expect("the gate is never closed"));
        if self.away.load(Ordering::SeqCst) {
            return Err(TokenStoreError::Unavailable);
        }
        self.inner.keep(claimed, tokens).await
    }

    async fn give_back(&self, claimed: u64) {
        self.inner.give_back(claimed).await;
    }
}

#[tokio::test]
async fn tokens_that_could_not_be_kept_are_not_used_and_not_lost() {
    let office = Office::open().await;
    let store = Forgetful::away();
    let adapter = office.adapter(By::OAuth(store.clone()));
    for _ in 0..2 {
        let held = adapter.subscription().await.expect_err("not kept, so not used");
        assert_eq!((held.class, held.code.as_str()), (Class::Transient, "token_store_unavailable"));
    }
    assert_eq!(office.requests("GET", "/public/v1/webhook-subscriptions").await, 0);
    store.comes_back();
    adapter.subscription().await.expect("kept by now");
    assert_eq!((counted(&office, "refreshed").await, counted(&office, "reused").await), (1, 0));
    let kept = store.load().await.expect("an answer").tokens.expect("tokens");
    assert_ne!(kept.refresh.expose_secret(), FIRST_REFRESH);
}

#[tokio::test]
async fn a_consent_that_was_taken_back_is_unauthorized_and_asked_about_once_per_call() {
    let office = Office::open().await;
    let adapter = office.adapter(By::OAuth(in_memory()));
    adapter.subscription().await.expect("an answer");
    office.post("/__sim/oauth/revoke", json!({})).await;
    let refused = adapter.subscription().await.expect_err("refused");
    assert_eq!((refused.class, refused.retry), (Class::Unauthorized, Retry::Never));
    assert_eq!(refused.code, "invalid_grant");
    assert!(!format!("{refused:?}").contains("rt_"));
}

#[tokio::test]
async fn an_access_that_is_refused_though_it_is_new_is_not_refreshed_over_and_over() {
    let office = Office::open().await;
    let adapter = office.adapter(By::OAuth(in_memory()));
    adapter.subscription().await.expect("an answer");
    let refusal = json!({"match": {"method": "GET"}, "times": 100, "action": {"status": 401}});
    office.post("/__sim/faults", refusal).await;
    for _ in 0..10 {
        let refused = adapter.subscription().await.expect_err("refused");
        assert_eq!(refused.class, Class::Unauthorized);
    }
    assert_eq!(counted(&office, "refreshed").await, 2, "the first access, and one try to mend it");
}

#[tokio::test]
async fn a_refresh_that_is_not_answered_leaves_the_call_unmade() {
    let office = Office::open().await;
    let adapter = office.adapter(By::OAuth(in_memory()));
    for fault in [json!({"status": 503}), json!("timeout_before_apply"), json!({"status": 429})] {
        office.spoil("POST", "/oauth2/access_token", fault).await;
        let held = adapter.subscription().await.expect_err("no access");
        assert!(matches!(held.class, Class::Transient | Class::RateLimited), "{held}");
    }
    assert_eq!(office.requests("GET", "/public/v1/webhook-subscriptions").await, 0);
    adapter.subscription().await.expect("the claim was given back");
}

async fn expire(office: &Office) {
    office.post("/__sim/oauth/expire", json!({})).await;
}

/// So many calls are refused, whatever they come with.
async fn refuse(office: &Office, times: u32) {
    let refusal = json!({"match": {"method": "GET"}, "times": times, "action": {"status": 401}});
    office.post("/__sim/faults", refusal).await;
}

#[tokio::test]
async fn a_replica_that_missed_a_refresh_finds_its_way_through_kept_tokens_that_expired_too() {
    let office = Office::open().await;
    let tokens = in_memory();
    let (busy, idle) = (office.adapter(By::OAuth(tokens.clone())), office.adapter(By::OAuth(tokens)));
    idle.subscription().await.expect("an answer");
    expire(&office).await;
    busy.subscription().await.expect("refreshed");
    expire(&office).await;
    idle.subscription().await.expect("what it holds and what is kept are expired: it refreshes");
    assert_eq!((counted(&office, "refreshed").await, counted(&office, "reused").await), (3, 0));
}

#[tokio::test]
async fn tokens_that_another_replica_kept_are_taken_up_by_one_that_had_given_up() {
    let office = Office::open().await;
    let tokens = in_memory();
    let (one, other) = (office.adapter(By::OAuth(tokens.clone())), office.adapter(By::OAuth(tokens)));
    one.subscription().await.expect("an answer");
    refuse(&office, 2).await;
    assert_eq!(one.subscription().await.expect_err("refused").class, Class::Unauthorized);
    expire(&office).await;
    other.subscription().await.expect("refreshed");
    one.subscription().await.expect("the other's tokens are there");
    assert_eq!((counted(&office, "refreshed").await, counted(&office, "reused").await), (3, 0));
}

#[tokio::test]
async fn an_incident_at_the_vendor_does_not_end_our_access_for_ever() {
    let office = Office::open().await;
    let adapter = office.adapter(By::OAuth(in_memory()));
    adapter.subscription().await.expect("an answer");
    refuse(&office, 2).await;
    assert_eq!(adapter.subscription().await.expect_err("refused").class, Class::Unauthorized);
    adapter.subscription().await.expect("the incident is over");
    expire(&office).await;
    adapter.subscription().await.expect("an expired access is refreshed again");
    assert_eq!((counted(&office, "refreshed").await, counted(&office, "reused").await), (3, 0));
}

#[tokio::test]
async fn a_caller_that_goes_away_in_the_middle_of_a_refresh_does_not_take_the_new_tokens_along() {
    let office = Office::open().await;
    let store = Forgetful::away();
    store.comes_back();
    let closed = store.gate.acquire().await.expect("the gate is never closed");
    let adapter = office.adapter(By::OAuth(store.clone()));
    tokio::select! {
        answer = adapter.subscription() => panic!("{answer:?} before the tokens were kept"),
        () = store.asked.notified() => {}
    }
    drop(adapter);
    drop(closed);
    store.holds_something().await;
    office.adapter(By::OAuth(store)).subscription().await.expect("the kept access counts");
    assert_eq!((counted(&office, "refreshed").await, counted(&office, "reused").await), (1, 0));
}

#[tokio::test]
async fn a_replica_that_shows_the_spent_token_meanwhile_does_not_cost_us_the_new_one() {
    let office = Office::open().await;
    let store = Forgetful::away();
    let (ours, other) = (office.adapter(By::OAuth(store.clone())), office.adapter(By::OAuth(store.clone())));
    ours.subscription().await.expect_err("refreshed, but not kept");
    let ended = store.load().await.expect("an answer").revision;
    store.give_back(ended).await;
    let refused = other.subscription().await.expect_err("it knows only the spent token");
    assert_eq!((refused.class, refused.code.as_str()), (Class::Unauthorized, "invalid_grant"));
    store.comes_back();
    ours.subscription().await.expect("kept under a new claim");
    assert_ne!(store.holds_something().await.refresh.expose_secret(), FIRST_REFRESH);
    other.subscription().await.expect("the kept access counts");
    expire(&office).await;
    other.subscription().await.expect("the kept refresh token lives");
    assert_eq!(counted(&office, "refreshed").await, 2);
}

#[tokio::test]
async fn a_connection_that_is_configured_anew_does_not_lose_what_could_not_be_kept_yet() {
    let office = Office::open().await;
    let store = Forgetful::away();
    let before = office.adapter(By::OAuth(store.clone()));
    before.subscription().await.expect_err("refreshed, but not kept");
    drop(before);
    store.comes_back();
    store.holds_something().await;
    office.adapter(By::OAuth(store)).subscription().await.expect("the kept access counts");
    assert_eq!((counted(&office, "refreshed").await, counted(&office, "reused").await), (1, 0));
}
