//! The embedded log: one process holds everything, and is killed again and again.

use std::time::Duration;

use anyhow::{Context, Result};
use event_log::{EmbeddedSettings, EventLog, Settings};
use system_tests::judge;
use system_tests::process::{Countersign, Options};
use system_tests::world::{Pace, World, last_words};

use crate::people::{Office, sell};
use crate::random::{Random, kills};
use crate::verdict;

/// The process lives this long between two kills.
const LIFE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(2_500));

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_the_whole_process_lose_nothing_and_repeat_nothing() -> Result<()> {
    let world = World::start(Pace::default()).await?;
    let place = world.place("all")?;
    let options =
        Options { simulators: false, arguments: world.arguments(), ..Options::embedded(place.clone()) };
    let mut random = Random::from_environment();
    let (rounds, mut deals) = (kills(8), Vec::new());

    let office = Office::open(&world);
    let mut process = Countersign::up(&options).await?;
    for round in 0..rounds {
        deals.extend(sell(&world, &office, round).await?);
        tokio::time::sleep(random.between(LIFE.0, LIFE.1)).await;
        process.kill().await?;
        process = Countersign::up(&options).await?;
    }
    let settled = verdict::settled(&world, &deals).await;
    settled.with_context(|| format!("the process said:\n{}", last_words(&place)))?;
    office.close().await?;
    verdict::one_envelope_per_deal(&world, &deals).await?;
    verdict::effects_happened_once(&world, &deals).await?;

    let deliveries = judge::deliveries(&world).await?;
    process.stop().await?;
    let log = EventLog::open(Settings::Embedded(EmbeddedSettings::in_dir(place.join("data")))).await?;
    let answered = verdict::answered_is_logged(&deliveries, &log).await?;
    println!("{rounds} kills, {} deals, {answered} deliveries answered 200: none is missing", deals.len());
    Ok(())
}
