//! Webhooks are dropped, doubled and reordered, over Atlas envelopes and PandaDoc documents alike, driven by us or by sales, and of some documents not
//! one webhook arrives. Every envelope ends as its provider says all the same, the CRM learns of it once, the ledger
//! balances, and what only reconciliation could find is named in the log.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use system_tests::http::post;
use system_tests::process::{Countersign, Options};
use system_tests::world::{Pace, World, last_words};

use crate::office::{Deal, Office, Road, Wish};
use crate::told::Found;
use crate::{size, told};

/// Most envelopes that wait for people at the same time.
const OPEN_MAX: usize = 150;
/// One in so many is a document of which no webhook arrives.
const SILENT_ONE_IN: u64 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_envelope_ends_as_its_provider_says_whatever_becomes_of_the_webhooks() -> Result<()> {
    let total = size::of("COUNTERSIGN_ENVELOPES", 60);
    let deadline = Duration::from_secs(90) + Duration::from_millis(400) * u32::try_from(total)?;
    let pace = Pace { services: 60.0, atlas: 600.0, pandadoc: 600.0, ..Pace::default() };
    let world = World::start(pace).await?;
    let place = world.place("all")?;
    let arguments = world.arguments_of_one();
    let options = Options { simulators: false, arguments, ..Options::embedded(place.clone()) };
    let process = Countersign::up(&options).await?;
    let office = Office::open(&world);

    let silent = (total / SILENT_ONE_IN).max(1);
    let mut deals = unheard(&world, &office, silent, deadline).await?;
    disturb(&world).await?;
    for number in 0..total - silent {
        let wish = if number % 7 == 6 { Wish::Declined } else { Wish::Signed };
        let (road, kind) = match number % 5 {
            0 => (Road::Template, "Template"),
            1 => (Road::Reviewed, "Reviewed"),
            2 => (Road::Driven, "Driven"),
            _ => (Road::Sales, "Sales"),
        };
        deals.push(office.sell(&world, &format!("{kind} {number:04}"), road, wish).await?);
        while office.unfinished() >= OPEN_MAX {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let words = || format!("the process said:\n{}", last_words(&place));
    let ours = told::ended(&world, &deals, deadline).await.with_context(words)?;
    office.close().await?;
    told::quiet(&world, deadline).await?;
    told::effects_once(&world, &deals).await?;
    let ledger = told::balanced(&world).await?;
    let (atlas, pandadoc) =
        (told::fates(&world, &world.atlas.url()).await?, told::fates(&world, &world.pandadoc.url()).await?);
    ensure!(atlas.contains_key("dropped") && pandadoc.contains_key("dropped"), "nothing was dropped");

    process.stop().await?;
    let found = Found::in_log(&told::log(&place).await?).await?;
    found.names(deals.iter().filter(|deal| deal.name.starts_with("Unheard")), &ours)?;
    println!(
        "{total} envelopes, {silent} of them unheard; webhooks at Atlas {atlas:?}, at PandaDoc {pandadoc:?}"
    );
    println!("found by sweeps: {}; signals fetched from the history: {}", found.swept.len(), found.signals);
    ledger.objects.iter().for_each(|line| println!("  {line}"));
    Ok(())
}

/// Documents of sales of which no webhook arrives, from draft to signed PDF.
async fn unheard(world: &World, office: &Office, count: u64, deadline: Duration) -> Result<Vec<Deal>> {
    let webhooks = format!("{}/__sim/webhooks", world.pandadoc.url());
    post(&world.http, &webhooks, &json!({"mode": "drop"})).await?;
    let mut deals = Vec::new();
    for number in 0..count {
        deals.push(office.sell(world, &format!("Unheard {number:04}"), Road::Sales, Wish::Signed).await?);
    }
    told::settle("the unheard documents to be signed", deadline, || async {
        let fates = told::fates(world, &world.pandadoc.url()).await?;
        let ready = office.unfinished() == 0 && signed_copies(world).await? >= count;
        ensure!(ready, "people are not done: {fates:?}");
        Ok(())
    })
    .await?;
    Ok(deals)
}

/// How many documents have told that their signed copy is ready.
async fn signed_copies(world: &World) -> Result<u64> {
    let url = format!("{}/__sim/deliveries?event=document_completed_pdf_ready", world.pandadoc.url());
    let told = system_tests::http::get(&world.http, &url).await?;
    Ok(u64::try_from(told.as_array().map_or(0, Vec::len))?)
}

/// From now on 5 % of the providers' webhooks are dropped, 5 % doubled, 10 % reordered; the CRM doubles and reorders.
async fn disturb(world: &World) -> Result<()> {
    let provider = json!({"mode": "mixed", "n": 5, "mixed": {"drop": 5, "duplicate": 5, "reorder": 10}});
    let crm = json!({"mode": "mixed", "n": 3, "mixed": {"duplicate": 5, "reorder": 10}});
    let vendors =
        [(world.atlas.url(), &provider), (world.pandadoc.url(), &provider), (world.hubspot.url(), &crm)];
    for (vendor, disturbance) in vendors {
        post(&world.http, &format!("{vendor}/__sim/webhooks"), disturbance).await?;
    }
    Ok(())
}
