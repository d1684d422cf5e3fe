//! One suite for every signature provider: each adapter against its simulator, by what it declares.
//!
//! The laws are the same for all; where vendors differ, a capability decides what is expected. A new kind of
//! provider joins by its registry line and its simulator in `stand.rs`.

mod capabilities;
mod changes;
mod stand;
mod subscriptions;
mod webhooks;

use domain::intake::{Claim, Standing};
use domain::retry::Retry;
use providers::Class;
use serde_json::json;
use stand::{envelope_id, stands};

/// Nothing here takes longer, unless it is broken.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

#[tokio::test]
async fn an_envelope_goes_from_every_kind_of_document_to_its_signed_pdf() {
    for stand in stands().await {
        for (number, source) in (1u8..).zip(stand.sources()) {
            let (created, ready) = stand.draft(number, source).await;
            let id = created.provider_id;
            assert_eq!(
                created.review_link.is_some(),
                stand.provider.capabilities().review_link,
                "{}",
                stand.kind
            );
            assert_eq!(
                ready.correlation.get("external_id").map(String::as_str),
                Some("20417"),
                "{}",
                stand.kind
            );

            stand
                .provider
                .send(&id, &stand.parties(), ready.fields_version, &format!("send-{number}"))
                .await
                .expect("sent");
            let early = stand.provider.download(&id).await.expect_err("nothing is signed yet");
            assert_eq!(early.class, Class::NotReady, "{}: {early}", stand.kind);

            stand.decide(&id, "sign").await;
            let half = stand.until(&id, |found| found.signed == 1).await;
            assert_eq!(half.total, 2);
            assert_ne!(half.claim, Claim::Completed);
            let standings: Vec<Standing> = half.parties.iter().map(|party| party.standing).collect();
            assert_eq!(standings, [Standing::Signed, Standing::Pending], "{}", stand.kind);

            stand.decide(&id, "sign").await;
            let done = stand.until(&id, |found| found.claim == Claim::Completed).await;
            assert_eq!((done.signed, done.total), (2, 2));
            assert!(done.completed_at.is_some(), "{}", stand.kind);
            assert!(stand.downloaded(&id).await.expect("the document").starts_with(b"%PDF-"));
        }
    }
}

#[tokio::test]
async fn a_repeated_create_with_the_same_key_is_one_envelope() {
    for stand in stands().await.into_iter().filter(|stand| stand.provider.capabilities().idempotency_keys) {
        for (number, source) in (1u8..).zip(stand.sources()) {
            let order = stand.order(number, source);
            let first = stand.provider.create(&order, &format!("k{number}")).await.expect("created");
            let second = stand.provider.create(&order, &format!("k{number}")).await.expect("created");
            assert_eq!(first.provider_id, second.provider_id, "{}", stand.kind);
        }
    }
}

#[tokio::test]
async fn an_envelope_whose_answer_was_lost_is_found_by_our_own_id() {
    for stand in stands().await {
        let other = stand.draft(1, stand.url_source()).await.0;
        stand.spoil("POST", "~/", json!("timeout_after_apply")).await;
        let order = stand.order(2, stand.url_source());
        let lost = stand.provider.create(&order, "key-2").await.expect_err("the answer is lost");
        assert_eq!(lost.class, Class::OutcomeUnknown, "{}", stand.kind);

        let search = async {
            loop {
                match stand.provider.find(&envelope_id(2), "20417").await {
                    Err(error) if error.class == Class::NotReady => tokio::task::yield_now().await,
                    answer => return answer.expect("an answer").expect("it is there"),
                }
            }
        };
        let found = tokio::time::timeout(PATIENCE, search).await.expect("it is made in time");
        assert_ne!(found.provider_id, other.provider_id, "the external record has two envelopes");
        if stand.provider.capabilities().idempotency_keys {
            let again = stand.provider.create(&order, "key-2").await.expect("created");
            assert_eq!(again.provider_id, found.provider_id);
        }
    }
}

#[tokio::test]
async fn nothing_is_found_of_a_create_that_never_arrived() {
    for stand in stands().await {
        for fault in ["timeout_before_apply", "drop_connection"] {
            stand.spoil("POST", "~/", json!(fault)).await;
            let lost =
                stand.provider.create(&stand.order(3, stand.url_source()), "key-3").await.expect_err("lost");
            assert_eq!(lost.class, Class::OutcomeUnknown, "{} {fault}", stand.kind);
            assert_ne!(lost.retry, Retry::Never);
        }
        assert_eq!(stand.provider.find(&envelope_id(3), "20417").await, Ok(None), "{}", stand.kind);
    }
}

