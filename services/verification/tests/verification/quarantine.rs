//! What is not believed changes nothing, and can be looked at.

use contracts::wire::verification::{
    Delivery, GetQuarantinedRequest, GetQuarantinedResponse, ListQuarantineRequest, QuarantinedDelivery,
    Verdict,
};
use event_log::Category;

use crate::support::vendors::{ATLAS_KEY, atlas, atlas_event, atlas_with, header};
use crate::support::{START, World};

async fn listed(world: &World, page_size: u32, page_token: &str) -> (Vec<QuarantinedDelivery>, String) {
    // The ledger is the same view: it has caught up once it answers.
    world.ledger("atlas-main").await;
    let request = ListQuarantineRequest {
        connection: "atlas-main".to_owned(),
        page_size,
        page_token: page_token.to_owned(),
    };
    let page = world.replica.client.clone().list_quarantine(request).await.expect("a page").into_inner();
    (page.deliveries, page.next_page_token)
}

async fn show(world: &World, id: &str) -> Result<GetQuarantinedResponse, tonic::Status> {
    let request = GetQuarantinedRequest { quarantine_id: id.to_owned(), connection: "atlas-main".to_owned() };
    world.replica.client.clone().get_quarantined(request).await.map(tonic::Response::into_inner)
}

fn forged(number: u32) -> Delivery {
    atlas_with("not-the-key", &atlas_event(number), START)
}

#[tokio::test]
async fn a_refused_delivery_is_listed_and_shown_exactly_as_it_came() {
    let world = World::new().await;
    let mut forged = forged(1);
    forged.path_and_query = "/v1/hooks/atlas-main?x=%2F".to_owned();
    forged.headers.push(header("x-odd", b"\xff \x00"));
    forged.headers.push(header("x-odd", "again"));
    let answer = world.accept(forged.clone()).await;
    assert_eq!((answer.verdict(), answer.refusal.as_str()), (Verdict::Refused, "signature_wrong"));

    let (listed, _) = listed(&world, 0, "").await;
    let [entry] = listed.as_slice() else { panic!("{} entries", listed.len()) };
    assert_eq!((entry.reason.as_str(), entry.bytes), ("signature_wrong", forged.body.len() as u64));
    let shown = show(&world, &entry.quarantine_id).await.expect("it is there");
    assert_eq!(shown.quarantined.as_ref(), Some(entry));
    assert_eq!(shown.content, Some(forged));
}

#[tokio::test]
async fn a_large_refused_delivery_is_shown_whole_as_well() {
    let world = World::new().await;
    let forged = atlas_with("not-the-key", &vec![b'x'; 300 * 1024], START);
    world.accept(forged.clone()).await;
    let (listed, _) = listed(&world, 0, "").await;
    let shown = show(&world, &listed[0].quarantine_id).await.expect("it is there");
    assert!(shown.content == Some(forged));
}

#[tokio::test]
async fn every_odd_signature_is_refused_for_its_reason_and_no_signal_comes_of_it() {
    let world = World::new().await;
    let good = atlas(&atlas_event(1)).headers[0].clone();
    let with = |headers| Delivery { headers, ..forged(1) };
    let cases = [
        (with(Vec::new()), "signature_missing"),
        (with(vec![good.clone(), good]), "signature_repeated"),
        (with(vec![header("x-atlas-signature", "sha256=abc")]), "signature_malformed"),
        (with(vec![header("x-atlas-signature", b"\xff")]), "signature_malformed"),
    ];
    for (delivery, reason) in cases {
        let answer = world.accept(delivery).await;
        assert_eq!((answer.verdict(), answer.refusal.as_str()), (Verdict::Refused, reason));
    }
    assert!(world.accepted().await.is_empty());
    let line = world.ledger("atlas-main").await;
    assert_eq!((line.received, line.quarantined), (4, 4));
}

#[tokio::test]
async fn a_forgery_of_real_news_does_not_keep_the_real_news_out() {
    let world = World::new().await;
    world.accept(forged(1)).await;
    let answer = world.accept(atlas_with(ATLAS_KEY, &atlas_event(1), START)).await;
    assert_eq!((answer.verdict(), answer.accepted), (Verdict::Accepted, 1));
}

#[tokio::test]
async fn the_newest_are_listed_first_page_by_page() {
    let world = World::new().await;
    for number in 0..5 {
        let mut forged = forged(number);
        forged.received_at_ms += i64::from(number);
        world.accept(forged).await;
    }
    let (first, token) = listed(&world, 3, "").await;
    let (second, end) = listed(&world, 3, &token).await;
    let times: Vec<i64> = first.iter().chain(&second).map(|entry| entry.received_at_ms - START.0).collect();
    assert_eq!((times, end.as_str()), (vec![4, 3, 2, 1, 0], ""));
}

#[tokio::test]
async fn only_quarantined_deliveries_of_the_connection_are_shown() {
    let world = World::new().await;
    world.accept(atlas(&atlas_event(1))).await;
    assert!(world.log.head(Category::Intake).await.expect("the log answers").0 > 0);
    for id in ["q-00", "s-00", "", "no such id"] {
        let refused = show(&world, id).await.expect_err("there is none");
        assert_eq!(refused.code(), tonic::Code::NotFound, "{id}");
    }
}
