//! The ledger by name and by hour, and the intake's own sum through a release.

use ::ledger::{HOUR_MS, Half, balance, hour_of, names};
use contracts::wire::verification as wire;

use crate::support::vendors::{ATLAS_KEY, atlas_event, atlas_with};
use crate::support::{CONFIGURATION, START, World, loaded};

async fn tallies(world: &World, since_ms: Option<i64>) -> Vec<contracts::wire::ledger::Tally> {
    let head = world.log.head(event_log::Category::Intake).await.expect("an answer");
    let request =
        wire::GetLedgerRequest { connection: "atlas-main".to_owned(), min_position: head.0, since_ms };
    let answer = world.replica.client.clone().get_ledger(request).await.expect("an answer");
    answer.into_inner().tallies
}

/// The names and numbers of one hour, or of all together (0).
fn of(tallies: &[contracts::wire::ledger::Tally], hour_ms: i64) -> Vec<(&str, u64)> {
    let fits = tallies.iter().filter(|tally| tally.hour_ms == hour_ms);
    let mut counts: Vec<(&str, u64)> =
        fits.flat_map(|tally| &tally.counts).map(|count| (count.name.as_str(), count.count)).collect();
    counts.sort_unstable();
    counts
}

#[tokio::test]
async fn every_hour_of_receipt_is_counted_by_itself_and_all_of_them_together() {
    let world = World::new().await;
    let later = START.after(std::time::Duration::from_millis(u64::try_from(HOUR_MS).expect("positive")));
    world.accept(atlas_with(ATLAS_KEY, &atlas_event(1), START)).await;
    world.accept(atlas_with(ATLAS_KEY, &atlas_event(1), later)).await;
    world.accept(atlas_with(ATLAS_KEY, &atlas_event(2), later)).await;
    let counted = tallies(&world, Some(0)).await;
    let one = [(names::ACCEPTED, 1), (names::ENVELOPE_NEWS, 1), (names::RECEIVED, 1)];
    assert_eq!(of(&counted, hour_of(START)), one);
    let two = [(names::ACCEPTED, 1), (names::ENVELOPE_NEWS, 1), (names::DUPLICATE, 1), (names::RECEIVED, 2)];
    assert_eq!(of(&counted, hour_of(later)), two);
    let all = [(names::ACCEPTED, 2), (names::ENVELOPE_NEWS, 2), (names::DUPLICATE, 1), (names::RECEIVED, 3)];
    assert_eq!(of(&counted, 0), all);
    // Only what is asked for.
    assert_eq!(of(&tallies(&world, Some(hour_of(later))).await, hour_of(START)), []);
    assert_eq!(of(&tallies(&world, None).await, hour_of(later)), []);
}

#[tokio::test]
async fn a_release_counts_its_signals_and_the_delivery_no_more() {
    let world =
        World::with(&CONFIGURATION.replace("[{id: k1, env: ATLAS}]", "[{id: k0, env: ATLAS_OLD}]")).await;
    for number in 0..5 {
        world.accept(atlas_with(ATLAS_KEY, &atlas_event(number), START)).await;
    }
    world.accept(atlas_with("not-the-key", &atlas_event(99), START)).await;
    world.configuration.replace(loaded(CONFIGURATION));
    let request = wire::ReleaseQuarantinedRequest {
        connection: "atlas-main".to_owned(),
        request_id: "r-1".to_owned(),
        ..Default::default()
    };
    world.replica.client.clone().release_quarantined(request).await.expect("an answer");
    let counted = tallies(&world, Some(0)).await;
    let get =
        |name: &str| of(&counted, 0).into_iter().find(|(found, _)| *found == name).map(|(_, count)| count);
    assert_eq!(get(names::RECEIVED), Some(6));
    assert_eq!(
        (get(names::ACCEPTED), get(names::QUARANTINED), get(names::RELEASED)),
        (Some(5), Some(6), Some(5))
    );
    // The intake's own sums hold; that nobody settles here is what the others miss.
    let nobody = Half { tallies: &[], complete: true };
    for sheet in balance(&counted, &counted, nobody, nobody) {
        assert_eq!(sheet.unexplained(), 5, "{sheet:?}");
        assert!(sheet.lines[..2].iter().all(|line| line.left == line.right), "{sheet:?}");
    }
}
