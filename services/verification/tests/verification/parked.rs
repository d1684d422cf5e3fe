//! What was parked was answered 200: it is kept whatever becomes of its connection, and counted once however often it is
//! handed over.

use ::ledger::{Half, balance, names};
use contracts::parked::{ERASED, Parked, ParkedEvent, key_group};
use contracts::seal::Sealer;
use contracts::wire::verification as wire;
use domain::ids::ConnectionId;
use event_log::Category;
use wire::QuarantineOutcome as Outcome;

use crate::support::vendors::{ATLAS_KEY, atlas_event, atlas_with};
use crate::support::{CONFIGURATION, START, World, accepted, duplicate, eventually, loaded, said};

const ONE_KEY: &str = "[{id: k1, env: ATLAS}]";

fn without_atlas() -> String {
    let (before, rest) = CONFIGURATION.split_once("  atlas-main:").expect("it is there");
    let (_, after) = rest.split_once("  pandadoc-sales:").expect("it is there");
    format!("{before}  pandadoc-sales:{after}")
}

/// One that ingress parked and hands over.
fn parked(body: &[u8], id: &str) -> wire::Delivery {
    wire::Delivery {
        acknowledged: true,
        parked: Some(wire::ParkedAs { id: id.to_owned(), tenant: "acme".to_owned() }),
        ..atlas_with(ATLAS_KEY, body, START)
    }
}

/// One that comes straight, under the name ingress gave its arrival.
fn straight(body: &[u8], arrival: &str) -> wire::Delivery {
    wire::Delivery { arrival: arrival.to_owned(), ..atlas_with(ATLAS_KEY, body, START) }
}

/// The copy of it that ingress parked because the verdict came too late.
fn copy(body: &[u8], arrival: &str) -> wire::Delivery {
    wire::Delivery { arrival: arrival.to_owned(), ..parked(body, &format!("evt-of-{arrival}")) }
}

async fn release(world: &World) -> Result<Vec<Outcome>, tonic::Status> {
    let request = wire::ReleaseQuarantinedRequest {
        connection: "atlas-main".to_owned(),
        request_id: "r-1".to_owned(),
        ..Default::default()
    };
    let answer = world.replica.client.clone().release_quarantined(request).await?;
    Ok(answer.into_inner().results.iter().map(wire::QuarantineResult::outcome).collect())
}

#[tokio::test]
async fn a_parked_delivery_whose_connection_is_gone_is_kept_whole_and_released_once_it_is_back() {
    let world = World::with(&without_atlas()).await;
    let body = atlas_event(1);
    let answer = world.accept(parked(&body, "evt-1")).await;
    assert_eq!((answer.verdict(), answer.refusal.as_str()), (wire::Verdict::Refused, "connection_unknown"));
    let waiting = world.waiting("atlas-main").await;
    assert_eq!((waiting.len(), waiting[0].reason.as_str()), (1, "connection_unknown"));
    let shown = world.shown("atlas-main", &waiting[0].quarantine_id).await;
    assert_eq!(shown.content.expect("it is kept whole").body, body);
    let refused = release(&world).await.expect_err("nothing can prove it");
    assert!(refused.message().contains("put it back"), "{}", refused.message());

    world.configuration.replace(loaded(CONFIGURATION));
    assert_eq!(release(&world).await.expect("an answer"), [Outcome::Released]);
    assert_eq!(world.accepted().await.len(), 1);
    let line = world.ledger("atlas-main").await;
    assert_eq!((line.received, line.accepted, line.quarantined, line.duplicate), (1, 1, 0, 0));
}

#[tokio::test]
async fn one_that_was_not_parked_is_still_turned_away_when_its_connection_is_unknown() {
    let world = World::with(&without_atlas()).await;
    let answer = world.accept(atlas_with(ATLAS_KEY, &atlas_event(1), START)).await;
    assert_eq!(answer.verdict(), wire::Verdict::UnknownConnection);
    assert!(world.waiting("atlas-main").await.is_empty());
}

#[tokio::test]
async fn a_refused_delivery_that_is_handed_over_again_is_quarantined_and_counted_once() {
    let wrong = CONFIGURATION.replace(ONE_KEY, "[{id: k0, env: ATLAS_OLD}]");
    for configuration in [wrong, without_atlas()] {
        let world = World::with(&configuration).await;
        let large = vec![b'x'; 300 * 1024];
        for _ in 0..3 {
            assert_eq!(world.accept(parked(&large, "evt-1")).await.verdict(), wire::Verdict::Refused);
        }
        world.accept(parked(&large, "evt-2")).await;
        assert_eq!(world.waiting("atlas-main").await.len(), 2, "the same bytes parked twice are two");
        let line = world.ledger("atlas-main").await;
        assert_eq!((line.received, line.quarantined), (2, 2));
        assert_eq!(world.blobs(), 2);
    }
}

