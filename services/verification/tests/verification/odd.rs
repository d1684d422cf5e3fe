//! Verified, but odd: kept, counted, without effect, and never sent again for ever.

use contracts::intake::Raw;
use contracts::wire::verification::{AcceptRequest, Verdict};
use domain::intake::{Meaning, NoMeaning};

use crate::support::vendors::{atlas, batch, hubspot, hubspot_event, pandadoc};
use crate::support::{World, accepted, duplicate, said};

#[tokio::test]
async fn bad_json_with_a_good_signature_is_accepted_as_unreadable_and_kept_byte_for_byte() {
    let world = World::new().await;
    let bodies: [&[u8]; 4] = [b"", b"{\"event\": \"envelope.sent\", ", b"\xff\xfe", b"42"];
    for body in bodies {
        assert_eq!(said(&world.accept(atlas(body)).await), accepted(1, 0));
        assert_eq!(said(&world.accept(atlas(body)).await), duplicate(1));
        let (_, kept) = world.accepted().await.pop().expect("it is kept");
        assert_eq!(kept.meaning, Meaning::Nothing(NoMeaning::Unreadable));
        assert!(matches!(kept.raw, Raw::Inline(raw) if raw == body));
    }
    let line = world.ledger("atlas-main").await;
    assert_eq!((line.accepted, line.unreadable), (4, 4));
}

#[tokio::test]
async fn an_event_of_tomorrow_is_kept_and_counted_as_unknown() {
    let world = World::new().await;
    let body = br#"[{"event":"document_sang","data":{"id":"doc_1"}}]"#;
    assert_eq!(said(&world.accept(pandadoc(body)).await), accepted(1, 0));
    assert_eq!(world.ledger("pandadoc-sales").await.unknown_event, 1);
}

#[tokio::test]
async fn five_hundred_events_are_five_hundred_signals_and_one_more_is_one_that_nobody_can_read() {
    let world = World::new().await;
    let events = |count| (0..count).map(|number| hubspot_event(number, 0, "x")).collect::<Vec<_>>();
    assert_eq!(said(&world.accept(hubspot(&batch(&events(500)))).await), accepted(500, 0));
    assert_eq!(said(&world.accept(hubspot(&batch(&events(501)))).await), accepted(1, 0));
    let line = world.ledger("hubspot-main").await;
    assert_eq!((line.accepted, line.unreadable), (501, 1));
}

#[tokio::test]
async fn a_body_above_64_kib_lies_sealed_in_the_blob_store_and_opens_to_the_same_bytes() {
    let world = World::new().await;
    let note = "x".repeat(100 * 1024);
    let body = format!(r#"{{"id":"evt_1","event":"envelope.sent","envelope_id":"env_1","note":"{note}"}}"#);
    assert_eq!(said(&world.accept(atlas(body.as_bytes())).await), accepted(1, 0));
    let (event, kept) = world.accepted().await.pop().expect("it is kept");
    let Raw::Stored { digest, bytes } = &kept.raw else { panic!("it stands in the event") };
    assert!(*bytes > 100 * 1024 && event.payload.len() < 64 * 1024);
    assert!(world.blob(&event, &kept, digest).await == body.as_bytes());
}

#[tokio::test]
async fn a_large_body_that_comes_again_leaves_nothing_behind_and_the_first_is_still_whole() {
    let world = World::new().await;
    let body = batch(&[hubspot_event(1, 0, &"x".repeat(100 * 1024))]);
    assert_eq!(said(&world.accept(hubspot(&body)).await), accepted(1, 0));
    for _ in 0..3 {
        assert_eq!(said(&world.accept(hubspot(&body)).await), duplicate(1));
    }
    // Too large for a commit: the first try of each is refused by the log.
    let larger = batch(&[hubspot_event(2, 0, &"x".repeat(600 * 1024))]);
    assert_eq!(said(&world.accept(hubspot(&larger)).await), accepted(1, 0));
    assert_eq!(said(&world.accept(hubspot(&larger)).await), duplicate(1));
    assert_eq!(world.blobs(), 2, "one of each");
    for (event, kept) in world.accepted().await {
        let Raw::Stored { digest, .. } = &kept.raw else { panic!("it stands in the event") };
        assert!(world.blob(&event, &kept, digest).await.len() > 100 * 1024);
    }
}

#[tokio::test]
async fn news_too_large_for_one_commit_are_kept_for_a_person_and_not_asked_for_again() {
    let world = World::new().await;
    let body = batch(&[hubspot_event(1, 0, &"x".repeat(600 * 1024)), hubspot_event(2, 0, "small")]);
    assert_eq!(said(&world.accept(hubspot(&body)).await), accepted(2, 0));
    assert_eq!(said(&world.accept(hubspot(&body)).await), duplicate(2));
    let line = world.ledger("hubspot-main").await;
    assert_eq!((line.accepted, line.unreadable, line.duplicate), (2, 1, 2));
}

#[tokio::test]
async fn a_body_beyond_the_limit_and_a_missing_delivery_are_the_callers_mistake() {
    let world = World::new().await;
    let mut client = world.replica.client.clone();
    for delivery in [None, Some(atlas(&vec![b'x'; 1024 * 1024 + 1]))] {
        let refused = client.accept(AcceptRequest { delivery }).await.expect_err("it is refused");
        assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    }
    let largest = world.accept(atlas(&vec![b'x'; 1024 * 1024])).await;
    assert_eq!(largest.verdict(), Verdict::Accepted);
}
