//! JetStream: every role in a process of its own; each is killed in turn, and nats-server itself.

use std::time::Duration;

use anyhow::{Context, Result};
use event_log::{EventLog, JetStreamSettings, Settings};
use system_tests::judge;
use system_tests::process::{Countersign, Options};
use system_tests::world::{Pace, World, last_words};
use testkit::nats::{NatsOptions, NatsServer};

use crate::people::{Office, sell};
use crate::random::{Random, kills};
use crate::verdict;

const ROLES: [&str; 4] = ["ingress", "verification", "orchestrator", "crm-sync"];
/// Time between two kills.
const LIFE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(2_000));

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_every_role_and_of_the_server_lose_nothing_and_repeat_nothing() -> Result<()> {
    let world = World::start(Pace::default()).await?;
    let mut server = NatsServer::start(NatsOptions::default()).await?;
    let mut random = Random::from_environment();
    let (rounds, mut deals) = (kills(10), Vec::new());

    let office = Office::open(&world);
    let options: Vec<Options> =
        ROLES.iter().map(|role| role_options(&world, &server, role)).collect::<Result<_>>()?;
    let mut processes = Vec::new();
    for options in &options {
        processes.push(Countersign::up(options).await?);
    }
    for round in 0..rounds {
        deals.extend(sell(&world, &office, round).await?);
        tokio::time::sleep(random.between(LIFE.0, LIFE.1)).await;
        // Ingress, verification, orchestrator, crm-sync, the server, and again.
        match usize::try_from(round)? % (ROLES.len() + 1) {
            role if role < ROLES.len() => {
                processes.remove(role).kill().await?;
                processes.insert(role, Countersign::up(&options[role]).await?);
            }
            _ => server.restart().await?,
        }
    }
    let settled = verdict::settled(&world, &deals).await;
    let words =
        || options.iter().map(|options| last_words(&options.directory)).collect::<Vec<_>>().join("\n");
    settled.with_context(|| format!("the processes said:\n{}", words()))?;
    office.close().await?;
    verdict::one_envelope_per_deal(&world, &deals).await?;
    verdict::effects_happened_once(&world, &deals).await?;

    let deliveries = judge::deliveries(&world).await?;
    for process in processes {
        process.stop().await?;
    }
    let settings = JetStreamSettings {
        url: server.url().to_owned(),
        monitoring_url: Some(server.monitoring_url().to_owned()),
        ..JetStreamSettings::default()
    };
    let log = EventLog::open(Settings::JetStream(settings)).await?;
    let answered = verdict::answered_is_logged(&deliveries, &log).await?;
    println!("{rounds} kills, {} deals, {answered} deliveries answered 200: none is missing", deals.len());
    Ok(())
}

fn role_options(world: &World, server: &NatsServer, role: &str) -> Result<Options> {
    let directory = world.place(role)?;
    Ok(Options {
        roles: role.to_owned(),
        simulators: false,
        arguments: world.arguments(),
        ..Options::on(server, directory)
    })
}
