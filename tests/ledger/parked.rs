//! What ingress parked, by the real road: kept while verification is away, and whatever becomes of it, the ledger says.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use contracts::parked::{ParkedEvent, key_group};
use contracts::seal::Opener;
use contracts::wire::ledger::Tally;
use contracts::wire::verification::GetLedgerRequest;
use contracts::wire::verification::verification_service_client::VerificationServiceClient;
use event_log::{Category, EmbeddedSettings, EventLog, Position, Settings, Tailed};
use futures::StreamExt as _;
use serde_json::Value;
use signatures::hmac_sha256;
use system_tests::condition::eventually;
use system_tests::process::{Countersign, Options};
use system_tests::world::{Pace, World, last_words, secret};

use crate::{SOON, count, sheet, until};

/// Posts a body as Atlas does; `false` if it was not taken.
async fn tells(world: &World, body: &str) -> Result<bool> {
    let signature = hex::encode(hmac_sha256(secret("atlas-api-key").as_bytes(), &[body.as_bytes()]));
    let request = world.http.post(world.hook("atlas-main"));
    let request = request.header("x-atlas-signature", format!("sha256={signature}"));
    Ok(request.body(body.to_owned()).send().await?.status() == 200)
}

/// Posts bytes that prove nothing; `false` if they were not taken.
async fn sends(world: &World, connection: &str, body: Vec<u8>) -> Result<bool> {
    Ok(world.http.post(world.hook(connection)).body(body).send().await?.status() == 200)
}

/// One number of everything together of a connection, as verification alone tells it.
fn told(tallies: &[Tally], connection: &str, name: &str) -> u64 {
    let whole = tallies.iter().filter(|tally| tally.connection == connection && tally.hour_ms == 0);
    let counts = whole.flat_map(|tally| &tally.counts).filter(|count| count.name == name);
    counts.map(|count| count.count).sum()
}

/// The fixture of an erasure and of a loss: the key of one connection is destroyed, the blob of another is gone.
async fn damage(place: &Path, erased: &str, robbed: &str) -> Result<()> {
    let folder = place.join("data");
    let log = EventLog::open(Settings::Embedded(EmbeddedSettings::in_dir(folder))).await?;
    log.keys().destroy(&key_group(&erased.parse()?)).await?;
    let mut tail = log.tail(Category::Parked, Position::ZERO);
    while let Some(item) = tail.next().await {
        let Tailed::Commit(recorded) = item? else { break };
        for event in &recorded.events {
            let opener = Opener::new(None);
            let fact =
                contracts::parked::decode(&event.kind, event.schema, &event.payload, &event.id, &opener)?;
            if let ParkedEvent::Parked(parked) = fact
                && let contracts::intake::Raw::Stored { digest, .. } = parked.delivery
            {
                ensure!(parked.connection.as_str() == robbed);
                log.blobs().delete(&digest).await?;
                return Ok(());
            }
        }
    }
    anyhow::bail!("no blob of {robbed} was found")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_parked_waits_is_handed_over_is_erased_or_given_up_and_the_ledger_adds_up() -> Result<()> {
    let world = World::start(Pace::default()).await?;
    let place = world.place("all")?;
    let options = |roles: &str| Options {
        simulators: false,
        roles: roles.to_owned(),
        arguments: world.arguments_of_one(),
        ..Options::embedded(place.clone())
    };
    // Ingress alone: nobody gives a verdict, and everybody is answered 200.
    let process = Countersign::up(&options("ingress")).await?;
    let news = r#"{"id":"evt_1","event":"envelope.sent","envelope_id":"env_nobodys"}"#;
    ensure!(tells(&world, news).await? && tells(&world, news).await?);
    ensure!(sends(&world, "hubspot-main", b"to be forgotten".to_vec()).await?);
    ensure!(sends(&world, "pandadoc-sales", vec![b'x'; 300 * 1024]).await?);
    process.stop().await?;

    // Verification alone: it reads along, and nobody hands over.
    let process = Countersign::up(&options("verification")).await?;
    let wanted = [("atlas-main", 2), ("hubspot-main", 1), ("pandadoc-sales", 1)];
    eventually("all of it to wait", SOON, || async {
        let mut client = VerificationServiceClient::connect(world.verification()).await?;
        let tallies = client.get_ledger(GetLedgerRequest::default()).await?.into_inner().tallies;
        let waits = |(connection, times): &(&str, u64)| {
            ["parked", "parked.waiting"].iter().all(|name| told(&tallies, connection, name) == *times)
        };
        Ok(wanted.iter().all(waits).then_some(()))
    })
    .await?;
    process.stop().await?;
    damage(&place, "hubspot-main", "pandadoc-sales").await?;

    let process = Countersign::up(&options("all")).await?;
    let ends = [
        ("atlas-main", "parked.handed_over", 2),
        ("hubspot-main", "parked.erased", 1),
        ("pandadoc-sales", "parked.dead_letter", 1),
    ];
    let ended = |answer: &system_tests::process::Answer| {
        ends.iter().all(|(connection, end, times)| {
            sheet(answer, connection).is_ok_and(|sheet| {
                count(sheet, end) == *times
                    && count(sheet, "parked") == *times
                    && count(sheet, "parked.waiting") == 0
            })
        })
    };
    let answer = until(&world, |answer| answer.success && ended(answer)).await?;
    ensure!(answer.success && ended(&answer), "{}\n{}", answer.said, last_words(&place));
    for (connection, ..) in ends {
        let lines = sheet(&answer, connection)?["lines"].as_array().context("no lines")?;
        let line =
            lines.iter().find(|line| line["says"].as_str().is_some_and(|says| says.starts_with("parked =")));
        let line: &Value = line.context("what is parked is not judged")?;
        ensure!(line["verdict"] == "balanced" && line["left"] == line["right"], "{line}");
    }
    // The same news twice, each parked: one is new.
    let atlas = sheet(&answer, "atlas-main")?;
    let numbers = ["received", "accepted", "duplicate"].map(|name| count(atlas, name));
    ensure!(numbers == [2, 1, 1], "{atlas}");
    process.stop().await
}
