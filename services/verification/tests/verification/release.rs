//! Out of quarantine: what verifies under the mended key is released in order, what does not stays.

use contracts::wire::verification as wire;
use wire::QuarantineOutcome as Outcome;

use crate::support::vendors::{ATLAS_KEY, ATLAS_OLD_KEY, atlas_event, atlas_with, hubspot_at};
use crate::support::{CONFIGURATION, START, World, loaded};

const ONE_KEY: &str = "[{id: k1, env: ATLAS}]";

fn wrong() -> String {
    CONFIGURATION.replace(ONE_KEY, "[{id: k0, env: ATLAS_OLD}]")
}

async fn release(world: &World, page_size: u32, token: &str) -> wire::ReleaseQuarantinedResponse {
    let request = wire::ReleaseQuarantinedRequest {
        connection: "atlas-main".to_owned(),
        page_size,
        page_token: token.to_owned(),
        request_id: "r-1".to_owned(),
        ..Default::default()
    };
    world.replica.client.clone().release_quarantined(request).await.expect("an answer").into_inner()
}

async fn release_all(world: &World, page_size: u32) -> Vec<wire::QuarantineResult> {
    let mut page = release(world, page_size, "").await;
    let mut results = page.results;
    while !page.next_page_token.is_empty() {
        page = release(world, page_size, &page.next_page_token).await;
        results.extend(page.results);
    }
    results
}

fn outcomes(results: &[wire::QuarantineResult], outcome: Outcome) -> usize {
    results.iter().filter(|result| result.outcome() == outcome).count()
}

/// Genuine ones under a key we do not have yet, received in another order than they are appended, with forged between.
async fn mixed(genuine: u32, forged: u32) -> World {
    let world = World::with(&wrong()).await;
    for number in (0..genuine).rev() {
        let at = START.after(std::time::Duration::from_millis(u64::from(number) * 10));
        world.accept(atlas_with(ATLAS_KEY, &atlas_event(number), at)).await;
        if number < forged {
            world.accept(atlas_with("not-the-key", &atlas_event(10_000 + number), at)).await;
        }
    }
    world
}

#[tokio::test]
async fn after_the_key_is_mended_the_genuine_are_released_in_the_order_of_receipt_and_the_forged_stay() {
    let world = mixed(50, 20).await;
    let before = world.ledger("atlas-main").await;
    assert_eq!((before.received, before.quarantined, before.accepted), (70, 70, 0));

    world.configuration.replace(loaded(CONFIGURATION));
    let results = release_all(&world, 7).await;
    assert_eq!(outcomes(&results, Outcome::Released), 50);
    assert_eq!(outcomes(&results, Outcome::Refused), 20);

    let accepted = world.accepted().await;
    let times: Vec<i64> = accepted.iter().map(|(_, signal)| signal.received_at.0 - START.0).collect();
    assert_eq!(times, (0..50).map(|number| number * 10).collect::<Vec<_>>());
    assert!(accepted.iter().all(|(_, signal)| signal.key_id == "k1"));
    let line = world.ledger("atlas-main").await;
    assert_eq!((line.received, line.quarantined, line.accepted), (70, 20, 50));
    assert_eq!(world.waiting("atlas-main").await.len(), 20);

    let again = release_all(&world, 100).await;
    assert_eq!((again.len(), outcomes(&again, Outcome::Refused)), (20, 20));
    assert_eq!(world.accepted().await.len(), 50);
}

#[tokio::test]
async fn two_operators_at_two_replicas_release_each_delivery_once() {
    let world = mixed(30, 5).await;
    world.configuration.replace(loaded(CONFIGURATION));
    let other = world.another_replica().await;
    let request = || wire::ReleaseQuarantinedRequest {
        connection: "atlas-main".to_owned(),
        request_id: "r-5".to_owned(),
        ..Default::default()
    };
    let (mut one, mut two) = (world.replica.client.clone(), other.client.clone());
    let (one, two) = tokio::join!(one.release_quarantined(request()), two.release_quarantined(request()));
    let released = [one, two]
        .map(|answer| outcomes(&answer.expect("an answer").into_inner().results, Outcome::Released));
    assert_eq!(released.iter().sum::<usize>(), 30, "{released:?}");
    let line = world.ledger("atlas-main").await;
    assert_eq!((line.received, line.accepted, line.duplicate, line.quarantined), (35, 30, 0, 5));
}

#[tokio::test]
async fn a_look_says_what_would_verify_and_changes_nothing() {
    let world = mixed(3, 1).await;
    let look = async || {
        let request =
            wire::ReverifyQuarantinedRequest { connection: "atlas-main".to_owned(), ..Default::default() };
        let answer = world.replica.client.clone().reverify_quarantined(request).await.expect("an answer");
        answer.into_inner().results
    };
    assert_eq!(outcomes(&look().await, Outcome::Refused), 4);
    world.configuration.replace(loaded(CONFIGURATION));
    let found = look().await;
    assert_eq!((outcomes(&found, Outcome::Verifies), outcomes(&found, Outcome::Refused)), (3, 1));
    assert!(found.iter().all(|result| result.key_id.is_empty() != result.refusal.is_empty()));
    assert!(world.accepted().await.is_empty());
    assert_eq!(world.waiting("atlas-main").await.len(), 4);
}

