//! What the provider forgets, and what we do by our own clock.

mod support;

use std::time::Duration;

use contracts::wire::envelope as wire;
use contracts::wire::envelope::Stage;
use providers::Class;
use support::provider::Fault;
use support::{World, auto, request};

/// Envelopes enough that one of them shares its follower's checkpoint with any other.
const MANY: usize = 96;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The create call is made, its answer is lost, and every further try fails, for longer than keys are remembered.
async fn lost_for_a_day(world: &World, first: Fault) -> String {
    let nothing_gets_through = std::iter::repeat_n(Fault::Refuse(Class::OutcomeUnknown), 10_000);
    world.provider.fail("create", std::iter::once(first).chain(nothing_gets_through));
    let id = world.create(request("deal-1")).await.expect("it is asked for").envelope_id;
    world.provider.until(|provider| provider.calls("create") >= 3).await;
    assert!(creates_before_a_search(world) >= 3, "within the window the key answers first");
    world.provider.forget_keys();
    id
}

/// Create calls before the first search, if there was one.
fn creates_before_a_search(world: &World) -> usize {
    let journal = world.provider.journal();
    journal
        .iter()
        .take_while(|line| !line.starts_with("find"))
        .filter(|line| line.starts_with("create"))
        .count()
}

#[tokio::test]
async fn a_create_that_meets_its_twin_again_and_again_is_looked_for_before_the_key_is_forgotten() {
    let world = World::new().await;
    let twins = std::iter::repeat_n(Fault::Refuse(Class::Conflict), 10_000);
    world.provider.fail("create", std::iter::once(Fault::LoseAnswer).chain(twins));
    let id = world.create(request("deal-1")).await.expect("it is asked for").envelope_id;
    let found = world.until(&id, |envelope| !envelope.provider_id.is_empty()).await;
    assert_eq!((found.provider_id.as_str(), world.provider.drafts().len()), ("p-1", 1));
    assert_eq!(creates_before_a_search(&world), 4, "the fifth try looks first");
    world.stop().await;
}

#[tokio::test]
async fn after_a_day_an_earlier_try_is_searched_for_and_adopted_instead_of_made_again() {
    let world = World::new().await;
    let id = lost_for_a_day(&world, Fault::LoseAnswer).await;
    world.clock.advance(DAY + Duration::from_secs(60));
    let found = world.until(&id, |envelope| !envelope.provider_id.is_empty()).await;
    assert_eq!((found.provider_id.as_str(), world.provider.drafts().len()), ("p-1", 1));
    assert!(world.provider.calls("find") >= 1);

    let (creates, provider) = (world.provider.calls("create"), world.provider.clone());
    provider.mend();
    let world = world.restart().await;
    world.until_stage(&id, Stage::InReview).await;
    assert_eq!(provider.calls("create"), creates, "not even for the review link: the key is forgotten");
    world.stop().await;
}

#[tokio::test]
async fn after_a_day_what_was_never_made_is_made_once() {
    let world = World::new().await;
    let id = lost_for_a_day(&world, Fault::Refuse(Class::OutcomeUnknown)).await;
    world.provider.mend();
    world.clock.advance(DAY + Duration::from_secs(60));
    world.until(&id, |envelope| !envelope.provider_id.is_empty()).await;
    assert_eq!(world.provider.drafts().len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn reminders_and_the_deadline_of_our_own_outlive_a_restart_and_come_once() {
    let world = World::new().await;
    let order = wire::CreateEnvelopeRequest {
        expires_after_ms: 3 * 86_400_000,
        remind_after_ms: vec![86_400_000, 2 * 86_400_000],
        ..auto("deal-1")
    };
    let id = world.create(order).await.expect("it is made").envelope_id;
    world.until_stage(&id, Stage::Preparing).await;
    world.clock.advance(Duration::from_secs(2));
    world.until_stage(&id, Stage::Sent).await;
    world.clock.advance(DAY + Duration::from_secs(1));
    world.provider.until(|provider| provider.calls("remind") == 1).await;
    let reminded = world.until(&id, |envelope| envelope.reminders_sent == 1).await;
    assert_eq!(reminded.stage(), Stage::Sent);

    let world = world.restart().await;
    world.clock.advance(DAY);
    world.provider.until(|provider| provider.calls("remind") == 2).await;
    world.clock.advance(DAY);
    world.until_stage(&id, Stage::Expired).await;
    assert_eq!((world.provider.calls("remind"), world.provider.calls("void")), (2, 1));
    world.stop().await;
}

#[tokio::test]
async fn a_reminder_that_the_provider_holds_back_holds_nothing_else_back() {
    let world = World::new().await;
    let id = world.create(auto("deal-1")).await.expect("it is made").envelope_id;
    world.until_stage(&id, Stage::Preparing).await;
    world.clock.advance(Duration::from_secs(2));
    world.until_stage(&id, Stage::Sent).await;
    world.provider.fail("remind", std::iter::repeat_n(Fault::Refuse(Class::RateLimited), 100));
    let wish = wire::RemindEnvelopeRequest { request_id: "remind-1".to_owned(), envelope_id: id.clone() };
    world.client().remind_envelope(tonic::Request::new(wish)).await.expect("it is asked for");
    world.void(&id).await.expect("it is asked for");
    world.until_stage(&id, Stage::Voided).await;
    assert!(world.provider.calls("remind") <= 5, "{} tries", world.provider.calls("remind"));
    world.stop().await;
}

#[tokio::test]
async fn a_restart_right_after_a_reminder_does_not_send_it_again_though_its_checkpoint_is_held_up() {
    let world = World::new().await;
    let id = world.create(auto("deal-1")).await.expect("it is made").envelope_id;
    world.until_stage(&id, Stage::Preparing).await;
    world.clock.advance(Duration::from_secs(2));
    world.until_stage(&id, Stage::Sent).await;
    // Creates that do not succeed come before the reminder in every share, and pin its checkpoint.
    world.provider.fail("create", std::iter::repeat_n(Fault::Refuse(Class::Transient), 1_000_000));
    for number in 0..MANY {
        world.create(request(&format!("stuck-{number}"))).await.expect("it is asked for");
    }
    let wish = wire::RemindEnvelopeRequest { request_id: "remind-1".to_owned(), envelope_id: id.clone() };
    world.client().remind_envelope(tonic::Request::new(wish)).await.expect("it is asked for");
    world.provider.until(|provider| provider.calls("remind") == 1).await;

    let world = world.restart().await;
    world.provider.mend();
    let head = world.log.head(event_log::Category::Envelopes).await.expect("the log answers");
    let passed = tokio::time::timeout(Duration::from_secs(30), async {
        while world.log.consumed("orchestrator-effects").await.expect("the log answers") < head {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    passed.await.expect("everything that was held up is delivered again");
    assert_eq!(world.provider.calls("remind"), 1);
    world.stop().await;
}
