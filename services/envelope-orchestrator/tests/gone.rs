//! What the provider does not know any more.

mod support;

use std::iter::repeat_with;
use std::time::Duration;

use contracts::wire::envelope::Stage;
use domain::intake::Claim;
use providers::Class;
use support::alarms::Alarms;
use support::provider::Fault;
use support::{World, news, request};

/// A draft before a person.
async fn draft(world: &World, request_id: &str) -> String {
    let id = world.create(request(request_id)).await.expect("it is made").envelope_id;
    world.until_stage(&id, Stage::Preparing).await;
    world.clock.advance(Duration::from_secs(2));
    world.until_stage(&id, Stage::InReview).await;
    id
}

/// The provider finds nothing from now on.
fn delete(world: &World) {
    world.provider.fail("snapshot", repeat_with(|| Fault::Refuse(Class::NotFound)).take(10_000));
}

#[tokio::test]
async fn people_are_told_of_what_somebody_deleted_and_not_of_what_was_deleted_because_we_voided_it() {
    let alarms = Alarms::count("gone");
    let world = World::new().await;
    world.provider.lists();
    let id = draft(&world, "deal-1").await;
    world.void(&id).await.expect("it is asked for");
    world.until_stage(&id, Stage::Voided).await;
    delete(&world);
    let mut deleted = news("p-1", Claim::Deleted, None);
    deleted.conclusive = true;
    world.signal(1, "document_deleted", deleted).await;
    world.until_stage(&id, Stage::Deleted).await;
    assert_eq!(alarms.raised(), 0, "told of our own doing");

    world.provider.mend();
    let other = draft(&world, "deal-2").await;
    delete(&world);
    world.advance_until_stage(&other, Stage::Deleted).await;
    assert_eq!(alarms.raised(), 1, "nobody is told");
    world.stop().await;
}
