//! Genuine PandaDoc webhooks arrive while we hold a wrong key, and forged ones between them. All of them go to quarantine. The
//! key is mended, the quarantine is released: the genuine ones take effect in the order in which they came, the forged
//! ones stay.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contracts::wire::verification::verification_service_client::VerificationServiceClient;
use contracts::wire::verification::{GetLedgerRequest, LedgerLine};
use serde_json::{Value, json};
use signatures::sha256_hex;
use system_tests::http::get;
use system_tests::process::{Countersign, Options};
use system_tests::world::{Pace, World, last_words, secret};

use crate::office::{Deal, Office, Road, Wish};
use crate::{size, told};

/// Forged deliveries for so many genuine ones: 200 for 500.
const FORGED: (u64, u64) = (2, 5);
/// Webhooks of one document: draft, sent, viewed, two signatures, completed, signed copy.
const EVENTS_A_DOCUMENT: u64 = 7;
const CONNECTION: &str = "pandadoc-sales";
const SETTLE: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn genuine_webhooks_under_a_wrong_key_are_released_in_order_and_forged_ones_stay() -> Result<()> {
    let wanted = size::of("COUNTERSIGN_WRONG_KEY_EVENTS", 50);
    // As slow as life: no sweep finds a document before the release, and nothing is tried again.
    let pace = Pace { services: 1.0, atlas: 1.0, pandadoc: 1.0, pandadoc_retries: 0, ..Pace::default() };
    let world = World::start(pace).await?;
    std::fs::write(world.directory.path().join("pandadoc-shared-key"), "a-key-of-somebody-else-01")?;
    let place = world.place("all")?;
    let arguments = world.arguments_of_one();
    let options = Options { simulators: false, arguments, ..Options::embedded(place.clone()) };
    let process = Countersign::up(&options).await?;
    let office = Office::open(&world);
    let words = || format!("the process said:\n{}", last_words(&place));

    let (mut deals, mut forged) = (Vec::new(), 0);
    for number in 0..wanted.div_ceil(EVENTS_A_DOCUMENT) {
        deals.push(office.sell(&world, &format!("Sales {number:03}"), Road::Sales, Wish::Signed).await?);
        while forged * FORGED.1 < wanted * FORGED.0 * (number + 1) / wanted.div_ceil(EVENTS_A_DOCUMENT) {
            forge(&world, forged, &deals).await?;
            forged += 1;
        }
    }
    let genuine = all_said(&world, &office, &deals).await?;
    ensure!(u64::try_from(genuine.len())? >= wanted, "only {} genuine webhooks", genuine.len());
    let refused = u64::try_from(genuine.len())? + forged;
    told::settle("the ledger to count everything", SETTLE, || async {
        let line = ledger(&world).await?;
        ensure!((line.accepted, line.quarantined) == (0, refused), "in quarantine: {line:?}");
        Ok(())
    })
    .await?;

    // Mended, and released.
    let right = world.directory.path().join("pandadoc-shared-key-right");
    std::fs::write(&right, secret("pandadoc-shared-key"))?;
    let old = format!("{{id: s1, file: {}/pandadoc-shared-key}}", world.directory.path().display());
    world.edit_configuration(&old, &format!("{{id: s2, file: {}}}", right.display()))?;
    told::settle("the new key to be in force", SETTLE, || async {
        let keys = world.operator(&["connections", "list"]).await?;
        ensure!(keys.objects.iter().any(|key| key["key"] == "s2"), "the keys are {}", keys.said);
        Ok(())
    })
    .await?;
    let released = world.operator(&["quarantine", "release", CONNECTION]).await?;
    ensure!(released.success, "the release failed: {}", released.said);
    told::ended(&world, &deals, SETTLE).await.with_context(words)?;
    office.close().await?;
    told::effects_once(&world, &deals).await?;

    let left = world.operator(&["quarantine", "list", "--connection", CONNECTION]).await?;
    ensure!(
        u64::try_from(left.objects.len())? == forged,
        "{} of {forged} forged ones stay",
        left.objects.len()
    );
    told::balanced(&world).await?;
    process.stop().await?;
    let accepted = in_order(&place, &genuine).await?;
    println!(
        "{} genuine and {forged} forged deliveries were quarantined; {accepted} signals released in order",
        genuine.len()
    );
    Ok(())
}

/// Somebody without the key says that a document of ours is completed.
async fn forge(world: &World, number: u64, deals: &[Deal]) -> Result<()> {
    let document = deals.last().and_then(|deal| deal.document.clone()).unwrap_or_default();
    let data = json!({"id": document, "status": "document.completed", "name": "Offer", "version": number.to_string(),
                      "date_modified": "2026-11-22T12:00:00.000000Z", "metadata": {}, "recipients": []});
    let body = json!([{"event": "document_state_changed", "data": data}]);
    let hook = format!("{}?signature={number:064x}", world.hook(CONNECTION));
    let status = world.http.post(hook).json(&body).send().await?.status();
    ensure!(status.as_u16() == 401, "a forged delivery was answered {status}");
    Ok(())
}

/// Waits until people and vendor have said everything; gives the vendor's deliveries in their order.
async fn all_said(world: &World, office: &Office, deals: &[Deal]) -> Result<Vec<Value>> {
    let url = format!("{}/__sim/deliveries", world.pandadoc.url());
    told::settle("the vendor to have said everything", SETTLE, || async {
        ensure!(office.unfinished() == 0, "people are not done");
        let deliveries = get(&world.http, &url).await?;
        let deliveries = deliveries.as_array().cloned().context("deliveries are a list")?;
        let last = |delivery: &&Value| delivery["event"] == "document_completed_pdf_ready";
        let finished = deliveries.iter().filter(last).count();
        ensure!(finished == deals.len(), "{finished} of {} documents have their signed copy", deals.len());
        let all_failed = deliveries.iter().all(|delivery| delivery["state"] == "failed");
        ensure!(all_failed, "a delivery is not refused yet");
        Ok(deliveries)
    })
    .await
}

async fn ledger(world: &World) -> Result<LedgerLine> {
    let mut client = VerificationServiceClient::connect(world.verification()).await?;
    let request = GetLedgerRequest { connection: CONNECTION.to_owned(), ..Default::default() };
    Ok(client.get_ledger(request).await?.into_inner().lines.into_iter().next().unwrap_or_default())
}

/// Every genuine delivery was accepted, those of each document in the order in which the vendor sent them. Gives how many
/// signals there are.
async fn in_order(place: &std::path::Path, genuine: &[Value]) -> Result<usize> {
    let log = told::log(place).await?;
    let mut logged: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut last = None;
    for accepted in told::accepted(&log).await? {
        if accepted.connection.as_str() == CONNECTION {
            ensure!(last <= Some(accepted.received_at), "released before one that came earlier");
            last = Some(accepted.received_at);
            logged.entry(accepted.subject).or_default().push(accepted.delivery_id);
        }
    }
    let mut sent: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for delivery in genuine {
        let body = delivery["body"].as_str().context("a delivery without a body")?;
        let document = delivery["lane"].as_str().unwrap_or_default().to_owned();
        sent.entry(document).or_default().push(sha256_hex(body.as_bytes()));
    }
    let documents: BTreeSet<&String> = logged.keys().chain(sent.keys()).collect();
    for document in documents {
        ensure!(logged.get(document) == sent.get(document), "the webhooks of {document} are not in order");
    }
    Ok(logged.values().map(Vec::len).sum())
}
