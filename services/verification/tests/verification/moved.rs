//! What is in quarantine outlives the configuration that it came under, and one that is lost holds nothing up.

use std::time::Duration;

use contracts::wire::verification as wire;
use wire::QuarantineOutcome as Outcome;

use crate::support::vendors::{ATLAS_KEY, atlas_event, atlas_with};
use crate::support::{CONFIGURATION, START, World, eventually, loaded};

const ONE_KEY: &str = "[{id: k1, env: ATLAS}]";
const AGE: Duration = Duration::from_secs(31 * 86_400);

fn wrong() -> String {
    CONFIGURATION.replace(ONE_KEY, "[{id: k0, env: ATLAS_OLD}]")
}

fn without_atlas() -> String {
    let (before, rest) = CONFIGURATION.split_once("  atlas-main:").expect("it is there");
    let (_, after) = rest.split_once("  pandadoc-sales:").expect("it is there");
    format!("{before}  pandadoc-sales:{after}")
}

fn under_another_tenant(configuration: &str) -> String {
    let tenants = configuration.replace("tenants: {acme: {}}", "tenants: {acme: {}, heir: {}}");
    tenants.replacen("tenant: acme", "tenant: heir", 1)
}

async fn take(world: &World, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let at = START.after(Duration::from_millis(u64::from(number)));
        world.accept(atlas_with(ATLAS_KEY, &atlas_event(number), at)).await;
    }
}

async fn release(world: &World) -> Vec<Outcome> {
    let request = wire::ReleaseQuarantinedRequest {
        connection: "atlas-main".to_owned(),
        request_id: "r-1".to_owned(),
        ..Default::default()
    };
    let answer = world.replica.client.clone().release_quarantined(request).await.expect("an answer");
    answer.into_inner().results.iter().map(wire::QuarantineResult::outcome).collect()
}

async fn all_is_given_up(world: &World) {
    world.clock.advance(AGE);
    eventually("the quarantine to be emptied", async || world.waiting("atlas-main").await.is_empty()).await;
}

#[tokio::test]
async fn of_a_connection_that_is_not_configured_any_more_what_waits_is_shown_discarded_and_given_up() {
    let world = World::with(&wrong()).await;
    take(&world, 0..2).await;
    let waiting = world.waiting("atlas-main").await;
    let group = contracts::intake::quarantined_group(&waiting[0].quarantine_id);
    world.configuration.replace(loaded(&without_atlas()));

    assert!(world.shown("atlas-main", &waiting[1].quarantine_id).await.content.is_some());
    let request = wire::DiscardQuarantinedRequest {
        connection: "atlas-main".to_owned(),
        quarantine_id: waiting[1].quarantine_id.clone(),
        reason: "the connection is gone".to_owned(),
        request_id: "r-2".to_owned(),
    };
    for _ in 0..2 {
        let discarded = world.replica.client.clone().discard_quarantined(request.clone()).await;
        let told = discarded.expect("it is given up").into_inner().quarantined.expect("it is known");
        assert_eq!(told.state(), wire::QuarantineState::Discarded);
    }
    assert_eq!(world.waiting("atlas-main").await.len(), 1);

    all_is_given_up(&world).await;
    eventually("its key to be destroyed", async || {
        world.log.keys().find(&group).await.expect("an answer").is_none()
    })
    .await;
}

#[tokio::test]
async fn what_waits_of_a_connection_that_changed_its_tenant_is_released_with_what_came_after() {
    let world = World::with(&wrong()).await;
    take(&world, 0..2).await;
    world.configuration.replace(loaded(&under_another_tenant(&wrong())));
    take(&world, 2..4).await;
    let oldest = world.waiting("atlas-main").await.pop().expect("it waits");
    assert!(world.shown("atlas-main", &oldest.quarantine_id).await.content.is_some());

    world.configuration.replace(loaded(&under_another_tenant(CONFIGURATION)));
    assert_eq!(release(&world).await, [Outcome::Released; 4]);
}

#[tokio::test]
async fn what_waits_of_a_connection_that_changed_its_tenant_is_given_up_with_what_came_after() {
    let world = World::with(&wrong()).await;
    take(&world, 0..2).await;
    world.configuration.replace(loaded(&under_another_tenant(&wrong())));
    take(&world, 2..4).await;
    assert_eq!(world.waiting("atlas-main").await.len(), 4);
    all_is_given_up(&world).await;
}

#[tokio::test]
async fn a_delivery_whose_content_is_lost_keeps_nothing_behind_it_waiting() {
    let world = World::with(&wrong()).await;
    world.accept(atlas_with(ATLAS_KEY, &vec![b'x'; 300 * 1024], START)).await;
    take(&world, 1..3).await;
    assert_eq!((world.waiting("atlas-main").await.len(), world.blobs()), (3, 1));
    world.lose_blobs();

    world.configuration.replace(loaded(CONFIGURATION));
    assert_eq!(release(&world).await, [Outcome::NoContent, Outcome::Released, Outcome::Released]);
    assert_eq!(world.waiting("atlas-main").await.len(), 1, "the lost one waits to be discarded");
    all_is_given_up(&world).await;
}
