//! What was given up is listed and tried again when a person says so, whichever follower gave it up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use contracts::intake::{DiscardCause, Discarded, IntakeEvent};
use contracts::parked::{ERASED, ParkedEvent};
use contracts::seal::Sealer;
use contracts::wire::common::DeadLetter;
use contracts::wire::verification as wire;
use contracts::{intake, parked};
use event_log::{Category, Consumer, Delivery, Handler, Outcome};
use tokio_util::sync::CancellationToken;

use crate::support::{START, World, eventually};

async fn letters(world: &World) -> Vec<DeadLetter> {
    let request = wire::ListDeadLettersRequest::default();
    let answer = world.replica.client.clone().list_dead_letters(request).await.expect("an answer");
    answer.into_inner().dead_letters
}

async fn retry(world: &World, letter: &DeadLetter) -> bool {
    let request = wire::RetryDeadLetterRequest {
        request_id: "r-1".to_owned(),
        consumer: letter.consumer.clone(),
        position: letter.position,
    };
    world.replica.client.clone().retry_dead_letter(request).await.expect("an answer").into_inner().found
}

async fn discard(world: &World, consumer: &str, position: u64, reason: &str) -> Result<bool, tonic::Code> {
    let request = wire::DiscardDeadLetterRequest {
        request_id: "d-1".to_owned(),
        consumer: consumer.to_owned(),
        position,
        reason: reason.to_owned(),
    };
    let answer = world.replica.client.clone().discard_dead_letter(request).await;
    answer.map(|answer| answer.into_inner().found).map_err(|status| status.code())
}

#[tokio::test]
async fn what_could_not_be_erased_is_listed_tried_again_and_forgotten() {
    let world = World::new().await;
    // It says that something was given up which never was in quarantine: nobody can know what to erase.
    let discarded = IntakeEvent::Discarded(Discarded {
        connection: "atlas-main".parse().expect("a connection"),
        cause: DiscardCause::Operator,
        reason: "a scanner".to_owned(),
        received_at: START,
        at: START,
        content_bytes: 10,
    });
    let none = Sealer::new(&[0; 32]);
    let position = world.append(Category::Intake, "q-none", |id| intake::encode(&discarded, id, &none)).await;
    eventually("it to be given up", async || !letters(&world).await.is_empty()).await;
    let found = letters(&world).await;
    let [letter] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((letter.consumer.as_str(), letter.position), ("verification-erasure", position));

    assert!(retry(&world, letter).await);
    eventually("the same end", async || letters(&world).await.iter().any(|again| again.at_ms > letter.at_ms))
        .await;
    assert_eq!(discard(&world, "nobody", position, "a test").await, Err(tonic::Code::InvalidArgument));
    assert_eq!(discard(&world, &letter.consumer, position, " ").await, Err(tonic::Code::InvalidArgument));
    assert_eq!(discard(&world, &letter.consumer, position, "a test").await, Ok(true));
    assert!(letters(&world).await.is_empty());
    assert!(!retry(&world, letter).await);
}

/// Ingress, which cannot hand over until it is mended.
struct Broken(Arc<AtomicBool>);

#[async_trait]
impl Handler for Broken {
    async fn handle(&self, _: &Delivery) -> Outcome {
        match self.0.load(Ordering::SeqCst) {
            true => Outcome::GiveUp { reason: "its blob is gone".to_owned() },
            false => Outcome::Done,
        }
    }
}

#[tokio::test]
async fn what_was_parked_and_could_not_be_handed_over_is_tried_again_and_never_forgotten() {
    let world = World::new().await;
    let (broken, shutdown) = (Arc::new(AtomicBool::new(true)), CancellationToken::new());
    let (log, handler, until) = (world.log.clone(), Arc::new(Broken(broken.clone())), shutdown.clone());
    world.tasks.spawn_fallible("handover", async move {
        log.follow(Consumer::new("ingress-handover", Category::Parked), handler, until).await
    });
    let fact = ParkedEvent::HandedOver { verdict: ERASED.to_owned(), at: START };
    let none = Sealer::new(&[0; 32]);
    world.append(Category::Parked, "q-none", |id| parked::encode(&fact, id, &none)).await;
    eventually("it to be given up", async || !letters(&world).await.is_empty()).await;
    let letter = letters(&world).await.remove(0);
    assert_eq!((letter.consumer.as_str(), letter.reason.as_str()), ("ingress-handover", "its blob is gone"));
    let refused = discard(&world, &letter.consumer, letter.position, "a test").await;
    assert_eq!(refused, Err(tonic::Code::FailedPrecondition));

    broken.store(false, Ordering::SeqCst);
    assert!(retry(&world, &letter).await);
    eventually("it to be handed over", async || letters(&world).await.is_empty()).await;
    shutdown.cancel();
}
