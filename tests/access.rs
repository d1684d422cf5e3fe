//! PandaDoc by OAuth, through the real binary on both logs: the vendor rotates the refresh token with every refresh,
//! and nobody ever shows it a spent one, not even after the process was killed.

use anyhow::{Result, ensure};
use countersign::journeys::{Addresses, Deal, Stage};
use serde_json::{Value, json};
use system_tests::http::{get, post};
use system_tests::process::{Countersign, Options};
use system_tests::world::{Pace, World, last_words};
use testkit::nats::{NatsOptions, NatsServer};

/// Where a deal asks for a template at the second provider, sent without review.
const ASKS: &str = "presentationscheduled";

#[tokio::test]
async fn tokens_outlive_a_kill_and_no_spent_one_is_shown_again_on_the_embedded_log() -> Result<()> {
    play(|place| Ok(Options::embedded(place))).await
}

#[tokio::test]
async fn tokens_outlive_a_kill_and_no_spent_one_is_shown_again_on_jetstream() -> Result<()> {
    let server = NatsServer::start(NatsOptions::default()).await?;
    play(|place| Ok(Options::on(&server, place))).await
}

async fn play(options: impl Fn(std::path::PathBuf) -> Result<Options>) -> Result<()> {
    let world = World::start(Pace::default()).await?;
    by_oauth(&world)?;
    let place = world.place("all")?;
    let options =
        Options { simulators: false, arguments: world.arguments_of_one(), ..options(place.clone())? };
    let process = Countersign::up(&options).await?;
    let stage = stage(&world)?;

    sent(&stage).await?;
    let (refreshed, _) = counted(&world).await?;
    ensure!(refreshed == 1, "{refreshed} refreshes, where nobody had an access token yet");
    expire(&world).await?;
    sent(&stage).await?;
    ensure!(counted(&world).await? == (2, 0), "it was refreshed otherwise than once");

    process.kill().await?;
    let process = Countersign::up(&options).await?;
    sent(&stage).await?;
    ensure!(counted(&world).await? == (2, 0), "the kept access token was not taken up");
    expire(&world).await?;
    sent(&stage).await?;
    ensure!(
        counted(&world).await? == (3, 0),
        "the kept refresh token was not taken up: {}",
        last_words(&place)
    );
    process.stop().await
}

/// The second provider is called with OAuth instead of a key.
fn by_oauth(world: &World) -> Result<()> {
    let secret = |name: &str| format!("{{file: {}/{name}}}", world.directory.path().display());
    let key = format!("api_key: {}", secret("pandadoc-api-key"));
    let oauth = format!(
        "oauth: {{client_id: countersign, client_secret: {}, refresh_token: {}}}",
        secret("pandadoc-client-secret"),
        secret("pandadoc-refresh-token")
    );
    world.edit_configuration(&key, &oauth)
}

fn stage(world: &World) -> Result<Stage> {
    Stage::new(Addresses {
        ingress: format!("http://127.0.0.1:{}", world.ports.ingress),
        verification: world.verification(),
        orchestrator: world.orchestrator(),
        crm_sync: format!("http://127.0.0.1:{}", world.ports.crm_sync),
        atlas: world.atlas.url(),
        pandadoc: world.pandadoc.url(),
        hubspot: world.hubspot.url(),
        data_dir: world.directory.path().to_owned(),
    })
}

/// A deal's document is made and sent there.
async fn sent(stage: &Stage) -> Result<()> {
    let deal: Deal = stage.new_deal().await?;
    stage.move_deal(&deal, ASKS).await?;
    stage.deal_says(&deal, "esign_status", "Pending").await
}

/// Refreshes made, and spent refresh tokens shown again.
async fn counted(world: &World) -> Result<(u64, u64)> {
    let told: Value = get(&world.http, &format!("{}/__sim/oauth", world.pandadoc.url())).await?;
    Ok((told["refreshed"].as_u64().unwrap_or(u64::MAX), told["reused"].as_u64().unwrap_or(u64::MAX)))
}

async fn expire(world: &World) -> Result<()> {
    post(&world.http, &format!("{}/__sim/oauth/expire", world.pandadoc.url()), &json!({})).await.map(drop)
}
