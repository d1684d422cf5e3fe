//! How a document stands, where one word of the vendor means several things.

use domain::ids::ProviderEnvelopeId;
use domain::intake::{Claim, Standing};
use domain::retry::Retry;
use providers::pandadoc::simulator::Switches;
use providers::{Class, Provider};
use serde_json::json;

use super::{By, Office, parties, until};

fn quick() -> Switches {
    Switches { creation_delay_ms: 0, pdf_delay_ms: 0, ..Switches::default() }
}

/// The signed document is there as soon as it is ready, and nothing else than that it is not ready comes before.
async fn comes_in_time(adapter: &impl Provider, id: &ProviderEnvelopeId) {
    let fetch = async {
        loop {
            match adapter.download(id).await {
                Ok(document) => return document,
                Err(error) => assert_eq!(error.class, Class::NotReady, "{error}"),
            }
        }
    };
    let document = tokio::time::timeout(super::PATIENCE, fetch).await.expect("it is there in time");
    assert!(document.starts_with(b"%PDF-"));
}

#[tokio::test]
async fn the_vendors_word_voided_is_told_apart_by_who_ended_it() {
    let office = Office::open().await;
    let adapter = office.adapter(By::Key);
    let (by_time, by_hand) = (office.sent(&adapter, 1).await, office.sent(&adapter, 2).await);
    office.act(&by_time, "expire").await;
    office.act(&by_hand, "expire-by-hand").await;
    assert_eq!(adapter.snapshot(&by_time).await.expect("an answer").claim, Claim::Expired);
    assert_eq!(adapter.snapshot(&by_hand).await.expect("an answer").claim, Claim::Voided);
}

#[tokio::test]
async fn without_the_audit_trail_an_end_before_its_time_is_somebodys_doing() {
    let office = Office::open().await;
    let adapter = office.adapter(By::Key);
    let early = office.sent(&adapter, 1).await;
    office.act(&early, "expire-by-hand").await;
    let forbidden = json!({"match": {"path": "~audit-trail"}, "times": 2, "action": {"status": 403}});
    office.post("/__sim/faults", forbidden).await;
    assert_eq!(adapter.snapshot(&early).await.expect("an answer").claim, Claim::Voided);
    let due = Office::with(Switches { expires_after_ms: 1, ..quick() }, None).await;
    let adapter = due.adapter(By::Key);
    let timely = due.sent(&adapter, 1).await;
    let closed = json!({"match": {"path": "~audit-trail"}, "times": 1000, "action": {"status": 403}});
    due.post("/__sim/faults", closed).await;
    until(&adapter, &timely, |seen| seen.claim == Claim::Expired).await;
}

#[tokio::test]
async fn how_it_ended_is_not_guessed_while_the_audit_trail_only_fails_to_answer() {
    let office = Office::open().await;
    let adapter = office.adapter(By::Key);
    let (ended, declined) = (office.sent(&adapter, 1).await, office.sent(&adapter, 2).await);
    office.act(&ended, "expire-by-hand").await;
    office.act(&declined, "decline").await;
    for trouble in
        [json!({"status": 503}), json!("html_502"), json!("drop_connection"), json!("truncate_body")]
    {
        for id in [&ended, &declined] {
            let path = format!("/public/v2/documents/{id}/audit-trail");
            office.spoil("GET", &path, trouble.clone()).await;
            let unsure = adapter.snapshot(id).await.expect_err("nobody knows how it ended");
            assert_eq!((unsure.class, unsure.retry), (Class::Transient, Retry::WithBackoff), "{trouble}");
        }
        assert_eq!(adapter.snapshot(&ended).await.expect("an answer").claim, Claim::Voided, "{trouble}");
    }
}

#[tokio::test]
async fn a_trail_that_a_sandbox_key_may_not_read_says_nothing_and_a_refused_key_is_an_error() {
    let pace = json!({"pace": {"per_second": 10_000.0, "burst": 1_000, "deadline_ms": 4_000}});
    let mut sandboxed = pace.clone();
    sandboxed["sandbox"] = json!(true);
    for (options, readable) in [(sandboxed, true), (pace, false)] {
        let office = Office::open().await;
        let adapter = office.adapter_with(By::Key, options);
        let early = office.sent(&adapter, 1).await;
        office.act(&early, "expire-by-hand").await;
        let path = format!("/public/v2/documents/{early}/audit-trail");
        office.spoil("GET", &path, json!({"status": 401})).await;
        match adapter.snapshot(&early).await {
            Ok(seen) => assert_eq!((seen.claim, readable), (Claim::Voided, true)),
            Err(error) => assert_eq!((error.class, readable), (Class::Unauthorized, false)),
        }
    }
}

