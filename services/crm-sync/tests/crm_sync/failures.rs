//! The CRM fails: asked again as it wishes, never twice in effect, never for ever in vain.

use std::time::Duration;

use contracts::wire::crmsync::LinkState;
use domain::sync::SyncEvent;

use crate::support::deals::{too_fast, unwell};
use crate::support::{Fault, WRITES, World, completed, created, fields, requested, sent};
use crate::writes::envelope;

#[tokio::test]
async fn a_pause_that_the_crm_asks_for_is_kept() {
    let world = World::new().await;
    let pause = Duration::from_millis(300);
    world.deals.fail([too_fast(pause)]);
    world.tell(&envelope(), vec![requested("order-form"), created()]).await;
    world.deals.until("7", &[("esign_envelope_id", "prov_1")]).await;
    let tried = world.deals.tried_at();
    assert_eq!(tried.len(), 2);
    assert!(tried[1] - tried[0] >= pause, "asked again after {:?}", tried[1] - tried[0]);
}

#[tokio::test]
async fn a_record_that_is_gone_is_left_alone_from_then_on() {
    let world = World::new().await;
    let id = envelope();
    world.deals.remove("7");
    let position = world.tell(&id, vec![requested("order-form"), created()]).await;
    world.until_handled(WRITES, position).await;
    let states = world.sync(&id).await;
    assert!(states[0].orphaned);
    assert_eq!(states[0].link(), LinkState::Unlinked);
    let calls = world.deals.journal();
    let position = world.tell(&id, vec![sent(), completed()]).await;
    world.until_handled(WRITES, position).await;
    assert_eq!(world.deals.journal(), calls);
    assert!(world.dead_letters().await.is_empty(), "it is told by the story, nobody can retry it");
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_looked_for_and_not_made_twice() {
    let world = World::new().await;
    let id = envelope();
    world.tell(&id, vec![requested("order-form"), created()]).await;
    world.deals.until("7", &[("esign_envelope_id", "prov_1")]).await;
    world.deals.fail([Fault::AnswerLost]);
    let position = world.tell(&id, vec![sent()]).await;
    world.until_handled(WRITES, position).await;
    let outs = world.deals.applied().into_iter().filter(|write| write.contains_key("dealstage"));
    assert_eq!(
        outs.collect::<Vec<_>>(),
        [fields(&[("dealstage", "contract_out"), ("esign_status", "Pending")])]
    );
    let states = world.sync(&id).await;
    assert_eq!(
        (states[0].applied_version, states[0].failure_class.as_str()),
        (states[0].desired_version, "")
    );
}

#[tokio::test]
async fn a_person_who_moves_on_while_our_answer_is_lost_is_not_overruled() {
    let world = World::new().await;
    let id = envelope();
    world.tell(&id, vec![requested("order-form"), created(), sent()]).await;
    world.deals.until("7", &[("dealstage", "contract_out")]).await;
    world.deals.fail([Fault::AnswerLost, unwell(), unwell()]);
    world.deals.set("7", fields(&[("dealstage", "contract_out")]));
    let position = world.tell(&id, vec![completed()]).await;
    world.deals.until("7", &[("dealstage", "closedwon")]).await;
    world.until_handled(WRITES, position).await;
    assert_eq!(world.deals.get("7")["esign_status"], "Signed");
}

#[tokio::test]
async fn a_crash_between_the_write_and_its_outcome_ends_with_the_same_values_and_then_nothing() {
    let world = World::new().await;
    let id = envelope();
    world.tell(&id, vec![requested("order-form"), created()]).await;
    world.deals.until("7", &[("esign_envelope_id", "prov_1")]).await;
    world.deals.fail([Fault::Held]);
    let position = world.tell(&id, vec![sent()]).await;
    world.deals.until("7", &[("dealstage", "contract_out")]).await;
    // The write landed, its answer never comes, and the services go down over it.
    let world = world.restart().await;
    world.until_handled(WRITES, position).await;
    let facts = world.facts().await;
    assert!(matches!(facts.last(), Some(SyncEvent::Applied { .. })), "{facts:?}");
    let out = fields(&[("dealstage", "contract_out"), ("esign_status", "Pending")]);
    for write in world.deals.applied().iter().skip(1) {
        assert!(write.iter().all(|(field, value)| out.get(field) == Some(value)), "another value: {write:?}");
    }
    let (calls, facts) = (world.deals.journal(), world.facts().await.len());
    let world = world.restart().await;
    world.until_handled(WRITES, position).await;
    assert_eq!((world.deals.journal(), world.facts().await.len()), (calls, facts), "and then nothing");
}

#[tokio::test]
async fn one_crm_that_is_unwell_does_not_keep_the_other_ones_from_being_written() {
    let world = World::new().await;
    world.books.fail((0..200).map(|_| unwell()));
    let id = envelope();
    world.tell(&id, vec![requested("billed"), created(), completed()]).await;
    world.deals.until("7", &[("esign_envelope_id", "prov_1"), ("esign_status", "Signed")]).await;
    assert!(!world.books.get("70").contains_key("contract"));
}
