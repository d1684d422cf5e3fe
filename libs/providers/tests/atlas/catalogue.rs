//! The vendor's error catalogue, row by row (contract §17): what each answer is taken for, and whether patience helps.

use std::time::Duration;

use domain::retry::Retry;
use providers::{Class, Provider, ProviderError};
use serde_json::{Value, json};

use super::{Desk, order, parties, url_source};

const NEVER: Retry = Retry::Never;
const BACKOFF: Retry = Retry::WithBackoff;

fn after(seconds: u64) -> Retry {
    Retry::After(Duration::from_secs(seconds))
}

/// One row: the answer, and what it means to a read, a create and a send.
struct Row {
    answer: Value,
    read: (Class, Retry),
    write: (Class, Retry),
}

fn row(answer: Value, read: (Class, Retry), write: (Class, Retry)) -> Row {
    Row { answer, read, write }
}

fn same(answer: Value, meaning: (Class, Retry)) -> Row {
    row(answer, meaning, meaning)
}

fn catalogue() -> Vec<Row> {
    let patient = |status: u16| json!({"status": status, "headers": {"retry-after": "7"}});
    let plain = |status: u16| json!({"status": status});
    let broken =
        |status: u16| row(plain(status), (Class::Transient, BACKOFF), (Class::OutcomeUnknown, BACKOFF));
    vec![
        same(plain(400), (Class::InvalidRequest, NEVER)),
        same(plain(401), (Class::Unauthorized, NEVER)),
        // credits: the connection is tried again after its own pause, or when the vendor says so
        same(plain(402), (Class::QuotaExhausted, after(900))),
        same(patient(402), (Class::QuotaExhausted, after(7))),
        same(plain(403), (Class::Forbidden, NEVER)),
        same(plain(404), (Class::NotFound, BACKOFF)),
        same(plain(408), (Class::Transient, BACKOFF)).written((Class::OutcomeUnknown, BACKOFF)),
        // a twin may be running, or its state is another: soon again, with the same key, or read it
        same(plain(409), (Class::Conflict, after(2))),
        same(patient(409), (Class::Conflict, after(7))),
        same(plain(413), (Class::TooLarge, NEVER)),
        same(plain(415), (Class::TooLarge, NEVER)),
        same(plain(422), (Class::InvalidRequest, NEVER)),
        same(plain(429), (Class::RateLimited, BACKOFF)),
        same(patient(429), (Class::RateLimited, after(7))),
        broken(500),
        broken(502),
        broken(504),
        row(patient(503), (Class::Transient, after(7)), (Class::OutcomeUnknown, after(7))),
        // only the signed PDF lies elsewhere
        same(
            json!({"status": 302, "headers": {"location": "http://elsewhere.test/"}}),
            (Class::InvalidRequest, NEVER),
        ),
    ]
}

impl Row {
    fn written(self, write: (Class, Retry)) -> Self {
        Self { write, ..self }
    }
}

fn assert_meant(error: &ProviderError, meant: (Class, Retry), status: &Value, call: &str) {
    assert_eq!((error.class, error.retry), meant, "{call} {status}: {error}");
    assert_eq!(error.http.map(u64::from), status.as_u64(), "{call}");
}

#[tokio::test]
async fn every_row_of_the_catalogue_is_taken_for_what_it_means_in_both_dialects() {
    for dialect in ["g1", "g2"] {
        let desk = Desk::open().await;
        let made = desk.draft(&desk.adapter(json!({"dialect": dialect})), 1).await;
        for Row { answer, read, write } in catalogue() {
            // a new adapter each time: one that was told to be patient calls nobody meanwhile
            let adapter = || desk.adapter(json!({"dialect": dialect}));
            let status = &answer["status"];
            desk.spoil("GET", "~/envelope", 1, answer.clone()).await;
            let error = adapter().snapshot(&made.0).await.expect_err("refused");
            assert_meant(&error, read, status, "read");

            desk.spoil("POST", "~/envelope", 1, answer.clone()).await;
            let error = adapter().create(&order(2, url_source(&desk)), "deal-2:create").await;
            assert_meant(&error.expect_err("refused"), write, status, "create");

            // a send that is refused as malformed is tried once more with everybody named
            let times = if dialect == "g1" && *status == json!(400) { 2 } else { 1 };
            desk.spoil("POST", "~/send", times, answer.clone()).await;
            let error = adapter().send(&made.0, &parties(), made.1, "deal-1:send:1:1").await;
            assert_meant(&error.expect_err("refused"), write, status, "send");
        }
    }
}

