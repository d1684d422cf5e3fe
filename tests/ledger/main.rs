//! `countersign ledger` on real processes: it balances when nothing was lost, names what explains a difference, and
//! fails on what nobody can explain.

mod parked;
mod rules;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use event_log::{Category, EmbeddedSettings, EventLog, Settings};
use serde_json::{Value, json};
use system_tests::judge::all_envelopes;
use system_tests::process::{Answer, Countersign, Options};
use system_tests::world::{Pace, World, last_words};

const SOON: Duration = Duration::from_secs(60);

/// The object of everything together of one connection.
fn sheet<'a>(answer: &'a Answer, connection: &str) -> Result<&'a Value> {
    let fits = |value: &&Value| value["connection"] == connection && value["hour_ms"] == 0;
    answer.objects.iter().find(fits).with_context(|| format!("no sheet of {connection}: {}", answer.said))
}

fn count(sheet: &Value, name: &str) -> u64 {
    sheet["counts"][name].as_u64().unwrap_or_default()
}

fn deal(world: &World) -> Value {
    let atlas = world.atlas.url();
    json!({"properties": {
        "dealname": "Order 1", "dealstage": "contractsent", "amount": "1200", "buyer_name": "Dana Buyer",
        "buyer_email": "dana@buyer.test", "order_pdf_url": format!("{atlas}/files/order-1.pdf"),
    }})
}

/// Asks until the answer fits; the last answer otherwise.
async fn until(world: &World, fits: impl Fn(&Answer) -> bool) -> Result<Answer> {
    let started = tokio::time::Instant::now();
    loop {
        let answer = world.operator(&["ledger", "--hours", "2"]).await?;
        if fits(&answer) || started.elapsed() > SOON {
            return Ok(answer);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_that_a_consumer_skipped_fails_the_ledger_and_is_counted_where_it_came_in() -> Result<()> {
    let world = World::start(Pace::default()).await?;
    let place = world.place("all")?;
    let options = |roles: &str| Options {
        simulators: false,
        roles: roles.to_owned(),
        arguments: world.arguments_of_one(),
        ..Options::embedded(place.clone())
    };
    let process = Countersign::up(&options("all")).await?;
    let url = format!("{}/__sim/deals", world.hubspot.url());
    world.http.post(&url).json(&deal(&world)).send().await?.error_for_status()?;
    let settled = |answer: &Answer| {
        let taken = sheet(answer, "hubspot-main").map(|sheet| count(sheet, "settled.applied"));
        let told = sheet(answer, "atlas-main").map(|sheet| count(sheet, "accepted"));
        taken.unwrap_or_default() > 0 && told.unwrap_or_default() > 0
    };
    let answer = until(&world, settled).await?;
    ensure!(settled(&answer) && answer.success, "{}\n{}", answer.said, last_words(&place));
    ensure!(all_envelopes(&world).await?.len() == 1);
    process.stop().await?;

    // Verification and ingress alone: what comes in now is accepted, and nobody settles it.
    let process = Countersign::up(&options("ingress,verification")).await?;
    world.http.post(&url).json(&deal(&world)).send().await?.error_for_status()?;
    let accepted =
        until_accepted(&world, "hubspot-main", count(sheet(&answer, "hubspot-main")?, "accepted")).await;
    ensure!(accepted?, "the second deal is told: {}", last_words(&place));
    process.stop().await?;
    skip(&place, "crm-sync-triggers").await?;

    let process = Countersign::up(&options("all")).await?;
    // Until its consumers have come to the end of the log they may wait for it.
    let answer = until(&world, |answer| !answer.success).await?;
    ensure!(!answer.success, "a loss is not noticed: {}", answer.said);
    let lost = sheet(&answer, "hubspot-main")?;
    ensure!(lost["unexplained"].as_u64().unwrap_or_default() > 0, "{}", answer.said);
    ensure!(sheet(&answer, "atlas-main")?["unexplained"] == 0, "{}", answer.said);
    let verdict = answer.objects.last().cloned().unwrap_or_default();
    ensure!(verdict["balanced"] == false && verdict["unexplained"] == lost["unexplained"], "{verdict}");
    // Another connection alone is well.
    ensure!(world.operator(&["ledger", "--connection", "atlas-main"]).await?.success);
    process.stop().await
}

/// Waits until verification has accepted more than `before`.
async fn until_accepted(world: &World, connection: &str, before: u64) -> Result<bool> {
    use contracts::wire::verification::GetLedgerRequest;
    use contracts::wire::verification::verification_service_client::VerificationServiceClient;
    let mut client = VerificationServiceClient::connect(world.verification()).await?;
    let started = tokio::time::Instant::now();
    while started.elapsed() < SOON {
        let request = GetLedgerRequest { connection: connection.to_owned(), ..Default::default() };
        let lines = client.get_ledger(request).await?.into_inner().lines;
        if lines.first().is_some_and(|line| line.accepted > before) {
            return Ok(true);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(false)
}

/// The fixture of a loss: a consumer's checkpoint says that everything was handled.
async fn skip(place: &std::path::Path, consumer: &str) -> Result<()> {
    let folder = place.join("data");
    let log = EventLog::open(Settings::Embedded(EmbeddedSettings::in_dir(folder))).await?;
    let head = log.head(Category::Intake).await?;
    let key = format!("cursor/{consumer}");
    let known = log.state().get(&key).await?.map(|entry| entry.revision);
    let skipped: Vec<u8> = (0..16).flat_map(|_| head.0.to_be_bytes()).collect();
    log.state().put(&key, known, skipped.into()).await?;
    Ok(())
}