#[tokio::test]
async fn a_long_audit_trail_is_read_to_its_end() {
    let office = Office::open().await;
    let adapter = office.adapter(By::Key);
    let id = office.sent(&adapter, 1).await;
    for _ in 0..60 {
        office.act(&id, "suggest").await;
        office.act(&id, "resolve").await;
    }
    office.act(&id, "expire-by-hand").await;
    assert!(
        office.read(&format!("/public/v2/documents/{id}/audit-trail")).await["count"].as_u64() > Some(100)
    );
    // the date of expiry would say so too: only the trail knows why
    let seen = adapter.snapshot(&id).await.expect("an answer");
    assert_eq!(seen.claim, Claim::Voided);
    office.act(&id, "decline-by-hand").await;
    let seen = adapter.snapshot(&id).await.expect("an answer");
    assert_eq!(seen.reason.expect("a reason").reveal(), Some("Terms not acceptable"));
}

#[tokio::test]
async fn who_declined_stands_in_the_audit_trail_unless_staff_did() {
    let office = Office::open().await;
    let adapter = office.adapter(By::Key);
    let standings = async |number, act| {
        let id = office.sent(&adapter, number).await;
        office.act(&id, "sign").await;
        office.act(&id, act).await;
        let seen = adapter.snapshot(&id).await.expect("an answer");
        assert!(matches!(seen.claim, Claim::Declined { .. }), "{act}");
        seen.parties.into_iter().map(|party| party.standing).collect::<Vec<_>>()
    };
    assert_eq!(standings(1, "decline").await, [Standing::Signed, Standing::Declined]);
    assert_eq!(standings(2, "decline-by-hand").await, [Standing::Signed, Standing::Waiting]);
}

#[tokio::test]
async fn a_document_that_staff_completed_shows_that_nobody_signed() {
    let office = Office::open().await;
    let adapter = office.adapter(By::Key);
    let id = office.sent(&adapter, 1).await;
    office.act(&id, "complete-by-hand").await;
    let seen = adapter.snapshot(&id).await.expect("an answer");
    assert_eq!((seen.claim, seen.signed, seen.total), (Claim::Completed, 0, 2));
}

#[tokio::test]
async fn what_staff_completed_has_no_signed_document_and_none_is_fetched() {
    let office = Office::open().await;
    let adapter = office.adapter(By::Key);
    for (number, signed, trail) in [(1, false, true), (2, true, true), (3, false, false)] {
        let id = office.sent(&adapter, number).await;
        if signed {
            office.act(&id, "sign").await;
        }
        office.act(&id, "complete-by-hand").await;
        if !trail {
            let path = format!("/public/v2/documents/{id}/audit-trail");
            office.spoil("GET", &path, json!({"status": 403})).await;
        }
        let refused = adapter.download(&id).await.expect_err("nobody's signature ended it");
        assert_eq!((refused.class, refused.retry), (Class::InvalidRequest, Retry::Never), "{number}");
        assert_eq!(refused.code, "completed_by_hand", "{number}");
    }
}

#[tokio::test]
async fn what_staff_took_the_money_for_by_hand_is_fetched_if_all_were_done_though_there_was_nothing_to_sign()
{
    let office = Office::with(Switches { payment: true, ..quick() }, None).await;
    let adapter = office.adapter(By::Key);
    let id = office.sent(&adapter, 1).await;
    for _ in 0..2 {
        office.act(&id, "sign").await;
    }
    office.change(&format!("/public/v1/documents/{id}/status"), json!({"status": 10})).await;
    let path = format!("/public/v1/documents/{id}/details");
    let mut details = office.read(&path).await;
    for done in [true, false] {
        for recipient in details["recipients"].as_array_mut().expect("a list") {
            assert_ne!(recipient["has_completed"].take(), json!(null), "the vendor says who is done");
            (recipient["has_completed"], recipient["signature_date"]) = (json!(done), json!(null));
        }
        let fetch = async {
            loop {
                office.spoil("GET", &path, json!({"status": 200, "body": details})).await;
                match adapter.download(&id).await {
                    Err(error) if error.class == Class::NotReady => {}
                    answer => return answer,
                }
            }
        };
        match tokio::time::timeout(super::PATIENCE, fetch).await.expect("it is there in time") {
            Ok(document) => assert!(done && document.starts_with(b"%PDF-")),
            Err(error) => assert!(!done && error.code == "completed_by_hand", "{error}"),
        }
    }
}

#[tokio::test]
async fn what_was_taken_back_and_signed_anew_after_a_completion_by_hand_is_fetched() {
    let office = Office::open().await;
    let adapter = office.adapter(By::Key);
    let id = office.sent(&adapter, 1).await;
    office.act(&id, "complete-by-hand").await;
    adapter.reopen(&id).await.expect("a draft again");
    adapter.send(&id, &parties(), None, "no key").await.expect("sent");
    for _ in 0..2 {
        office.act(&id, "sign").await;
    }
    comes_in_time(&adapter, &id).await;
}

#[tokio::test]
async fn why_somebody_declined_stands_in_the_audit_trail() {
    let office = Office::open().await;
    let adapter = office.adapter(By::Key);
    let id = office.sent(&adapter, 1).await;
    office.act(&id, "decline").await;
    let seen = adapter.snapshot(&id).await.expect("an answer");
    assert!(matches!(seen.claim, Claim::Declined { .. }));
    assert_eq!(seen.reason.expect("a reason").reveal(), Some("Terms not acceptable"));
}