#[tokio::test]
async fn a_released_delivery_is_erased_from_quarantine_and_releasing_it_again_says_the_same() {
    let world = mixed(1, 0).await;
    world.configuration.replace(loaded(CONFIGURATION));
    let id = world.waiting("atlas-main").await[0].quarantine_id.clone();
    let one = async || {
        let request = wire::ReleaseQuarantinedRequest {
            connection: "atlas-main".to_owned(),
            quarantine_id: id.clone(),
            request_id: "r-2".to_owned(),
            ..Default::default()
        };
        let answer = world.replica.client.clone().release_quarantined(request).await.expect("an answer");
        answer.into_inner().results.remove(0)
    };
    let (first, second) = (one().await, one().await);
    assert_eq!((first.outcome(), second.outcome()), (Outcome::Released, Outcome::SettledBefore));
    assert_eq!((first.signals_new, &first.key_id), (second.signals_new, &second.key_id));
    let shown = world.shown("atlas-main", &id).await;
    assert_eq!(shown.quarantined.expect("it is known").state(), wire::QuarantineState::Released);
    assert_eq!(shown.content, None);
    assert_eq!(world.accepted().await.len(), 1);
}

#[tokio::test]
async fn news_that_came_again_meanwhile_is_not_doubled_by_a_release() {
    let world = mixed(2, 0).await;
    world.configuration.replace(loaded(CONFIGURATION));
    world.accept(atlas_with(ATLAS_KEY, &atlas_event(0), START)).await;
    let results = release_all(&world, 0).await;
    let counts: Vec<_> = results.iter().map(|result| (result.signals_new, result.signals_known)).collect();
    assert_eq!(counts, [(0, 1), (1, 0)]);
    let line = world.ledger("atlas-main").await;
    assert_eq!((line.received, line.accepted, line.duplicate, line.quarantined), (3, 2, 1, 0));
}

#[tokio::test]
async fn a_scheme_with_a_timestamp_is_judged_by_the_time_of_receipt_however_late_it_is_released() {
    let wrong = CONFIGURATION.replace("env: HUBSPOT}", "env: ATLAS}");
    let world = World::with(&wrong).await;
    let old = START.0 - 400_000;
    for signed_at in [START.0, old] {
        world.accept(hubspot_at(br#"[{"eventId":1}]"#, signed_at)).await;
    }
    world.configuration.replace(loaded(CONFIGURATION));
    world.clock.advance(std::time::Duration::from_secs(7 * 86_400));
    let request = wire::ReleaseQuarantinedRequest {
        connection: "hubspot-main".to_owned(),
        request_id: "r-3".to_owned(),
        ..Default::default()
    };
    let answer = world.replica.client.clone().release_quarantined(request).await.expect("an answer");
    let results = answer.into_inner().results;
    let said: Vec<_> = results.iter().map(|result| (result.outcome(), result.refusal.as_str())).collect();
    assert_eq!(said, [(Outcome::Released, ""), (Outcome::Refused, "timestamp_out_of_window")]);
}

#[tokio::test]
async fn a_key_whose_window_was_over_at_the_time_of_receipt_and_is_over_now_releases_nothing() {
    let keys = "[{id: k1, env: ATLAS}, {id: k0, env: ATLAS_OLD, not_after: 2027-01-01T00:00:00Z}]";
    let world = World::with(&CONFIGURATION.replace(ONE_KEY, keys)).await;
    world.accept(atlas_with(ATLAS_OLD_KEY, &atlas_event(1), START)).await;
    assert_eq!(outcomes(&release_all(&world, 0).await, Outcome::Refused), 1);
    assert!(world.accepted().await.is_empty());
}

#[tokio::test]
async fn a_discarded_delivery_is_erased_counted_still_and_never_released() {
    let world = mixed(1, 0).await;
    let id = world.waiting("atlas-main").await[0].quarantine_id.clone();
    let discard = async |reason: &str| {
        let request = wire::DiscardQuarantinedRequest {
            connection: "atlas-main".to_owned(),
            quarantine_id: id.clone(),
            reason: reason.to_owned(),
            request_id: "r-4".to_owned(),
        };
        world.replica.client.clone().discard_quarantined(request).await
    };
    assert_eq!(discard(" ").await.expect_err("no reason").code(), tonic::Code::InvalidArgument);
    for _ in 0..2 {
        let answer = discard("a scanner").await.expect("it is given up").into_inner();
        assert_eq!(answer.quarantined.expect("it is known").state(), wire::QuarantineState::Discarded);
    }
    world.configuration.replace(loaded(CONFIGURATION));
    assert!(release_all(&world, 0).await.is_empty());
    assert_eq!(world.shown("atlas-main", &id).await.content, None);
    assert_eq!(world.ledger("atlas-main").await.quarantined, 1);
    assert!(world.accepted().await.is_empty());
}

#[tokio::test]
async fn what_was_answered_200_is_kept_whole_beside_any_flood_and_released_under_the_mended_key() {
    let world = World::with(&wrong()).await;
    let flood = (0..1_100).map(|number| atlas_with("not-the-key", &atlas_event(10_000 + number), START));
    world.replica.accept_all(flood.collect()).await;
    let parked = (0..50).map(|number| wire::Delivery {
        acknowledged: true,
        ..atlas_with(ATLAS_KEY, &atlas_event(number), START)
    });
    let answers = world.replica.accept_all(parked.collect()).await;
    assert!(answers.iter().all(|answer| answer.verdict() == wire::Verdict::Refused));
    // Durable at once: nothing is left for a later moment, as with those of which only the number is kept.
    let waiting = world.waiting("atlas-main").await;
    assert_eq!(waiting.len(), 1_050, "the bound on records does not hold for them");
    assert!(waiting.iter().take(50).all(|delivery| delivery.content_bytes > 100));

    world.configuration.replace(loaded(CONFIGURATION));
    let results = release_all(&world, 1_000).await;
    assert_eq!(outcomes(&results, Outcome::Released), 50);
    assert_eq!(world.accepted().await.len(), 50);
}