#[tokio::test]
async fn handed_over_to_two_replicas_at_once_it_is_quarantined_once_and_leaves_one_blob() {
    let world = World::with(&without_atlas()).await;
    let other = world.another_replica().await;
    let large = vec![b'x'; 300 * 1024];
    let both = (0..8).flat_map(|_| [&world.replica, &other]);
    let answers =
        futures::future::join_all(both.map(|replica| replica.accept(parked(&large, "evt-1")))).await;
    assert!(answers.iter().all(|answer| answer.verdict() == wire::Verdict::Refused));
    let line = world.ledger("atlas-main").await;
    assert_eq!((line.received, line.quarantined, world.blobs()), (1, 1, 1));
}

#[tokio::test]
async fn an_accepted_delivery_that_is_handed_over_again_is_counted_once() {
    let world = World::new().await;
    assert_eq!(said(&world.accept(parked(&atlas_event(1), "evt-1")).await), accepted(1, 0));
    assert_eq!(said(&world.accept(parked(&atlas_event(1), "evt-1")).await), duplicate(1));
    let line = world.ledger("atlas-main").await;
    assert_eq!((line.received, line.accepted, line.duplicate), (1, 1, 0));
    // Another delivery with the same news is one that came again.
    world.accept(parked(&atlas_event(1), "evt-2")).await;
    world.accept(parked(&atlas_event(1), "evt-2")).await;
    let line = world.ledger("atlas-main").await;
    assert_eq!((line.received, line.accepted, line.duplicate), (2, 1, 1));
}

#[tokio::test]
async fn quarantined_and_handed_over_again_under_the_mended_key_it_waits_for_its_release_and_is_stored_once()
{
    let world = World::with(&CONFIGURATION.replace(ONE_KEY, "[{id: k0, env: ATLAS_OLD}]")).await;
    world.accept(parked(&atlas_event(1), "evt-1")).await;
    world.configuration.replace(loaded(CONFIGURATION));
    let again = world.accept(parked(&atlas_event(1), "evt-1")).await;
    assert_eq!((again.verdict(), again.refusal.as_str()), (wire::Verdict::Refused, "signature_wrong"));
    assert_eq!(release(&world).await.expect("an answer"), [Outcome::Released]);
    // Even after that: its arrival is known.
    assert_eq!(world.accept(parked(&atlas_event(1), "evt-1")).await.verdict(), wire::Verdict::Refused);
    let line = world.ledger("atlas-main").await;
    assert_eq!((line.received, line.accepted, line.quarantined, line.duplicate), (1, 1, 0, 0));
}

#[tokio::test]
async fn accepted_and_refused_when_it_is_handed_over_again_it_is_stored_once_after_its_release() {
    let world = World::new().await;
    world.accept(parked(&atlas_event(1), "evt-1")).await;
    world.configuration.replace(loaded(&without_atlas()));
    assert_eq!(world.accept(parked(&atlas_event(1), "evt-1")).await.verdict(), wire::Verdict::Refused);
    world.configuration.replace(loaded(CONFIGURATION));
    assert_eq!(release(&world).await.expect("an answer"), [Outcome::Released]);
    let line = world.ledger("atlas-main").await;
    assert_eq!((line.received, line.accepted, line.quarantined, line.duplicate), (1, 1, 0, 0));
}

#[tokio::test]
async fn a_delivery_whose_verdict_came_too_late_and_its_parked_copy_are_one() {
    let world = World::new().await;
    let body = atlas_event(1);
    assert_eq!(said(&world.accept(straight(&body, "a-1")).await), accepted(1, 0));
    for _ in 0..2 {
        assert_eq!(said(&world.accept(copy(&body, "a-1")).await), duplicate(1));
    }
    let line = world.ledger("atlas-main").await;
    assert_eq!((line.received, line.accepted, line.duplicate), (1, 1, 0));
    // It came again, and that one was parked as well: one more, and known. Whichever is looked at first.
    world.accept(copy(&body, "a-2")).await;
    world.accept(straight(&body, "a-2")).await;
    let line = world.ledger("atlas-main").await;
    assert_eq!((line.received, line.accepted, line.duplicate), (2, 1, 1));
}

#[tokio::test]
async fn a_delivery_and_its_parked_copy_at_once_over_two_replicas_are_one() {
    let world = World::new().await;
    let other = world.another_replica().await;
    let bodies: Vec<Vec<u8>> = (0..20).map(atlas_event).collect();
    let both = bodies.iter().enumerate().map(|(number, body)| {
        let (world, other, arrival) = (&world, &other, format!("a-{number}"));
        async move { tokio::join!(world.accept(straight(body, &arrival)), other.accept(copy(body, &arrival))) }
    });
    futures::future::join_all(both).await;
    let line = world.ledger("atlas-main").await;
    assert_eq!((line.received, line.accepted, line.duplicate), (20, 20, 0));
}

