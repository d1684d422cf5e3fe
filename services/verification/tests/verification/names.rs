//! A signal with two names is one signal, whichever of the two a delivery brings: the id in its header, or its body.

use contracts::intake::{Accepted, IntakeEvent, Named, Raw, key_group};
use contracts::seal::Sealer;
use domain::envelope::Digest;
use domain::intake::{Meaning, NoMeaning};
use event_log::Category;
use futures::future::join_all;
use sha2::{Digest as _, Sha256};

use crate::support::vendors::{pandadoc, pandadoc_named};
use crate::support::{START, World, accepted, duplicate, said};

const CONNECTION: &str = "pandadoc-sales";

/// That a document changed, told apart by its number.
fn news(number: u32) -> Vec<u8> {
    format!(
        r#"[{{"event":"document_state_changed","data":{{"id":"doc{number}","status":"document.sent"}}}}]"#
    )
    .into_bytes()
}

/// The digest of a name, and the entity of it.
fn name(dedupe: &str) -> (Digest, String) {
    let digest: [u8; 32] = Sha256::digest(format!("{CONNECTION}\0{dedupe}")).into();
    (Digest(digest), format!("s-{}", hex::encode(&digest[..20])))
}

fn by_body(body: &[u8]) -> String {
    format!("{}:0", hex::encode(Sha256::digest(body)))
}

async fn counted(world: &World) -> (u64, u64, u64) {
    let line = world.ledger(CONNECTION).await;
    (line.received, line.accepted, line.duplicate)
}

#[tokio::test]
async fn the_same_body_under_another_id_or_under_none_is_a_duplicate() {
    let world = World::new().await;
    assert_eq!(said(&world.accept(pandadoc_named("e1", &news(1))).await), accepted(1, 0));
    assert_eq!(said(&world.accept(pandadoc_named("e2", &news(1))).await), duplicate(1));
    assert_eq!(said(&world.accept(pandadoc(&news(1))).await), duplicate(1));
    assert_eq!(counted(&world).await, (3, 1, 2));
}

#[tokio::test]
async fn a_body_that_came_without_an_id_is_a_duplicate_under_every_id() {
    let world = World::new().await;
    assert_eq!(said(&world.accept(pandadoc(&news(1))).await), accepted(1, 0));
    for id in ["e1", "e2", "e1"] {
        assert_eq!(said(&world.accept(pandadoc_named(id, &news(1))).await), duplicate(1));
    }
    assert_eq!(counted(&world).await, (4, 1, 3));
}

#[tokio::test]
async fn the_same_id_with_another_body_is_a_duplicate_and_so_is_an_id_that_was_told_as_known() {
    let world = World::new().await;
    assert_eq!(said(&world.accept(pandadoc_named("e1", &news(1))).await), accepted(1, 0));
    assert_eq!(said(&world.accept(pandadoc_named("e1", &news(2))).await), duplicate(1));
    assert_eq!(said(&world.accept(pandadoc_named("e2", &news(1))).await), duplicate(1));
    assert_eq!(said(&world.accept(pandadoc_named("e2", &news(3))).await), duplicate(1));
    assert_eq!(said(&world.accept(pandadoc_named("e4", &news(4))).await), accepted(1, 0));
    assert_eq!(counted(&world).await, (5, 2, 3));
}

#[tokio::test]
async fn of_many_ids_for_one_body_at_once_over_two_replicas_one_is_new() {
    let world = World::new().await;
    let other = world.another_replica().await;
    let sending = (0..20).map(|number: usize| {
        let replica = if number.is_multiple_of(2) { &world.replica } else { &other };
        let delivery = match number {
            0..4 => pandadoc(&news(1)),
            number => pandadoc_named(&format!("e{}", number / 2), &news(1)),
        };
        replica.accept(delivery)
    });
    let answers = join_all(sending).await;
    assert_eq!(answers.iter().map(|answer| answer.accepted).sum::<u32>(), 1);
    assert_eq!(counted(&world).await, (20, 1, 19));
    assert_eq!(world.accepted().await.len(), 1);
}

#[tokio::test]
async fn what_an_older_version_stored_under_an_id_alone_is_known_and_by_its_body_from_its_next_delivery_on() {
    let world = World::new().await;
    let (dedupe, entity) = name("e1:0");
    let event = IntakeEvent::Accepted(Box::new(Accepted {
        connection: CONNECTION.parse().expect("a connection"),
        delivery_id: hex::encode(Sha256::digest(news(1))),
        key_id: "s1".to_owned(),
        event: "document_state_changed".to_owned(),
        dedupe,
        subject: "doc1".to_owned(),
        occurred_at: None,
        received_at: START,
        meaning: Meaning::Nothing(NoMeaning::NotOurs),
        replayed: false,
        raw: Raw::Inline(news(1)),
    }));
    let group = key_group(&CONNECTION.parse().expect("a connection"), "doc1");
    let key = world.log.keys().key(&group).await.expect("a key");
    let sealer = Sealer::new(key.as_bytes());
    world.append(Category::Intake, &entity, |id| contracts::intake::encode(&event, id, &sealer)).await;
    assert_eq!(said(&world.accept(pandadoc_named("e1", &news(1))).await), duplicate(1));
    assert_eq!(said(&world.accept(pandadoc_named("e2", &news(1))).await), duplicate(1));
    assert_eq!(said(&world.accept(pandadoc(&news(1))).await), duplicate(1));
    assert_eq!(counted(&world).await, (4, 1, 3));
}

#[tokio::test]
async fn a_name_whose_signal_was_never_stored_leads_the_next_one_to_its_place_whatever_its_id() {
    for first in [pandadoc(&news(1)), pandadoc_named("e2", &news(1)), pandadoc_named("e1", &news(1))] {
        let world = World::new().await;
        let (also, entity) = name(&by_body(&news(1)));
        // The process died between the two writes.
        let event = IntakeEvent::Named(Named {
            connection: CONNECTION.parse().expect("a connection"),
            dedupe: also,
            signal: name("e1:0").0,
            received_at: START,
        });
        let none = Sealer::new(&[0; 32]);
        world.append(Category::Intake, &entity, |id| contracts::intake::encode(&event, id, &none)).await;
        assert_eq!(said(&world.accept(first).await), accepted(1, 0));
        assert_eq!(said(&world.accept(pandadoc_named("e1", &news(1))).await), duplicate(1));
        assert_eq!(said(&world.accept(pandadoc(&news(1))).await), duplicate(1));
        assert_eq!(counted(&world).await, (3, 1, 2));
    }
}
