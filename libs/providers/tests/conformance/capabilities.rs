//! What is declared works, and what is not declared is refused without a call.

use std::collections::BTreeSet;

use domain::personal::Personal;
use domain::time::Timestamp;
use providers::{Class, FieldEdit, Provider, ProviderError};
use secrecy::SecretString;
use serde_json::Map;
use signatures::VerifyKey;

use crate::stand::{Stand, stands, variants};

#[tokio::test]
async fn every_kind_of_the_registry_has_a_stand_and_a_scheme() {
    let judged: BTreeSet<&str> = variants().into_iter().map(|(kind, _)| kind).collect();
    let registered: BTreeSet<&str> = providers::kinds().iter().copied().collect();
    assert_eq!(judged, registered, "a provider joins with its simulator in stand.rs");
    for kind in registered {
        assert!(providers::scheme(kind, &Map::new()).is_some(), "{kind} cannot be told from a stranger");
    }
}

#[tokio::test]
async fn capabilities_do_not_contradict_each_other() {
    for stand in stands().await {
        let can = stand.provider.capabilities();
        let kind = stand.kind;
        assert!(can.document_urls || can.uploads || can.templates, "{kind}: nothing can be signed there");
        assert!(can.uploads || !can.docx_uploads, "{kind}: a Word document is an upload");
        assert_eq!(can.uploads, can.upload_bytes_max > 0, "{kind}: an upload has a longest");
        assert_eq!(
            can.idempotency_keys,
            !can.key_window.is_zero(),
            "{kind}: a key is remembered for a while"
        );
        assert!(can.subscriptions || !can.replays_deliveries, "{kind}: who replays knows whom it told");
    }
}

/// Every call that only some vendors have, on a vendor that does not declare it.
async fn undeclared(stand: &Stand) -> Vec<(&'static str, ProviderError)> {
    let can = stand.provider.capabilities();
    let provider: &dyn Provider = &*stand.provider;
    let some_id = "made-long-ago".parse().expect("an id");
    let mut refusals = Vec::new();
    let mut note = |name, refusal: Option<ProviderError>| {
        refusals.push((name, refusal.unwrap_or_else(|| panic!("{name} is not declared, and answers"))));
    };
    if !can.lists_changes {
        note("changed_since", provider.changed_since(Timestamp(0), 1).await.err());
    }
    if !can.replays_deliveries {
        note("missed_deliveries", provider.missed_deliveries(Timestamp(0), 1).await.err());
    }
    if !can.subscriptions {
        note("subscription", provider.subscription().await.err());
        note("activate_subscription", provider.activate_subscription("s-1").await.err());
        note("subscribe", provider.subscribe("countersign").await.err());
        note("rotate_shared_key", provider.rotate_shared_key("s-1").await.err());
    }
    if !can.reopens {
        note("reopen", provider.reopen(&some_id).await.err());
    }
    if !can.edits_fields {
        note("edit_fields", provider.edit_fields(&some_id, 1, &[]).await.err());
    }
    refusals
}

#[tokio::test]
async fn what_is_not_declared_is_refused_without_a_call() {
    for stand in stands().await {
        let before = stand.requests("", "/").await;
        for (name, refusal) in undeclared(&stand).await {
            assert_eq!(refusal.class, Class::InvalidRequest, "{}: {name}", stand.kind);
            assert_eq!(refusal.code, "unsupported_by_provider", "{}: {name}", stand.kind);
        }
        assert_eq!(stand.requests("", "/").await, before, "{}: the vendor was called", stand.kind);
    }
}

#[tokio::test]
async fn fields_are_edited_under_the_lock_of_their_version() {
    for stand in stands().await.into_iter().filter(|stand| stand.provider.capabilities().edits_fields) {
        let (created, ready) = stand.draft(1, stand.url_source()).await;
        let (id, version) = (created.provider_id, ready.fields_version.expect("a version to lock"));
        let edits = [FieldEdit { id: "fld_1".to_owned(), value: Personal::new("PO-8812") }];
        let next = stand.provider.edit_fields(&id, version, &edits).await.expect("edited");
        assert!(next > version, "{}: another version follows", stand.kind);
        let found = stand.provider.snapshot(&id).await.expect("a snapshot");
        assert_eq!(found.fields_version, Some(next), "{}", stand.kind);

        let stale = stand.provider.edit_fields(&id, version, &edits).await.expect_err("an old version");
        assert_eq!(stale.class, Class::Conflict, "{}", stand.kind);
        assert!(!format!("{edits:?} {stale:?}").contains("PO-8812"), "{}: the text is printed", stand.kind);
        // the version that the edit answered with is the one that can be sent
        let sent = stand.provider.send(&id, &stand.parties(), Some(next), "send-1").await;
        sent.expect("the new version goes out");
    }
}

#[tokio::test]
async fn an_order_the_vendor_cannot_carry_out_is_refused_for_good_before_anything_is_sent() {
    for stand in stands().await {
        let can = stand.provider.capabilities();
        let upload = |content_type: &str, bytes: usize| providers::Source::Upload {
            file_name: "order.docx".to_owned(),
            content_type: content_type.to_owned(),
            bytes: vec![b'x'; bytes].into(),
        };
        let word = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
        let mut orders = Vec::new();
        if !can.docx_uploads {
            orders.push(upload(word, 100));
        }
        if can.uploads {
            orders.push(upload("application/pdf", can.upload_bytes_max + 1));
        }
        let before = stand.requests("", "/").await;
        for source in orders {
            let refused = stand.provider.create(&stand.order(1, source), "key-1").await.expect_err("refused");
            assert!(
                matches!(refused.class, Class::InvalidRequest | Class::TooLarge),
                "{}: {refused}",
                stand.kind
            );
            assert_eq!(refused.retry, domain::retry::Retry::Never, "{}", stand.kind);
            assert!(!refused.code.is_empty(), "{}: it says what is wrong", stand.kind);
        }
        assert_eq!(stand.requests("", "/").await, before, "{}: the vendor was called", stand.kind);
    }
}

/// A key for the schemes.
pub fn key(id: &str, secret: &str) -> VerifyKey {
    VerifyKey::new(id, SecretString::from(secret.to_owned())).expect("a key")
}
