//! What became of every signal: settled with its reason, early ones parked and looked up, dead letters listed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::time::Duration;

use contracts::wire::envelope as wire;
use contracts::wire::envelope::Stage;
use domain::intake::Claim;
use event_log::{Category, Position};
use support::provider::{Fault, draft};
use support::{World, news, request, signed};

/// The number of this name over all hours, once everything up to `position` is handled.
async fn count(world: &World, position: Position, name: &str) -> u64 {
    let request = wire::GetLedgerRequest { intake_position: position.0, ..Default::default() };
    let answer = world.client().get_ledger(request).await.unwrap().into_inner();
    assert!(answer.complete && answer.handled_position >= position.0, "{answer:?}");
    let counts = answer.tallies.iter().filter(|tally| tally.hour_ms == 0).flat_map(|tally| &tally.counts);
    counts.filter(|count| count.name == name).map(|count| count.count).sum()
}

async fn early(world: &World) -> Vec<wire::EarlyArrival> {
    let request = wire::ListEarlyArrivalsRequest::default();
    world.client().list_early_arrivals(request).await.unwrap().into_inner().early_arrivals
}

/// Waits until so many signals wait for their envelope.
async fn until_early(world: &World, wanted: usize) {
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while early(world).await.len() != wanted {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(waited.await.is_ok(), "{:?}", early(world).await);
}

impl World {
    /// Waits until a follower of the envelopes has finished everything there is.
    async fn until_passed(&self, consumer: &str) {
        let head = self.log.head(Category::Envelopes).await.unwrap();
        let waited = tokio::time::timeout(Duration::from_secs(20), async {
            while self.log.consumed(consumer).await.unwrap() < head {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        waited.await.unwrap();
    }
}

/// An envelope of ours as the provider knows it.
fn ours(world: &World, provider_id: &str, envelope: &str) {
    let mut document = draft(Claim::Sent, 2);
    document.correlation.insert(providers::ENVELOPE_ID_KEY.to_owned(), envelope.to_owned());
    world.provider.add(provider_id, document);
}

#[tokio::test]
async fn what_is_applied_and_what_is_ignored_is_counted_with_its_reason() {
    let world = World::new().await;
    let made = world.create(request("deal-1")).await.unwrap();
    world.until_stage(&made.envelope_id, Stage::Preparing).await;
    let mut first = news("p-1", Claim::PartySigned, None);
    first.parties = vec![signed(1)];
    world.signal(1, "envelope.signed", first.clone()).await;
    world.until_stage(&made.envelope_id, Stage::PartiallySigned).await;
    world.signal(2, "envelope.signed", first).await;
    world.signal(3, "envelope.viewed", news("p-1", Claim::Viewed, None)).await;
    let last = world.signal(4, "envelope.sent", news("p-9", Claim::Sent, None)).await;
    assert_eq!(count(&world, last, "settled.applied").await, 1);
    assert_eq!(count(&world, last, "settled.ignored.nothing_new").await, 1);
    assert_eq!(count(&world, last, "settled.ignored.late").await, 1);
    assert_eq!(count(&world, last, "settled.unmatched.nobodys").await, 1);
    // The followers of envelopes pass these records by.
    world.until_passed("orchestrator-effects").await;
    world.until_passed("orchestrator-documents").await;
    assert_eq!(world.log.dead_letters("orchestrator-effects").await.unwrap(), []);
    assert_eq!(world.log.dead_letters("orchestrator-documents").await.unwrap(), []);
    world.stop().await;
}

#[tokio::test]
async fn a_rebuilt_view_counts_the_same() {
    let world = World::new().await;
    let made = world.create(request("deal-1")).await.unwrap();
    world.until_stage(&made.envelope_id, Stage::Preparing).await;
    let last = world.signal(1, "envelope.sent", news("p-1", Claim::Sent, None)).await;
    assert_eq!(count(&world, last, "settled.applied").await, 1);
    let world = world.restart_without_view().await;
    assert_eq!(count(&world, last, "settled.applied").await, 1);
    world.stop().await;
}

#[tokio::test]
async fn an_early_signal_holds_nobody_up_survives_a_restart_and_is_settled_when_the_create_call_returns() {
    let world = World::new().await;
    world.provider.fail("create", [Fault::Gate]);
    let made = world.create(request("deal-1")).await.unwrap();
    world.provider.until(|provider| provider.calls("create") == 1).await;
    let first = world.signal(1, "envelope.viewed", news("p-1", Claim::Viewed, None)).await;
    until_early(&world, 1).await;
    // The follower is past it, and the ledger names it.
    assert_eq!(count(&world, first, "waiting.early").await, 1);
    let listed = early(&world).await;
    assert_eq!((listed[0].provider_id.as_str(), listed[0].named), ("p-1", false));

    world.provider.open_gate();
    let world = world.restart().await;
    world.until_stage(&made.envelope_id, Stage::Viewed).await;
    until_early(&world, 0).await;
    assert_eq!(count(&world, first, "settled.applied").await, 1);
    assert_eq!(count(&world, first, "waiting.early").await, 0);
    world.stop().await;
}

#[tokio::test]
async fn a_signal_that_names_an_envelope_nobody_knows_is_looked_up_after_the_window_and_then_let_go() {
    let world = World::new().await;
    let stranger = "env_00000000000000000000000000000009";
    let first = world.signal(1, "envelope.sent", news("p-7", Claim::Sent, Some(stranger))).await;
    ours(&world, "p-8", stranger);
    let second = world.signal(2, "envelope.sent", news("p-8", Claim::Sent, Some(stranger))).await;
    until_early(&world, 2).await;
    assert!(early(&world).await.iter().all(|one| one.named));
    assert_eq!(world.provider.calls("snapshot"), 0, "nobody is asked before the window is over");

    world.clock.advance(Duration::from_secs(16 * 60));
    until_early(&world, 0).await;
    let last = first.max(second);
    assert_eq!(count(&world, last, "settled.unmatched.gone").await, 1);
    assert_eq!(count(&world, last, "settled.unmatched.strangers").await, 1);
    world.stop().await;
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_asked_again_and_nothing_is_given_up_meanwhile() {
    let world = World::new().await;
    let stranger = "env_00000000000000000000000000000009";
    world.provider.fail("snapshot", [Fault::Refuse(providers::Class::Transient)]);
    let first = world.signal(1, "envelope.sent", news("p-7", Claim::Sent, Some(stranger))).await;
    until_early(&world, 1).await;
    world.clock.advance(Duration::from_secs(16 * 60));
    world.provider.until(|provider| provider.calls("snapshot") == 1).await;
    assert_eq!(count(&world, first, "waiting.early").await, 1);
    world.clock.advance(Duration::from_secs(2 * 60));
    until_early(&world, 0).await;
    assert_eq!(count(&world, first, "settled.unmatched.gone").await, 1);
    world.stop().await;
}

#[tokio::test]
async fn a_document_that_the_provider_never_shows_does_not_wait_for_ever() {
    let world = World::new().await;
    let stranger = "env_00000000000000000000000000000009";
    let classes = [providers::Class::Forbidden, providers::Class::InvalidRequest, providers::Class::TooLarge];
    world.provider.fail("snapshot", classes.map(Fault::Refuse));
    let mut last = Position::ZERO;
    for number in 1..=3 {
        last = world
            .signal(number, "envelope.sent", news(&format!("p-{number}"), Claim::Sent, Some(stranger)))
            .await;
    }
    until_early(&world, 3).await;
    assert_eq!(world.provider.calls("snapshot"), 0, "nobody is asked before the window is over");
    world.clock.advance(Duration::from_secs(16 * 60));
    until_early(&world, 0).await;
    assert_eq!(count(&world, last, "settled.unmatched.not_shown").await, 3);
    assert_eq!(world.provider.calls("snapshot"), 3, "each was asked for once");
    world.stop().await;
}

#[tokio::test]
async fn a_document_of_sales_that_came_while_a_create_was_under_way_is_adopted_once_that_is_over() {
    let world = World::new().await;
    world.provider.add("doc-7", draft(Claim::Sent, 2));
    world.provider.fail("create", [Fault::Gate]);
    world.create(request("deal-1")).await.unwrap();
    world.provider.until(|provider| provider.calls("create") == 1).await;
    let mut sold = news("doc-7", Claim::Sent, None);
    sold.correlation.insert("deal".to_owned(), "20417".to_owned());
    let position = world.signal(1, "document.sent", sold).await;
    until_early(&world, 1).await;
    world.provider.open_gate();
    until_early(&world, 0).await;
    assert_eq!(count(&world, position, "settled.applied").await, 1);
    world.stop().await;
}

#[tokio::test]
async fn a_second_document_of_an_envelope_is_nobodys_envelope_though_a_flow_would_take_it_up() {
    let world = World::new().await;
    let made = world.create(request("deal-1")).await.unwrap();
    world.until_stage(&made.envelope_id, Stage::Preparing).await;
    world.provider.add("p-twin", draft(Claim::Sent, 2));
    let mut twin = news("p-twin", Claim::Sent, Some(&made.envelope_id));
    twin.correlation.insert("deal".to_owned(), "20417".to_owned());
    let position = world.signal(1, "document.sent", twin).await;
    world.until_handled(position).await;
    assert_eq!(count(&world, position, "settled.unmatched.twin").await, 1);
    let request = wire::ListEnvelopesRequest::default();
    let listed = world.client().list_envelopes(request).await.unwrap().into_inner().envelopes;
    assert_eq!(listed.len(), 1, "no second envelope comes of it");
    world.stop().await;
}

#[tokio::test]
async fn an_unknown_consumer_has_no_dead_letters_to_retry() {
    let world = World::new().await;
    let request = wire::ListDeadLettersRequest::default();
    assert_eq!(world.client().list_dead_letters(request).await.unwrap().into_inner().dead_letters, []);
    let request = wire::RetryDeadLetterRequest {
        request_id: "r-1".to_owned(),
        consumer: "nobody".to_owned(),
        position: 1,
    };
    let refused = world.client().retry_dead_letter(request).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    assert!(refused.message().contains("orchestrator-signals"), "{refused:?}");

    for (request_id, reason, field) in
        [("", "a test", "request_id"), ("r-2", " ", "reason"), ("r-2", &*"x".repeat(201), "reason")]
    {
        let request = wire::DiscardDeadLetterRequest {
            request_id: request_id.to_owned(),
            consumer: "orchestrator-signals".to_owned(),
            position: 1,
            reason: reason.to_owned(),
        };
        let refused = world.client().discard_dead_letter(request).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::InvalidArgument);
        assert!(refused.message().contains(field), "{refused:?}");
    }
    world.stop().await;
}