#[tokio::test]
async fn a_send_that_went_to_the_approvers_is_not_sent_until_they_agree_and_it_is_sent_again() {
    let office = Office::with(Switches { approval: true, ..quick() }, None).await;
    let adapter = office.adapter(By::Key);
    let id = office.draft(&adapter, 1).await;
    for _ in 0..2 {
        let held = adapter.send(&id, &parties(), None, "no key").await.expect_err("the approvers have it");
        assert_eq!(held.class, Class::Conflict);
    }
    assert_eq!(adapter.snapshot(&id).await.expect("an answer").claim, Claim::ApprovalRequested);
    office.act(&id, "approve").await;
    assert_eq!(adapter.snapshot(&id).await.expect("an answer").claim, Claim::ApprovalGranted);
    adapter.send(&id, &parties(), None, "no key").await.expect("sent");
    assert_eq!(adapter.snapshot(&id).await.expect("an answer").claim, Claim::Sent);
}

#[tokio::test]
async fn what_was_never_sent_cannot_expire_so_a_void_deletes_it() {
    let office = Office::with(Switches { approval: true, ..quick() }, None).await;
    let adapter = office.adapter(By::Key);
    let (draft, scheduled) = (office.draft(&adapter, 1).await, office.draft(&adapter, 2).await);
    let (asked, agreed, refused) =
        (office.draft(&adapter, 3).await, office.draft(&adapter, 4).await, office.draft(&adapter, 5).await);
    office.act(&scheduled, "schedule").await;
    for (id, answer) in [(&asked, None), (&agreed, Some("approve")), (&refused, Some("reject"))] {
        office.act(id, "send").await;
        if let Some(answer) = answer {
            office.act(id, answer).await;
        }
    }
    for id in [draft, scheduled, asked, agreed, refused] {
        adapter.void(&id, "Cancelled by the sender").await.expect("cancelled");
        let left = office.read("/public/v1/documents").await.to_string();
        assert!(!left.contains(id.as_str()), "nobody can send it any more");
    }
}

#[tokio::test]
async fn a_void_that_is_refused_takes_no_document_away_that_somebody_was_sent() {
    let office = Office::with(Switches { payment: true, ..quick() }, None).await;
    let adapter = office.adapter(By::Key);
    let id = office.sent(&adapter, 1).await;
    office.act(&id, "sign").await;
    office.act(&id, "sign").await;
    let refused = adapter.void(&id, "too late").await.expect_err("it waits for money");
    assert_eq!(refused.class, Class::Conflict);
    assert_eq!(adapter.snapshot(&id).await.expect("it is still there").claim, Claim::PaymentDue);
}

#[tokio::test]
async fn what_is_scheduled_waits_and_what_is_under_review_asks_for_attention() {
    let office = Office::open().await;
    let adapter = office.adapter(By::Key);
    let id = office.draft(&adapter, 1).await;
    office.act(&id, "schedule").await;
    assert_eq!(adapter.snapshot(&id).await.expect("an answer").claim, Claim::Scheduled);
    assert_eq!(
        adapter.send(&id, &parties(), None, "no key").await.expect_err("it waits").class,
        Class::Conflict
    );
    office.act(&id, "send").await;
    office.act(&id, "suggest").await;
    assert_eq!(adapter.snapshot(&id).await.expect("an answer").claim, Claim::ChangesSuggested);
}

#[tokio::test]
async fn a_reminder_of_somebody_who_is_done_reminds_nobody() {
    let office = Office::open().await;
    let adapter = office.adapter(By::Key);
    let id = office.sent(&adapter, 1).await;
    let path = format!("/public/v1/documents/{id}/send-reminder");
    let failed = json!({"result": [{"recipient_id": "r1", "email": {"status": "error", "detail": "done"}}]});
    office.spoil("POST", &path, json!({"status": 200, "body": failed})).await;
    let nobody = adapter.remind(&id).await.expect_err("nobody was reminded");
    assert_eq!((nobody.class, nobody.code.as_str()), (Class::Conflict, "nobody_to_remind"));
}

#[tokio::test]
async fn a_sandbox_gives_the_plain_document_since_it_refuses_the_sealed_one() {
    let office = Office::with(Switches { sandbox: true, ..quick() }, None).await;
    let pace = json!({"pace": {"per_second": 10_000.0, "burst": 1_000, "deadline_ms": 4_000}});
    let mut sandboxed = pace.clone();
    sandboxed["sandbox"] = json!(true);
    let made = office.post("/__sim/ui/documents", json!({})).await;
    let id: ProviderEnvelopeId = made["id"].as_str().expect("an id").parse().expect("an id");
    for act in ["send", "sign", "sign"] {
        office.act(&id, act).await;
    }
    let strict =
        office.adapter_with(By::Key, pace).download(&id).await.expect_err("sealed: not with this key");
    assert_eq!(strict.class, Class::Unauthorized);
    let adapter = office.adapter_with(By::Key, sandboxed);
    comes_in_time(&adapter, &id).await;
}
