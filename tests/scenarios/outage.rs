//! Ingress is away for three hours of the vendors' time, longer than any of them tries, while people go on signing. What was
//! missed is found afterwards, and named.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contracts::wire::envelope::{Envelope, Stage};
use system_tests::judge::all_envelopes;
use system_tests::process::{Countersign, Options};
use system_tests::world::{Pace, World, last_words};

use crate::office::{Deal, Office, Road, Wish};
use crate::told::Found;
use crate::{size, told};

/// How much faster than life everybody is: three hours are nine seconds.
const FACTOR: f64 = 1_200.0;
/// How long ingress is away, in the vendors' time.
const AWAY: Duration = Duration::from_secs(3 * 3_600);
const SETTLE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hours_without_ingress_and_everything_is_found_afterwards() -> Result<()> {
    let count = size::of("COUNTERSIGN_OUTAGE_ENVELOPES", 12);
    let pace = Pace { services: FACTOR, atlas: FACTOR, pandadoc: FACTOR, hubspot: FACTOR, ..Pace::default() };
    let (world, options) = start(pace).await?;
    let process = Countersign::up(&options).await?;
    let office = Office::open(&world);
    office.rest();
    let mut deals = Vec::new();
    for number in 0..count {
        let wish = if number % 5 == 4 { Wish::Declined } else { Wish::Signed };
        let road = [Road::Template, Road::Reviewed, Road::Sales, Road::Driven][usize::try_from(number % 4)?];
        deals.push(office.sell(&world, &format!("Before {number:03}"), road, wish).await?);
    }
    invited(&world, &deals).await?;
    told::quiet(&world, SETTLE).await?;

    process.kill().await?;
    office.go_on();
    for number in 0..count.div_ceil(3) {
        deals.push(office.sell(&world, &format!("Meanwhile {number:03}"), Road::Sales, Wish::Signed).await?);
    }
    tokio::time::sleep(AWAY.div_f64(FACTOR)).await;
    told::settle("everything to be signed and every retry to be over", SETTLE, || async {
        ensure!(office.unfinished() == 0, "people are not done");
        for vendor in [world.atlas.url(), world.pandadoc.url()] {
            let fates = told::fates(&world, &vendor).await?;
            ensure!(!fates.contains_key("pending"), "a provider still tries: {fates:?}");
        }
        Ok(())
    })
    .await?;
    let lost = lost(&world).await?;
    ensure!(lost > 0, "nothing was lost: the outage proves nothing");

    let process = Countersign::up(&options).await?;
    let words = || format!("the process said:\n{}", last_words(&options.directory));
    let ours = told::ended(&world, &deals, SETTLE).await.with_context(words)?;
    office.close().await?;
    told::effects_once(&world, &deals).await?;
    told::balanced(&world).await?;
    process.stop().await?;
    let found = Found::in_log(&told::log(&options.directory).await?).await?;
    found.names(deals.iter().filter(|deal| deal.name.starts_with("Meanwhile")), &ours)?;
    println!("{lost} webhooks lost for good; {} envelopes ended as their providers say", deals.len());
    println!("found by sweeps: {}; signals fetched from the history: {}", found.swept.len(), found.signals);
    Ok(())
}

/// A world, and how its one process is started.
async fn start(pace: Pace) -> Result<(World, Options)> {
    let world = World::start(pace).await?;
    let place = world.place("all")?;
    let arguments = world.arguments_of_one();
    let options = Options { simulators: false, arguments, ..Options::embedded(place) };
    Ok((world, options))
}

/// Waits until every deal has an envelope that its signers were invited to.
async fn invited(world: &World, deals: &[Deal]) -> Result<()> {
    told::settle("the signers to be invited", SETTLE, || async {
        let ours = all_envelopes(world).await?;
        for deal in deals {
            let mine = |envelope: &&Envelope| {
                envelope.record.as_ref().is_some_and(|record| record.object_id == deal.id)
            };
            let envelope = ours.iter().find(mine).with_context(|| format!("{} has none", deal.name))?;
            let reached = match deal.road {
                // Its reviewer rests.
                Road::Reviewed => envelope.stage() == Stage::InReview,
                Road::Template | Road::Sales | Road::Driven => envelope.stage() == Stage::Sent,
            };
            ensure!(reached, "{} is {:?}", deal.name, envelope.stage());
        }
        Ok(())
    })
    .await
}

/// How many of the providers' webhooks nobody will ever try again.
async fn lost(world: &World) -> Result<usize> {
    let mut lost = 0;
    for vendor in [world.atlas.url(), world.pandadoc.url()] {
        lost += told::fates(world, &vendor).await?.get("failed").copied().unwrap_or_default();
    }
    Ok(lost)
}
