//! What providers report: early, late, repeated, of strangers, across restarts.

mod support;

use std::time::Duration;

use contracts::wire::envelope as wire;
use contracts::wire::envelope::Stage;
use domain::intake::Claim;
use support::provider::{Fault, draft};
use support::{World, auto, news, request, signed};
use tonic::Request;

#[tokio::test]
async fn a_webhook_that_comes_before_the_create_call_returned_finds_its_envelope_by_our_id() {
    let world = World::new().await;
    world.provider.fail("create", [Fault::Gate]);
    let made = world.create(request("deal-1")).await.unwrap();
    world.provider.until(|provider| provider.calls("create") == 1).await;
    world.signal(1, "envelope.sent", news("p-1", Claim::Sent, Some(&made.envelope_id))).await;
    let known = world.until_stage(&made.envelope_id, Stage::Sent).await;
    assert_eq!(known.provider_id, "p-1");
    world.provider.open_gate();
    world.until(&made.envelope_id, |envelope| !envelope.review_url.is_empty()).await;
    assert_eq!(world.provider.calls("create"), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_although_a_webhook_told_the_id_because_it_holds_the_review_link() {
    let world = World::new().await;
    world.provider.fail("create", [Fault::Gate, Fault::LoseAnswer]);
    world.provider.lose_gated();
    let made = world.create(request("deal-1")).await.unwrap();
    world.provider.until(|provider| provider.calls("create") == 1).await;
    world.signal(1, "envelope.created", news("p-1", Claim::Draft, Some(&made.envelope_id))).await;
    world.until(&made.envelope_id, |envelope| envelope.provider_id == "p-1").await;
    world.provider.open_gate();
    world.until(&made.envelope_id, |envelope| !envelope.review_url.is_empty()).await;
    assert_eq!((world.provider.calls("create"), world.provider.drafts().len()), (3, 1));
    world.stop().await;
}

#[tokio::test]
async fn an_answer_that_a_webhook_has_overtaken_is_asked_for_again() {
    let world = World::new().await;
    let made = world.create(auto("deal-1")).await.unwrap();
    let id = made.envelope_id.as_str();
    world.until_stage(id, Stage::Preparing).await;
    world.clock.advance(Duration::from_secs(2));
    world.until_stage(id, Stage::Sent).await;

    world.provider.change("p-1", |draft| draft.revision = Some(5));
    let before = world.provider.calls("snapshot");
    let mut viewed = news("p-1", Claim::Viewed, None);
    (viewed.revision, viewed.conclusive) = (Some(6), true);
    world.signal(1, "envelope.viewed", viewed).await;
    world.until_stage(id, Stage::Viewed).await;
    world.signal(2, "envelope.updated", news("p-1", Claim::Hint, None)).await;
    world.provider.until(|provider| provider.calls("snapshot") >= before + 2).await;
    world.provider.change("p-1", |draft| draft.revision = Some(6));
    world.until(id, |envelope| !envelope.confirmation_requested).await;
    world.stop().await;
}

#[tokio::test]
async fn an_early_webhook_without_our_id_waits_for_the_create_call() {
    let world = World::new().await;
    world.provider.fail("create", [Fault::Gate]);
    let made = world.create(request("deal-1")).await.unwrap();
    world.provider.until(|provider| provider.calls("create") == 1).await;
    world.signal(1, "envelope.viewed", news("p-1", Claim::Viewed, None)).await;
    world.provider.open_gate();
    world.until_stage(&made.envelope_id, Stage::Viewed).await;
    world.stop().await;
}

#[tokio::test]
async fn a_document_that_sales_sent_is_adopted_and_followed_to_its_end() {
    let world = World::new().await;
    world.provider.add("doc-7", draft(Claim::Sent, 2));
    let of_deal = |claim: Claim| {
        let mut news = news("doc-7", claim, None);
        news.correlation.insert("deal".to_owned(), "20417".to_owned());
        news
    };
    world.signal(1, "document.sent", of_deal(Claim::Sent)).await;
    let adopted = world.until_adopted().await;
    assert_eq!((adopted.provider_id.as_str(), adopted.flow.as_str()), ("doc-7", "sales"));
    let record = adopted.record.clone().unwrap();
    assert_eq!(
        (record.connection.as_str(), record.object_type.as_str(), record.object_id.as_str()),
        ("crm", "deal", "20417")
    );

    world.provider.change("doc-7", |draft| (draft.signed, draft.claim) = (2, Claim::Completed));
    world.signal(2, "document.completed", of_deal(Claim::Completed)).await;
    world.until_stage(&adopted.envelope_id, Stage::Completed).await;
    assert_eq!(world.provider.calls("create") + world.provider.calls("send "), 0);
    world.stop().await;
}

#[tokio::test]
async fn a_strangers_document_is_let_go() {
    let world = World::new().await;
    let position = world.signal(1, "document.sent", news("doc-9", Claim::Sent, None)).await;
    world.until_handled(position).await;
    let request = wire::ListEnvelopesRequest::default();
    let listed = world.client().list_envelopes(Request::new(request)).await.unwrap().into_inner();
    assert_eq!(listed.envelopes, []);
    world.stop().await;
}

#[tokio::test]
async fn the_same_news_twenty_times_is_one_fact() {
    let world = World::new().await;
    let made = world.create(request("deal-1")).await.unwrap();
    world.until_stage(&made.envelope_id, Stage::Preparing).await;
    let mut last = None;
    for number in 1..=20 {
        let mut first = news("p-1", Claim::PartySigned, None);
        first.parties = vec![signed(1)];
        last = Some(world.signal(number, "envelope.signed", first).await);
    }
    world.until_handled(last.unwrap()).await;
    let kinds = world.kinds(&made.envelope_id).await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "envelope.parties_progressed").count(), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_restart_in_the_middle_of_a_create_repeats_it_with_the_same_key() {
    let world = World::new().await;
    world.provider.fail("create", vec![Fault::LoseAnswer; 3]);
    let made = world.create(request("deal-1")).await.unwrap();
    world.provider.until(|provider| provider.calls("create") >= 1).await;
    let world = world.restart().await;
    world.until_stage(&made.envelope_id, Stage::Preparing).await;
    let keys: std::collections::BTreeSet<_> =
        world.provider.journal().into_iter().filter(|line| line.starts_with("create")).collect();
    assert_eq!(keys.len(), 1);
    assert_eq!(world.provider.drafts().len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_restart_in_the_middle_of_a_create_without_keys_does_not_search_before_there_is_something_to_find()
{
    let world = World::with(support::provider::Scripted::new(false)).await;
    let provider = world.provider.clone();
    provider.finds_after(Duration::from_secs(1));
    provider.fail("create", [Fault::Gate]);
    provider.lose_gated();
    let made = world.create(request("deal-1")).await.unwrap();
    provider.until(|provider| provider.calls("create") >= 1).await;
    // the answer is lost on the way down: nobody of this life tries again
    let (world, ()) = tokio::join!(world.restart(), async { provider.open_gate() });
    world.until(&made.envelope_id, |envelope| envelope.provider_id == "p-1").await;
    assert_eq!((provider.calls("create"), provider.drafts().len()), (1, 1));
    world.stop().await;
}

#[tokio::test]
async fn what_was_missed_while_we_were_down_is_polled_after_the_start() {
    let world = World::new().await;
    let made = world.create(request("deal-1")).await.unwrap();
    world.until_stage(&made.envelope_id, Stage::Preparing).await;
    let clock = world.clock.clone();
    let provider = world.provider.clone();
    let stopped = world.restart();
    provider.change("p-1", |draft| (draft.signed, draft.claim) = (2, Claim::Completed));
    clock.advance(Duration::from_secs(3 * 3600));
    let world = stopped.await;
    let done = world.until_stage(&made.envelope_id, Stage::Completed).await;
    assert!(done.confirmed);
    world.stop().await;
}