#[tokio::test]
async fn a_void_with_a_reason_that_is_refused_is_tried_once_without_and_then_stops() {
    let desk = Desk::open().await;
    let adapter = desk.adapter(json!({}));
    let id = desk.sent(&adapter, 1).await;
    let path = format!("/api/envelope/{id}/void");
    desk.spoil("POST", &path, 2, json!({"status": 400})).await;
    let error = adapter.void(&id, "order cancelled").await.expect_err("refused");
    assert_eq!((error.class, error.retry), (Class::InvalidRequest, Retry::Never));
    assert_eq!(desk.requests("POST", &path).await, 2, "with the reason, and once without");
}

#[tokio::test]
async fn a_pdf_that_was_asked_for_too_fast_holds_all_calls_of_the_key_back() {
    let desk = Desk::open().await;
    let adapter = desk.adapter(json!({}));
    let (id, _) = desk.draft(&adapter, 1).await;
    desk.spoil("GET", "~/pdf", 1, json!({"status": 429, "headers": {"retry-after": "60"}})).await;
    let error = adapter.download(&id).await.expect_err("too fast");
    assert_eq!((error.class, error.retry), (Class::RateLimited, after(60)));
    let held = adapter.snapshot(&id).await.expect_err("the limit counts every call");
    assert_eq!((held.class, held.http), (Class::RateLimited, None));
}

#[tokio::test]
async fn an_upload_beyond_the_connections_own_bound_is_not_sent() {
    let desk = Desk::open().await;
    for dialect in ["g1", "g2"] {
        let adapter = desk.adapter(json!({"dialect": dialect, "upload_bytes_max": 10}));
        assert_eq!(adapter.capabilities().upload_bytes_max, 10, "{dialect}");
        let refused = adapter.create(&order(1, super::upload_source()), "k").await.expect_err("too long");
        assert_eq!(
            (refused.class, refused.code.as_str()),
            (Class::TooLarge, "upload_too_large"),
            "{dialect}"
        );
    }
    assert!(desk.envelopes(1).await.is_empty());
}

#[tokio::test]
async fn codes_are_read_in_every_shape_and_prose_is_not_kept() {
    let desk = Desk::open().await;
    let (id, _) = desk.draft(&desk.adapter(json!({})), 1).await;
    let bodies = [
        (json!({"code": "validation_error", "message": "dana@buyer.test"}), "validation_error"),
        (json!({"error": {"code": "bad_request"}}), "bad_request"),
        (json!({"error": "template_not_allowed"}), "template_not_allowed"),
        (json!({"error": "dana@buyer.test cannot sign"}), ""),
        (json!("a page, not JSON"), ""),
    ];
    for (body, code) in bodies {
        desk.spoil("GET", "~/envelope", 1, json!({"status": 400, "body": body})).await;
        let error = desk.adapter(json!({})).snapshot(&id).await.expect_err("refused");
        assert_eq!(error.code, code);
        assert!(!format!("{error} {error:?}").contains("dana"));
    }
}

#[tokio::test]
async fn a_key_that_was_used_for_another_body_is_a_mistake_of_ours_and_is_not_repeated() {
    let desk = Desk::open().await;
    for dialect in ["g1", "g2"] {
        let adapter = desk.adapter(json!({"dialect": dialect}));
        adapter.create(&order(1, url_source(&desk)), "the-same-key").await.expect("created");
        let error = adapter.create(&order(2, url_source(&desk)), "the-same-key").await.expect_err("refused");
        assert_eq!((error.class, error.http, error.retry), (Class::InvalidRequest, Some(422), Retry::Never));
    }
    assert!(desk.envelopes(2).await.is_empty());
}

#[tokio::test]
async fn what_is_over_cannot_be_sent_or_voided_and_says_that_its_state_is_to_be_read() {
    let desk = Desk::open().await;
    for (number, dialect) in [(1, "g1"), (2, "g2")] {
        let adapter = desk.adapter(json!({"dialect": dialect}));
        let (id, version) = desk.draft(&adapter, number).await;
        adapter.void(&id, "order cancelled").await.expect("a draft can be taken back");
        let void = adapter.void(&id, "order cancelled").await.expect_err("over");
        let send = adapter.send(&id, &parties(), version, "late").await.expect_err("over");
        assert_eq!((void.class, send.class), (Class::Conflict, Class::Conflict), "{dialect}");
    }
}
