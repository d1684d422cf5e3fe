//! What sending costs, counted from what happened to the envelopes.

mod support;

use std::time::Duration;

use contracts::wire::envelope as wire;
use contracts::wire::envelope::Stage;
use support::{World, auto};
use tonic::{Code, Request};

async fn sent(world: &World, request_id: &str) -> String {
    sent_over(world, "main", request_id).await
}

async fn sent_over(world: &World, connection: &str, request_id: &str) -> String {
    let wish = wire::CreateEnvelopeRequest { provider: connection.to_owned(), ..auto(request_id) };
    let id = world.create(wish).await.expect("it is made").envelope_id;
    world.until_stage(&id, Stage::Preparing).await;
    world.clock.advance(Duration::from_secs(2));
    world.until_stage(&id, Stage::Sent).await;
    id
}

/// The credits once the view has seen everything that is in the log.
async fn credits(world: &World) -> wire::Credits {
    credits_of(world, "main").await
}

async fn credits_of(world: &World, connection: &str) -> wire::Credits {
    let head = world.log.head(event_log::Category::Envelopes).await.expect("the log answers");
    let request = wire::GetCreditsRequest { provider: connection.to_owned(), min_position: head.0 };
    let answer = world.client().get_credits(Request::new(request)).await.expect("it counts").into_inner();
    answer.credits.into_iter().next().expect("one connection")
}

#[tokio::test]
async fn an_envelope_costs_one_credit_and_a_void_before_anybody_signed_gives_it_back() {
    let world = World::new().await;
    let voided = sent(&world, "deal-1").await;
    sent(&world, "deal-2").await;
    world.void(&voided).await.unwrap();
    world.until_stage(&voided, Stage::Voided).await;

    let told = credits(&world).await;
    assert_eq!((told.sent, told.refunded, told.remaining), (2, 1, Some(9)), "of the ten that were known");
    assert_eq!((told.exhausted, told.known, told.used_per_day), (false, Some(10), 1.0));
    assert!(told.runs_out_at_ms > told.last_sent_at_ms);

    let world = world.restart_without_view().await;
    let again = credits(&world).await;
    assert_eq!((again.sent, again.refunded, again.remaining), (2, 1, Some(9)), "the log alone tells it");
    world.stop().await;
}

#[tokio::test]
async fn connections_that_share_a_pool_are_told_what_is_left_for_all_of_them() {
    let world = World::with_branch().await;
    sent_over(&world, "main", "deal-1").await;
    let voided = sent_over(&world, "branch", "deal-2").await;
    sent_over(&world, "branch", "deal-3").await;
    world.void(&voided).await.unwrap();
    world.until_stage(&voided, Stage::Voided).await;
    for (connection, of_its_own) in [("main", (1, 0)), ("branch", (2, 1))] {
        let told = credits_of(&world, connection).await;
        assert_eq!((told.sent, told.refunded), of_its_own, "{connection}");
        assert_eq!((told.remaining, told.used_per_day, told.pool.as_str()), (Some(8), 2.0, "house"));
    }

    world.provider.credits(Some(0));
    let wish = wire::CreateEnvelopeRequest { provider: "branch".to_owned(), ..auto("deal-4") };
    let id = world.create(wish).await.expect("it is made").envelope_id;
    world.until_stage(&id, Stage::Preparing).await;
    world.clock.advance(Duration::from_secs(2));
    world.until(&id, |envelope| envelope.hold() == wire::HoldReason::CreditsExhausted).await;
    let told = credits_of(&world, "main").await;
    assert_eq!(
        (told.exhausted, told.remaining, told.held_sends, told.last_refused_at_ms),
        (true, Some(0), 0, 0)
    );
    world.stop().await;
}

#[tokio::test]
async fn a_refusal_for_want_of_credits_says_that_nothing_is_left_until_one_gets_out() {
    let world = World::new().await;
    world.provider.credits(Some(0));
    let id = world.create(auto("deal-1")).await.expect("it is made").envelope_id;
    world.until_stage(&id, Stage::Preparing).await;
    world.clock.advance(Duration::from_secs(2));
    world.until(&id, |envelope| envelope.hold() == wire::HoldReason::CreditsExhausted).await;
    let told = credits(&world).await;
    assert_eq!((told.exhausted, told.remaining, told.held_sends, told.sent), (true, Some(0), 1, 0));

    world.provider.credits(Some(5));
    world.clock.advance(Duration::from_secs(16 * 60));
    world.until_stage(&id, Stage::Sent).await;
    let told = credits(&world).await;
    assert_eq!((told.exhausted, told.remaining, told.held_sends, told.sent), (false, None, 0, 1));
    world.stop().await;
}

#[tokio::test]
async fn a_connection_that_counts_no_credits_is_said_not_to() {
    let world = World::new().await;
    let request = wire::GetCreditsRequest { provider: "crm".to_owned(), min_position: 0 };
    let refused = world.client().get_credits(Request::new(request)).await.expect_err("it counts none");
    assert_eq!(refused.code(), Code::NotFound);
    world.stop().await;
}
