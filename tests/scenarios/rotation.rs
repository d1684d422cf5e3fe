//! An Atlas API key is replaced while its webhooks keep coming: first both keys are in force, then the old one is
//! reported as safe to remove, then it is gone. Nothing is rejected at any moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use system_tests::http::{get, post};
use system_tests::process::{Countersign, Options};
use system_tests::world::{Pace, World, last_words, secret};
use tokio::task::JoinHandle;

use crate::office::{Office, Road, Wish};
use crate::{size, told};

/// Webhooks a second, at least.
const WEBHOOKS_PER_SECOND: u32 = 50;
/// Webhooks of one envelope: created, sent, two looks, signed.
const WEBHOOKS_AN_ENVELOPE: u32 = 5;
/// How the old key stands in the configuration, and both.
const OLD: &str = "      - {id: k1, file: $SECRETS/atlas-api-key}\n";
const BOTH: &str =
    "      - {id: k2, file: $SECRETS/atlas-api-key-2}\n      - {id: k1, file: $SECRETS/atlas-api-key}\n";
const NEW: &str = "      - {id: k2, file: $SECRETS/atlas-api-key-2}\n";
const SETTLE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_replaced_under_load_and_nothing_is_rejected() -> Result<()> {
    let phase = Duration::from_secs(size::of("COUNTERSIGN_ROTATION_SECONDS", 3));
    let world = World::start(Pace::default()).await?;
    // Three hours without use are five seconds here.
    let hook = "/v1/hooks/atlas-main\n";
    world.edit_configuration(hook, &format!("{hook}    key_idle: 5s\n"))?;
    let place = world.place("all")?;
    let arguments = world.arguments_of_one();
    let options = Options { simulators: false, arguments, ..Options::embedded(place.clone()) };
    let process = Countersign::up(&options).await?;
    let office = Office::open(&world);
    let mut deals = vec![office.sell(&world, "Under the old key", Road::Template, Wish::Signed).await?];
    let began = Instant::now();
    let traffic = Traffic::start(&world, "atlas-api-key");
    tokio::time::sleep(phase).await;

    // The overlap: the new key calls, both verify.
    let key = secret("atlas-api-key-2");
    std::fs::write(world.directory.path().join("atlas-api-key-2"), &key)?;
    keys(&world, json!({"add": key})).await?;
    edit_keys(&world, OLD, BOTH)?;
    in_force(&world, &["k2", "k1"]).await?;
    deals.push(office.sell(&world, "Under both keys", Road::Template, Wish::Signed).await?);
    tokio::time::sleep(phase).await;

    // The vendor's side changes over; what the old key began still ends under it.
    let newer = Traffic::start(&world, "atlas-api-key-2");
    let mut made = traffic.stop().await?;
    tokio::time::sleep(phase).await;
    told::ended(&world, &deals, SETTLE).await.with_context(|| last_words(&place))?;
    keys(&world, json!({"revoke": secret("atlas-api-key")})).await?;
    safe_to_remove(&world, "k1").await?;
    edit_keys(&world, BOTH, NEW)?;
    in_force(&world, &["k2"]).await?;
    deals.push(office.sell(&world, "Under the new key", Road::Template, Wish::Signed).await?);
    tokio::time::sleep(phase).await;
    made += newer.stop().await?;
    let seconds = began.elapsed().as_secs_f64();

    told::ended(&world, &deals, SETTLE).await.with_context(|| last_words(&place))?;
    office.close().await?;
    told::quiet(&world, SETTLE).await?;
    let webhooks = nothing_was_rejected(&world).await?;
    let rate = f64::from(u32::try_from(webhooks)?) / seconds;
    ensure!(
        rate >= f64::from(WEBHOOKS_PER_SECOND),
        "{webhooks} webhooks in {seconds:.1} s are {rate:.1} a second, less than {WEBHOOKS_PER_SECOND}"
    );
    told::balanced(&world).await?;
    process.stop().await?;
    println!(
        "{webhooks} webhooks of {made} envelopes in {seconds:.1} s, {rate:.0} a second: every attempt was answered 200"
    );
    Ok(())
}

