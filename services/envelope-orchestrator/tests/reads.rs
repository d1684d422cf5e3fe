//! Showing envelopes: pages, watches, evidence; and what is never shown.

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use contracts::wire::common::RecordRef;
use contracts::wire::envelope as wire;
use contracts::wire::envelope::Stage;
use contracts::wire::envelope::watch_envelopes_response::Update;
use futures::StreamExt as _;
use providers::Class;
use support::provider::Fault;
use support::{World, request};
use tonic::{Code, Request};

async fn several(world: &World, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..count {
        world.clock.advance(Duration::from_millis(10));
        let made = world.create(request(&format!("deal-{number}"))).await.expect("it is made");
        ids.push(made.envelope_id);
    }
    for id in &ids {
        world.until_stage(id, Stage::Preparing).await;
    }
    ids
}

async fn page(
    world: &World,
    page_token: String,
    filter: Option<wire::EnvelopeFilter>,
) -> wire::ListEnvelopesResponse {
    let head = world.log.head(event_log::Category::Envelopes).await.expect("the log answers");
    let request = wire::ListEnvelopesRequest { filter, page_size: 2, page_token, min_position: head.0 };
    world.client().list_envelopes(Request::new(request)).await.expect("a page").into_inner()
}

#[tokio::test]
async fn pages_list_every_envelope_once_newest_first() {
    let world = World::new().await;
    let mut ids = several(&world, 5).await;
    ids.reverse();
    let (mut listed, mut token) = (Vec::new(), String::new());
    loop {
        let answer = page(&world, token, None).await;
        listed.extend(answer.envelopes.into_iter().map(|envelope| envelope.envelope_id));
        token = answer.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(listed, ids);
    world.stop().await;
}

#[tokio::test]
async fn a_filter_finds_what_fits_it_and_a_strange_token_is_refused() {
    let world = World::new().await;
    let ids = several(&world, 3).await;
    let filter = wire::EnvelopeFilter { provider_id: "p-2".to_owned(), ..wire::EnvelopeFilter::default() };
    let found = page(&world, String::new(), Some(filter)).await.envelopes;
    let wanted = world.get(&found[0].envelope_id).await;
    assert_eq!((found.len(), wanted.provider_id.as_str()), (1, "p-2"));
    assert!(ids.contains(&wanted.envelope_id));

    let request =
        wire::ListEnvelopesRequest { page_token: "?".to_owned(), ..wire::ListEnvelopesRequest::default() };
    let refusal = world.client().list_envelopes(Request::new(request)).await.unwrap_err();
    assert_eq!(refusal.code(), Code::InvalidArgument);
    let strange =
        wire::GetEnvelopeRequest { envelope_id: format!("env_{}", "0".repeat(32)), min_position: 0 };
    assert_eq!(world.client().get_envelope(Request::new(strange)).await.unwrap_err().code(), Code::NotFound);
    world.stop().await;
}

#[tokio::test]
async fn the_lives_of_one_record_are_listed_page_by_page_whatever_else_there_is() {
    let world = World::new().await;
    let of = |deal: &str| RecordRef {
        connection: "crm".to_owned(),
        object_type: "deal".to_owned(),
        object_id: deal.to_owned(),
    };
    let mut lives = Vec::new();
    for number in 0..12 {
        world.clock.advance(Duration::from_millis(10));
        let deal = if number % 4 == 0 { "77" } else { "7" };
        let mut wish = request(&format!("trigger-{number}"));
        wish.record = Some(of(deal));
        let made = world.create(wish).await.expect("it is made");
        if deal == "77" {
            lives.insert(0, made.envelope_id);
        }
    }
    let filter = wire::EnvelopeFilter { record: Some(of("77")), ..wire::EnvelopeFilter::default() };
    let first = page(&world, String::new(), Some(filter.clone())).await;
    let second = page(&world, first.next_page_token, Some(filter)).await;
    let listed: Vec<String> = [first.envelopes, second.envelopes]
        .concat()
        .into_iter()
        .map(|envelope| envelope.envelope_id)
        .collect();
    assert_eq!(listed, lives);
    world.stop().await;
}

#[tokio::test]
async fn a_watch_resumes_after_its_token_without_gap_or_repetition() {
    let world = World::new().await;
    let ids = several(&world, 2).await;
    let watch = |resume_token: String| {
        let mut client = world.client();
        async move {
            let from_beginning = resume_token.is_empty();
            let request = wire::WatchEnvelopesRequest { resume_token, filter: None, from_beginning };
            client.watch_envelopes(Request::new(request)).await.expect("a watch").into_inner()
        }
    };
    let mut positions = Vec::new();
    let mut token = String::new();
    let mut kinds = BTreeSet::new();
    for _ in 0..6 {
        let update = watch(token).await.next().await.expect("an update").expect("a good one");
        token = update.resume_token;
        let Some(Update::Change(change)) = update.update else { panic!("the watch only beats") };
        positions.push(change.position);
        kinds.extend(change.kinds);
        assert!(ids.contains(&change.envelope.expect("as it stood").envelope_id));
    }
    assert!(positions.is_sorted_by(|one, next| one < next), "{positions:?}");
    assert!(kinds.contains("envelope.requested") && kinds.contains("envelope.created"), "{kinds:?}");
    world.stop().await;
}

#[tokio::test]
async fn evidence_and_the_log_hold_nothing_personal() {
    let world = World::new().await;
    let id = several(&world, 1).await.remove(0);
    let request = wire::GetEvidenceRequest { envelope_id: id.clone() };
    let evidence = world.client().get_evidence(Request::new(request)).await.unwrap().into_inner();
    assert!(evidence.chain_intact && evidence.entries.len() >= 3);
    let mut tail = world.log.tail(event_log::Category::Envelopes, event_log::Position::ZERO);
    let mut seen = format!("{evidence:?}").into_bytes();
    while let Some(Ok(event_log::Tailed::Commit(recorded))) = tail.next().await {
        seen.extend(recorded.events.iter().flat_map(|event| event.payload.to_vec()));
    }
    let seen = String::from_utf8_lossy(&seen);
    for secret in ["dana", "buyer.test", "files.test", "rt=secret"] {
        assert!(!seen.contains(secret), "{secret} is readable");
    }
    world.stop().await;
}

#[tokio::test]
async fn erasing_the_key_leaves_an_envelope_that_can_still_be_shown() {
    let world = World::new().await;
    let id = several(&world, 1).await.remove(0);
    assert_eq!(world.get(&id).await.parties[0].email, "dana@buyer.test");
    world.log.keys().destroy(&id).await.unwrap();
    let erased = world.get(&id).await;
    assert!(erased.erased && erased.parties[0].email.is_empty() && erased.review_url.is_empty());
    assert_eq!(erased.stage(), Stage::Preparing);
    world.stop().await;
}

#[tokio::test]
async fn a_deleted_view_is_rebuilt_and_finds_the_same() {
    let world = World::new().await;
    let ids = several(&world, 3).await;
    let world = world.restart_without_view().await;
    assert_eq!(page(&world, String::new(), None).await.envelopes[0].envelope_id, ids[2]);
    world.stop().await;
}

#[tokio::test]
async fn a_document_that_is_not_ready_delays_nothing_else() {
    let world = World::new().await;
    let id = several(&world, 1).await.remove(0);
    world.provider.fail("download", vec![Fault::Refuse(Class::NotReady); 1_000]);
    world.provider.change("p-1", |draft| (draft.signed, draft.claim) = (2, domain::intake::Claim::Completed));
    let mut done = support::news("p-1", domain::intake::Claim::Completed, None);
    done.conclusive = true;
    world.signal(1, "envelope.signed", done).await;
    let closed = world.until(&id, |envelope| envelope.confirmed).await;
    assert_eq!(closed.stage(), Stage::Completed);
    world.stop().await;
}