#[tokio::test]
async fn a_refused_delivery_whose_verdict_came_too_late_and_its_parked_copy_are_quarantined_once_and_whole() {
    let world = World::with(&CONFIGURATION.replace(ONE_KEY, "[{id: k0, env: ATLAS_OLD}]")).await;
    let body = atlas_event(1);
    for delivery in [straight(&body, "a-1"), copy(&body, "a-1"), copy(&body, "a-2"), straight(&body, "a-2")] {
        assert_eq!(world.accept(delivery).await.verdict(), wire::Verdict::Refused);
    }
    let waiting = world.waiting("atlas-main").await;
    assert_eq!(waiting.len(), 2);
    for delivery in &waiting {
        let shown = world.shown("atlas-main", &delivery.quarantine_id).await;
        assert_eq!(shown.content.expect("it is kept whole").body, body);
    }
    let line = world.ledger("atlas-main").await;
    assert_eq!((line.received, line.quarantined), (2, 2));
}

#[tokio::test]
async fn a_parked_copy_is_kept_whole_although_there_was_no_room_for_the_delivery_itself() {
    let small = "[{id: k0, env: ATLAS_OLD}]\n    quarantine: {bytes_max: 1048576}";
    let world = World::with(&CONFIGURATION.replace(ONE_KEY, small)).await;
    let [before, body] = [vec![b'x'; 900 * 1024], vec![b'y'; 300 * 1024]];
    world.accept(straight(&before, "a-0")).await;
    world.accept(straight(&body, "a-1")).await;
    let of_it = |delivery: &wire::QuarantinedDelivery| delivery.bytes == 300 * 1024;
    let waiting = world.waiting("atlas-main").await;
    assert_eq!(waiting.iter().find(|one| of_it(one)).map(|one| one.content_bytes), Some(0), "no room");
    world.accept(copy(&body, "a-1")).await;
    let waiting = world.waiting("atlas-main").await;
    let whole = waiting.iter().find(|one| of_it(one) && one.content_bytes > 0).expect("it is kept");
    let shown = world.shown("atlas-main", &whole.quarantine_id).await;
    assert!(shown.content.expect("whole").body == body);
}

/// Appends a fact as ingress does.
async fn append(world: &World, fact: &ParkedEvent, sealer: &Sealer) {
    world.append(Category::Parked, "p-1", |id| contracts::parked::encode(fact, id, sealer)).await;
}

#[tokio::test]
async fn what_was_parked_is_handed_over_or_erased_or_waits_and_the_ledger_adds_up() {
    let world = World::new().await;
    let connection: ConnectionId = "atlas-main".parse().expect("a connection");
    let key = world.log.keys().key(&key_group(&connection)).await.expect("a key");
    let sealer = Sealer::new(key.as_bytes());
    for number in 0..7 {
        let delivery = contracts::wire::encode(&atlas_with(ATLAS_KEY, &atlas_event(number), START));
        let fact = ParkedEvent::Parked(Parked {
            connection: connection.clone(),
            bytes: 1,
            received_at: START,
            delivery: contracts::intake::Raw::Inline(delivery),
        });
        append(&world, &fact, &sealer).await;
    }
    for verdict in ["verdict_accepted", "verdict_refused", "verdict_duplicate", ERASED, ERASED] {
        let fact = ParkedEvent::HandedOver { verdict: verdict.to_owned(), at: START };
        append(&world, &fact, &sealer).await;
    }
    let tallies = async || {
        let request = wire::GetLedgerRequest { connection: "atlas-main".to_owned(), ..Default::default() };
        world.replica.client.clone().get_ledger(request).await.expect("an answer").into_inner().tallies
    };
    let nobody = Half { tallies: &[], complete: true };
    eventually("all of it to be counted", async || {
        let tallies = tallies().await;
        let sheets = balance(&tallies, &tallies, nobody, nobody);
        sheets.iter().any(|sheet| sheet.hour_ms == 0 && sheet.get(names::PARKED_ERASED) == 2)
    })
    .await;
    let tallies = tallies().await;
    let sheets = balance(&tallies, &tallies, nobody, nobody);
    let sheet = sheets.iter().find(|sheet| sheet.hour_ms == 0).expect("all together");
    let counts = [names::PARKED, names::HANDED_OVER, names::PARKED_ERASED, names::PARKED_WAITING];
    assert_eq!(counts.map(|name| sheet.get(name)), [7, 3, 2, 2]);
    let line = sheet.lines.iter().find(|line| line.says.starts_with("parked =")).expect("it is judged");
    assert_eq!((line.left, line.right), (7, 7), "{sheet:?}");
}
