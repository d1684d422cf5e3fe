//! What is settled is erased, and not shown in the meantime.

use contracts::intake::{DiscardCause, Discarded, IntakeEvent, Quarantined, Raw, quarantine_group};
use contracts::seal::Sealer;
use contracts::wire::verification as wire;
use domain::envelope::Digest;
use domain::ids::CommandId;
use domain::intake::Refusal;
use event_log::{Category, Commit, Entity, Expected, NewEvent, TraceContext, event_id};
use runtime::random::new_id;

use crate::support::vendors::atlas_with;
use crate::support::{START, World, eventually};

/// Appends a fact of a quarantined delivery by hand.
async fn append(world: &World, id: &str, event: &IntakeEvent, sealer: &Sealer) {
    let tenant = "acme".parse().expect("a tenant");
    let entity = Entity::new(Category::Intake, &tenant, id).expect("an entity");
    let command_id = CommandId::from_bytes(new_id());
    let event_id = event_id(&command_id, 0);
    let encoded = contracts::intake::encode(event, &event_id, sealer);
    let commit = Commit {
        command_id,
        correlation_id: id.to_owned(),
        causation_id: None,
        trace: TraceContext::default(),
        events: vec![NewEvent {
            id: event_id,
            kind: encoded.kind.to_owned(),
            schema: encoded.schema,
            occurred_at: START,
            payload: encoded.payload.into(),
        }],
    };
    world.log.append(&entity, Expected::Any, commit).await.expect("it is kept");
}

fn discarded(content_bytes: u64) -> IntakeEvent {
    IntakeEvent::Discarded(Discarded {
        connection: "atlas-main".parse().expect("a connection"),
        cause: DiscardCause::Operator,
        reason: "a scanner".to_owned(),
        received_at: START,
        at: START,
        content_bytes,
    })
}

#[tokio::test]
async fn what_a_process_settled_and_died_before_erasing_is_erased_all_the_same() {
    let world = World::new().await;
    world.accept(atlas_with("not-the-key", &vec![b'x'; 300 * 1024], START)).await;
    let entry = world.waiting("atlas-main").await.remove(0);
    let group = contracts::intake::quarantined_group(&entry.quarantine_id);
    assert_eq!(world.blobs(), 1);
    assert!(world.log.keys().find(&group).await.expect("an answer").is_some());

    // All that is left of a process that was killed between the fact and the erasure.
    append(&world, &entry.quarantine_id, &discarded(entry.content_bytes), &Sealer::new(&[0; 32])).await;
    eventually("the content to be removed", async || world.blobs() == 0).await;
    eventually("the key to be destroyed", async || {
        world.log.keys().find(&group).await.expect("an answer").is_none()
    })
    .await;
}

#[tokio::test]
async fn a_settled_delivery_is_shown_without_its_content_even_while_that_is_not_erased() {
    let world = World::new().await;
    // As the first version kept it: its key is that of the whole connection and outlives it.
    let connection: domain::ids::ConnectionId = "atlas-main".parse().expect("a connection");
    let key_group = quarantine_group(&connection);
    let key = world.log.keys().key(&key_group).await.expect("a key");
    let forged = atlas_with("not-the-key", b"{}", START);
    let quarantined = IntakeEvent::Quarantined(Quarantined {
        connection,
        reason: Refusal::SignatureWrong,
        bytes: 2,
        sha256: Digest([0; 32]),
        received_at: START,
        delivery: Some(Raw::Inline(contracts::wire::encode(&forged))),
        key_group,
        content_bytes: 0,
    });
    append(&world, "q-old", &quarantined, &Sealer::new(key.as_bytes())).await;
    assert_eq!(world.shown("atlas-main", "q-old").await.content, Some(forged));

    append(&world, "q-old", &discarded(0), &Sealer::new(&[0; 32])).await;
    let shown = world.shown("atlas-main", "q-old").await;
    assert_eq!(shown.quarantined.expect("it is known").state(), wire::QuarantineState::Discarded);
    assert_eq!(shown.content, None);
}