/// Every attempt of every webhook of Atlas was answered 200, and nothing of it lies in quarantine. Gives their number.
async fn nothing_was_rejected(world: &World) -> Result<u64> {
    let deliveries = get(&world.http, &format!("{}/__sim/deliveries", world.atlas.url())).await?;
    let deliveries = deliveries.as_array().context("deliveries are a list")?;
    for attempt in deliveries.iter().filter_map(|delivery| delivery["attempts"].as_array()).flatten() {
        ensure!(attempt["status"] == 200, "an attempt ended as {attempt}");
    }
    let quarantine = world.operator(&["quarantine", "list"]).await?;
    ensure!(quarantine.success && quarantine.objects.is_empty(), "in quarantine: {}", quarantine.said);
    Ok(u64::try_from(deliveries.len())?)
}

fn edit_keys(world: &World, from: &str, to: &str) -> Result<()> {
    let here = |text: &str| text.replace("$SECRETS", &world.directory.path().display().to_string());
    world.edit_configuration(&here(from), &here(to))
}

async fn keys(world: &World, change: Value) -> Result<()> {
    post(&world.http, &format!("{}/__sim/keys", world.atlas.url()), &change).await.map(drop)
}

/// The keys of Atlas as the operator sees them.
async fn shown(world: &World) -> Result<Vec<Value>> {
    let answer = world.operator(&["connections", "list"]).await?;
    ensure!(answer.success, "{}", answer.said);
    Ok(answer.objects.into_iter().filter(|key| key["connection"] == "atlas-main").collect())
}

async fn in_force(world: &World, wanted: &[&str]) -> Result<()> {
    told::settle("the configuration to be reloaded", SETTLE, || async {
        let keys = shown(world).await?;
        let ids: Vec<&str> = keys.iter().filter_map(|key| key["key"].as_str()).collect();
        ensure!(ids == wanted, "the keys are {ids:?}");
        Ok(())
    })
    .await
}

async fn safe_to_remove(world: &World, id: &str) -> Result<()> {
    told::settle("the old key to be safe to remove", SETTLE, || async {
        let keys = shown(world).await?;
        let key = keys.iter().find(|key| key["key"] == id).context("the key is gone")?;
        ensure!(key["safe_to_remove"] == "yes", "it is shown as {key}");
        Ok(())
    })
    .await
}

/// Envelopes that are made and signed at Atlas without us, so that its webhooks come at a steady rate.
struct Traffic {
    open: Arc<AtomicBool>,
    made: Arc<AtomicU64>,
    work: JoinHandle<Result<()>>,
}

impl Traffic {
    #[expect(clippy::disallowed_methods, reason = "the vendor's other customers live beside the test")]
    fn start(world: &World, key: &'static str) -> Self {
        let (open, made) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
        let (still_open, count) = (open.clone(), made.clone());
        let (http, atlas, hook) = (world.http.clone(), world.atlas.url(), world.hook("atlas-main"));
        let work = tokio::spawn(async move {
            // A little faster than needed: what is late when it stops is not made up for.
            let pause = Duration::from_secs(1) * WEBHOOKS_AN_ENVELOPE / WEBHOOKS_PER_SECOND * 3 / 4;
            let mut beat = tokio::time::interval(pause);
            while still_open.load(Ordering::Relaxed) {
                beat.tick().await;
                envelope(&http, &atlas, &hook, key, count.fetch_add(1, Ordering::Relaxed)).await?;
            }
            Ok(())
        });
        Self { open, made, work }
    }

    async fn stop(self) -> Result<u64> {
        self.open.store(false, Ordering::Relaxed);
        self.work.await??;
        Ok(self.made.load(Ordering::Relaxed))
    }
}

/// One envelope from creation to the last signature.
async fn envelope(http: &reqwest::Client, atlas: &str, hook: &str, key: &str, number: u64) -> Result<()> {
    let order = json!({
        "document_url": format!("{atlas}/files/order-{number}.pdf"), "webhook_url": hook, "auto_send": true,
        "metadata": {"external_id": format!("other-{number}")},
        "parties": [{"email": "dana@buyer.test", "name": "Dana Buyer", "role": "Customer", "order": 1},
                    {"email": "sam@acme.test", "name": "Sam Seller", "role": "Company", "order": 2}],
    });
    let create = http.post(format!("{atlas}/api/envelope")).bearer_auth(secret(key)).json(&order);
    let made: Value = serde_json::from_str(&create.send().await?.error_for_status()?.text().await?)?;
    for party in made["parties"].as_array().context("no parties")? {
        let link = party["sign_url"].as_str().context("no sign link")?;
        http.get(link).send().await?.error_for_status()?;
        let answer = http.post(link).form(&[("action", "sign")]).send().await?.status();
        ensure!(answer.as_u16() == 303, "a signer met {answer}");
    }
    Ok(())
}
