//! Sends that the provider does not take at once.

mod support;

use std::time::Duration;

use contracts::wire::envelope as wire;
use contracts::wire::envelope::Stage;
use domain::envelope::Detection;
use providers::Class;
use support::provider::Fault;
use support::{World, auto, request};

const PROBE: Duration = Duration::from_secs(15 * 60 + 1);

/// Three envelopes that are to be sent, asked for in this order.
async fn three(world: &World) -> Vec<String> {
    three_over(world, ["main"; 3]).await
}

/// The same, over these connections.
async fn three_over(world: &World, connections: [&str; 3]) -> Vec<String> {
    let mut ids = Vec::new();
    for (number, connection) in (1..).zip(connections) {
        let wish = request(&format!("deal-{number}"));
        let wish = wire::CreateEnvelopeRequest { provider: connection.to_owned(), ..wish };
        let made = world.create(wish).await.expect("it is made");
        let id = made.envelope_id;
        world.until_stage(&id, Stage::Preparing).await;
        ids.push(id);
    }
    world.clock.advance(Duration::from_secs(2));
    for id in &ids {
        world.until_stage(id, Stage::InReview).await;
    }
    ids
}

async fn held(world: &World, id: &str) -> wire::Envelope {
    world.until(id, |envelope| envelope.hold() == wire::HoldReason::CreditsExhausted).await
}

fn sent(world: &World) -> Vec<String> {
    world.provider.journal().into_iter().filter(|line| line.starts_with("sent")).collect()
}

/// The first to be sent finds no credits left, and the others wait behind it.
async fn stand_in_line(world: &World, ids: &[String]) {
    world.provider.credits(Some(0));
    world.send(&ids[0]).await.expect("it is taken");
    held(world, &ids[0]).await;
    for id in &ids[1..] {
        world.send(id).await.expect("it is taken");
        world.until_stage(id, Stage::Sending).await;
    }
}

/// After a top-up.
async fn all_go_in_order(world: &World, ids: &[String]) {
    world.provider.credits(Some(5));
    world.clock.advance(PROBE);
    for id in ids {
        world.until_stage(id, Stage::Sent).await;
    }
    assert_eq!(sent(world), ["sent p-1", "sent p-2", "sent p-3"]);
}

#[tokio::test]
async fn sends_without_credits_wait_in_order_and_go_in_order_after_a_top_up() {
    let world = World::new().await;
    let ids = three(&world).await;
    stand_in_line(&world, &ids).await;
    world.clock.advance(PROBE);
    world.provider.until(|provider| provider.calls("send ") == 2).await;
    assert!(
        world
            .provider
            .journal()
            .iter()
            .filter(|line| line.starts_with("send "))
            .all(|line| line.contains("p-1"))
    );

    all_go_in_order(&world, &ids).await;
    let kinds = world.kinds(&ids[0]).await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "envelope.send_held").count(), 1);
    world.stop().await;
}

#[tokio::test]
async fn connections_that_share_a_pool_of_credits_wait_in_one_line_and_go_in_its_order() {
    let world = World::with_branch().await;
    let ids = three_over(&world, ["main", "branch", "main"]).await;
    stand_in_line(&world, &ids).await;
    world.clock.advance(PROBE);
    world.provider.until(|provider| provider.calls("send p-1") == 2).await;
    assert_eq!(world.provider.calls("send "), 2, "the other connection does not try while this one waits");

    all_go_in_order(&world, &ids).await;
    world.stop().await;
}

#[tokio::test]
async fn a_connection_whose_key_is_refused_keeps_no_other_of_its_pool_waiting() {
    let world = World::with_branch().await;
    let ids = three_over(&world, ["branch", "main", "main"]).await;
    world.provider.credits(Some(0));
    world.send(&ids[0]).await.unwrap();
    held(&world, &ids[0]).await;
    world.send(&ids[1]).await.unwrap();
    world.until_stage(&ids[1], Stage::Sending).await;
    // it is the first in the line, and comes again much later than the second looks
    world.provider.fail("send", [Fault::Refuse(Class::Unauthorized)]);
    world.provider.credits(Some(5));
    world.clock.advance(PROBE);
    for id in &ids[..2] {
        world.until_stage(id, Stage::Sent).await;
    }
    assert_eq!(sent(&world), ["sent p-2", "sent p-1"]);
    world.stop().await;
}

