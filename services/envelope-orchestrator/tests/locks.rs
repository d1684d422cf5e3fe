//! A document that somebody keeps open for longer than people should wait for it.

mod support;

use std::iter::repeat_with;
use std::time::Duration;

use contracts::wire::envelope::Stage;
use support::alarms::Alarms;
use support::provider::Fault;
use support::{World, request};

/// Waits until a send has been refused that was tried at the clock's present time.
async fn until_refused_again(world: &World) {
    let before = world.provider.calls("send ");
    world.provider.until(|provider| provider.calls("send ") >= before + 3).await;
}

#[tokio::test]
async fn a_document_that_is_kept_open_for_half_an_hour_is_told_once_and_tried_on() {
    let alarms = Alarms::count("locked");
    let world = World::new().await;
    let made = world.create(request("deal-1")).await.expect("it is made");
    world.until_stage(&made.envelope_id, Stage::Preparing).await;
    world.clock.advance(Duration::from_secs(2));
    world.until_stage(&made.envelope_id, Stage::InReview).await;
    world.provider.fail("send", repeat_with(|| Fault::Lock(Duration::from_millis(30))).take(10_000));
    world.send(&made.envelope_id).await.expect("it is asked for");
    until_refused_again(&world).await;
    // the provider lives ten times as fast: half an hour there is three minutes here
    world.clock.advance(Duration::from_secs(175));
    until_refused_again(&world).await;
    assert_eq!(alarms.raised(), 0, "somebody is told too early");

    // what is known of the lock outlives the process
    let world = world.restart().await;
    world.clock.advance(Duration::from_secs(6));
    until_refused_again(&world).await;
    assert_eq!(alarms.raised(), 1, "nobody is told");

    world.clock.advance(Duration::from_secs(600));
    until_refused_again(&world).await;
    let world = world.restart().await;
    until_refused_again(&world).await;
    assert_eq!(alarms.raised(), 1, "told again at a retry");
    world.stop().await;
}