#[tokio::test]
async fn every_refusal_has_its_class_and_says_whether_patience_helps() {
    let expected = [
        (400, Class::InvalidRequest, Class::InvalidRequest),
        (401, Class::Unauthorized, Class::Unauthorized),
        (402, Class::QuotaExhausted, Class::QuotaExhausted),
        (403, Class::Forbidden, Class::Forbidden),
        (404, Class::NotFound, Class::NotFound),
        (413, Class::TooLarge, Class::TooLarge),
        (415, Class::TooLarge, Class::TooLarge),
        (422, Class::InvalidRequest, Class::InvalidRequest),
        (423, Class::Locked, Class::Locked),
        (500, Class::Transient, Class::OutcomeUnknown),
        (503, Class::Transient, Class::OutcomeUnknown),
    ];
    for stand in stands().await {
        // not one we have just made: that one would only be too young to be found
        let id = "made-long-ago".parse().expect("an id");
        for (status, read, write) in expected {
            let fault =
                json!({"status": status, "body": {"detail": "dana@buyer.test", "message": "Dana Buyer"}});
            stand.spoil("GET", "~/", fault.clone()).await;
            let error = stand.provider.snapshot(&id).await.expect_err("refused");
            assert_eq!((error.class, error.http), (read, Some(status)), "{}", stand.kind);

            stand.spoil("POST", "~/", fault).await;
            let error =
                stand.provider.create(&stand.order(9, stand.url_source()), &format!("k{status}")).await;
            let error = error.expect_err("refused");
            assert_eq!(error.class, write, "{} {status}", stand.kind);
            let hopeless = matches!(
                error.class,
                Class::InvalidRequest | Class::Unauthorized | Class::Forbidden | Class::TooLarge
            );
            assert_eq!(error.retry == Retry::Never, hopeless, "{} {status}", stand.kind);
            let printed = format!("{error} {error:?}");
            assert!(!printed.contains("ana"), "{}: {printed}", stand.kind);
        }
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_is_a_proxys_page_is_no_news() {
    for stand in stands().await {
        let id = stand.draft(1, stand.url_source()).await.0.provider_id;
        for fault in ["truncate_body", "html_502"] {
            stand.spoil("GET", "~/", json!(fault)).await;
            let error = stand.provider.snapshot(&id).await.expect_err("not believed");
            assert_eq!(
                (error.class, error.retry),
                (Class::Transient, Retry::WithBackoff),
                "{} {fault}",
                stand.kind
            );
        }
        assert_eq!(stand.provider.snapshot(&id).await.expect("a snapshot").claim, Claim::Draft);
    }
}

#[tokio::test]
async fn a_vendor_that_asks_for_patience_is_given_it() {
    for stand in stands().await {
        let id = stand.draft(1, stand.url_source()).await.0.provider_id;
        stand.spoil("GET", "~/", json!({"status": 429, "headers": {"retry-after": "60"}})).await;
        let error = stand.provider.snapshot(&id).await.expect_err("too fast");
        let minute = Retry::After(std::time::Duration::from_secs(60));
        assert_eq!((error.class, error.retry), (Class::RateLimited, minute), "{}", stand.kind);
        let before = stand.requests("GET", "/").await;
        let held = stand.provider.snapshot(&id).await.expect_err("held back");
        assert_eq!((held.class, held.http), (Class::RateLimited, None), "{}", stand.kind);
        assert_eq!(stand.requests("GET", "/").await, before, "{}: nothing was sent meanwhile", stand.kind);
    }
}

#[tokio::test]
async fn a_wrong_key_is_unauthorized_and_an_unknown_id_is_not_found() {
    for stand in stands().await {
        let stranger = stand.with_key("test_stranger");
        let refused =
            stranger.create(&stand.order(1, stand.url_source()), "key-1").await.expect_err("refused");
        assert_eq!((refused.class, refused.retry), (Class::Unauthorized, Retry::Never), "{}", stand.kind);
        let nobody = "nobody-knows-me".parse().expect("an id");
        let missing = stand.provider.snapshot(&nobody).await.expect_err("unknown");
        assert_eq!(missing.class, Class::NotFound, "{}", stand.kind);
    }
}

#[tokio::test]
async fn a_declined_envelope_says_so() {
    for stand in stands().await {
        let id = stand.sent(1).await;
        stand.decide(&id, "decline").await;
        stand.until(&id, |found| matches!(found.claim, Claim::Declined { .. })).await;
    }
}

#[tokio::test]
async fn a_voided_envelope_says_so_and_an_ended_one_cannot_be_voided() {
    for stand in stands().await {
        let id = stand.sent(1).await;
        stand.provider.void(&id, "order cancelled").await.expect("voided");
        stand.until(&id, |found| matches!(found.claim, Claim::Voided | Claim::Expired)).await;

        let signed = stand.sent(2).await;
        stand.decide(&signed, "sign").await;
        stand.decide(&signed, "sign").await;
        stand.until(&signed, |found| found.claim == Claim::Completed).await;
        let ended = stand.provider.void(&signed, "too late").await.expect_err("it has ended");
        assert_eq!(ended.class, Class::Conflict, "{}", stand.kind);
    }
}

#[tokio::test]
async fn a_voided_draft_cannot_be_sent_any_more() {
    for stand in stands().await {
        let id = stand.draft(1, stand.url_source()).await.0.provider_id;
        stand.provider.void(&id, "order cancelled").await.expect("voided");
        let sent = stand.provider.send(&id, &stand.parties(), None, "too late").await;
        assert!(sent.is_err(), "{}: nothing goes out that was cancelled", stand.kind);
    }
}

#[tokio::test]
async fn a_signer_can_be_reminded_only_while_it_is_their_turn() {
    for stand in stands().await {
        let id = stand.draft(1, stand.url_source()).await.0.provider_id;
        assert!(stand.provider.remind(&id).await.is_err(), "{}: a draft reminds nobody", stand.kind);
        let id = stand.sent(2).await;
        stand.provider.remind(&id).await.expect("reminded");
    }
}

#[tokio::test]
async fn a_send_before_the_vendor_is_ready_or_with_an_old_version_does_not_go_out() {
    for stand in stands().await {
        let created =
            stand.provider.create(&stand.order(1, stand.url_source()), "key-1").await.expect("created");
        let early = stand.provider.send(&created.provider_id, &stand.parties(), None, "early").await;
        let early = early.expect_err("still being prepared");
        assert!(matches!(early.class, Class::NotReady | Class::Conflict), "{}: {early}", stand.kind);
        assert_ne!(early.retry, Retry::Never);

        let (created, ready) = stand.draft(2, stand.url_source()).await;
        if let Some(version) = ready.fields_version {
            let stale =
                stand.provider.send(&created.provider_id, &stand.parties(), Some(version + 1), "stale").await;
            assert_eq!(stale.expect_err("another version").class, Class::Conflict, "{}", stand.kind);
        }
        stand.until(&created.provider_id, |found| found.claim == Claim::Draft).await;
    }
}

#[tokio::test]
async fn a_create_that_sends_at_once_says_so() {
    for stand in stands().await.into_iter().filter(|stand| stand.provider.capabilities().auto_send) {
        for (number, source) in (1u8..).zip(stand.sources()) {
            let order = providers::CreateOrder { auto_send: true, ..stand.order(number, source) };
            let created = stand.provider.create(&order, &format!("key-{number}")).await.expect("created");
            assert!(created.sent, "{}", stand.kind);
            let found = stand.provider.snapshot(&created.provider_id).await.expect("a snapshot");
            assert_eq!(found.claim, Claim::Sent, "{}", stand.kind);
        }
    }
}

#[tokio::test]
async fn a_reopened_envelope_is_a_newer_draft_without_signatures() {
    for stand in stands().await.into_iter().filter(|stand| stand.provider.capabilities().reopens) {
        let id = stand.sent(1).await;
        stand.decide(&id, "sign").await;
        let signed = stand.until(&id, |found| found.signed == 1).await;
        stand.provider.reopen(&id).await.expect("a draft again");
        let reopened = stand.until(&id, |found| found.claim == Claim::Draft).await;
        assert_eq!(reopened.signed, 0, "{}", stand.kind);
        assert!(reopened.revision > signed.revision, "{}: news of the draft is newer", stand.kind);
    }
}