#[tokio::test]
async fn the_waiting_line_stands_again_after_a_restart() {
    let world = World::new().await;
    let ids = three(&world).await;
    stand_in_line(&world, &ids).await;
    let world = world.restart().await;
    all_go_in_order(&world, &ids).await;
    world.stop().await;
}

#[tokio::test]
async fn a_held_envelope_can_be_voided_and_frees_its_place() {
    let world = World::new().await;
    let ids = three(&world).await;
    world.provider.credits(Some(0));
    world.send(&ids[0]).await.unwrap();
    held(&world, &ids[0]).await;
    world.send(&ids[1]).await.unwrap();
    world.void(&ids[0]).await.unwrap();
    world.until_stage(&ids[0], Stage::Voided).await;
    world.provider.credits(Some(1));
    world.clock.advance(PROBE);
    world.until_stage(&ids[1], Stage::Sent).await;
    world.stop().await;
}

#[tokio::test]
async fn fields_that_moved_are_read_again_and_sent_once_more_under_another_key() {
    let world = World::new().await;
    let ids = three(&world).await;
    world.provider.change("p-1", |draft| draft.fields_version = 2);
    world.send(&ids[0]).await.unwrap();
    world.until_stage(&ids[0], Stage::Sent).await;
    let sends: Vec<_> =
        world.provider.journal().into_iter().filter(|line| line.starts_with("send ")).collect();
    assert_eq!(sends, ["send p-1 deal-1:send:1:1", "send p-1 deal-1:send:1:2"]);
    world.stop().await;
}

#[tokio::test]
async fn detection_that_runs_again_holds_the_send_until_it_is_done() {
    let world = World::new().await;
    let ids = three(&world).await;
    world.provider.change("p-1", |draft| draft.detection = Detection::Pending);
    world.send(&ids[0]).await.unwrap();
    world.until(&ids[0], |envelope| envelope.hold() == wire::HoldReason::NotReady).await;
    world.provider.change("p-1", |draft| draft.detection = Detection::Ready);
    world.until_stage(&ids[0], Stage::Sent).await;
    world.stop().await;
}

#[tokio::test]
async fn a_send_whose_answer_is_lost_costs_one_credit() {
    let world = World::new().await;
    world.provider.credits(Some(10));
    world.provider.fail("send", [Fault::LoseAnswer, Fault::Refuse(Class::OutcomeUnknown)]);
    let id = world.create(auto("deal-1")).await.unwrap().envelope_id;
    world.until_stage(&id, Stage::Preparing).await;
    world.clock.advance(Duration::from_secs(2));
    world.until_stage(&id, Stage::Sent).await;
    assert_eq!((world.provider.calls("send "), sent(&world).len()), (3, 1));
    world.stop().await;
}

#[tokio::test]
async fn a_document_that_somebody_has_open_is_sent_when_its_lock_has_ended_and_not_before() {
    let world = World::new().await;
    let made = world.create(request("deal-1")).await.expect("it is made");
    world.until_stage(&made.envelope_id, Stage::Preparing).await;
    world.clock.advance(Duration::from_secs(2));
    world.until_stage(&made.envelope_id, Stage::InReview).await;
    // longer than the pause where no end is told
    let lock = Duration::from_secs(4);
    world.provider.fail("send", [Fault::Lock(lock)]);
    let asked = std::time::Instant::now();
    world.send(&made.envelope_id).await.expect("it is asked for");
    world.until(&made.envelope_id, |envelope| envelope.hold() == wire::HoldReason::Locked).await;
    world.until_stage(&made.envelope_id, Stage::Sent).await;
    assert!(asked.elapsed() >= lock, "knocked at a locked door");
    assert_eq!(world.provider.calls("send "), 2);
    world.stop().await;
}
