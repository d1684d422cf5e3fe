//! PandaDoc gives up on our address: it turns the subscription off and tries no more. That is noticed, the subscription
//! turned on again, and what was missed meanwhile is fetched from the vendor's own history and found by sweeps.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use system_tests::process::{Countersign, Options};
use system_tests::world::{Pace, World, last_words, secret};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::office::{Deal, Office, Road, Wish};
use crate::told::{self, Found};

/// How much faster than life everybody is.
const FACTOR: f64 = 600.0;
/// At this pace the vendor gives up after four seconds instead of seven days.
const SEVEN_DAYS_IN_FOUR_SECONDS: f64 = 7.0 * 24.0 * 3_600.0 / 4.0;
const SETTLE: Duration = Duration::from_secs(120);
/// Documents that are out when we go away.
const DOCUMENTS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_that_one_410_turned_off_is_turned_on_again_and_its_gap_is_filled() -> Result<()> {
    let away = Away::begin(FACTOR).await?;
    // The hosting company answers in our place that we are gone.
    let gone = Gone::on(away.world.ports.ingress).await?;
    away.office.go_on();
    told::settle("the vendor to give up", SETTLE, || standing_is(&away.world, "DEACTIVATED")).await?;
    gone.leave().await;
    away.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_that_seven_days_of_errors_turned_off_is_turned_on_again_and_its_gap_is_filled()
-> Result<()> {
    let mut away = Away::begin(SEVEN_DAYS_IN_FOUR_SECONDS).await?;
    // Documents go out and are signed all the time, and every webhook meets a closed port.
    away.office.go_on();
    for number in 0.. {
        let name = format!("Meanwhile {number:03}");
        away.deals.push(away.office.sell(&away.world, &name, Road::Sales, Wish::Signed).await?);
        tokio::time::sleep(Duration::from_millis(250)).await;
        if standing_is(&away.world, "DEACTIVATED").await.is_ok() {
            break;
        }
        ensure!(number < 100, "the vendor does not give up");
    }
    away.end().await
}

/// Documents are out, and we are away.
struct Away {
    world: World,
    options: Options,
    office: Office,
    deals: Vec<Deal>,
}

impl Away {
    async fn begin(pandadoc: f64) -> Result<Self> {
        let world = World::start(Pace { services: FACTOR, pandadoc, ..Pace::default() }).await?;
        let place = world.place("all")?;
        let arguments = world.arguments_of_one();
        let options = Options { simulators: false, arguments, ..Options::embedded(place) };
        let process = Countersign::up(&options).await?;
        let office = Office::open(&world);
        office.rest();
        let mut deals = Vec::new();
        for number in 0..DOCUMENTS {
            let wish = if number == 0 { Wish::Declined } else { Wish::Signed };
            deals.push(office.sell(&world, &format!("Before {number:03}"), Road::Sales, wish).await?);
        }
        told::quiet(&world, SETTLE).await?;
        process.stop().await?;
        Ok(Self { world, options, office, deals })
    }

    /// We are back: all is noticed, mended and found.
    async fn end(self) -> Result<()> {
        let Self { world, options, office, mut deals } = self;
        told::settle("people to be done", SETTLE, || async {
            ensure!(office.unfinished() == 0, "people are not done");
            Ok(())
        })
        .await?;
        let process = Countersign::up(&options).await?;
        let words = || format!("the process said:\n{}", last_words(&options.directory));
        told::settle("the subscription to be on again", SETTLE, || standing_is(&world, "ACTIVE"))
            .await
            .with_context(words)?;
        told::ended(&world, &deals, SETTLE).await.with_context(words)?;

        // Webhooks come again.
        let afterwards = office.sell(&world, "Afterwards", Road::Sales, Wish::Signed).await?;
        let document = afterwards.document.clone().unwrap_or_default();
        deals.push(afterwards);
        told::ended(&world, &deals, SETTLE).await.with_context(words)?;
        office.close().await?;
        told::quiet(&world, SETTLE).await?;
        let lane = format!("{}/__sim/deliveries?lane={document}", world.pandadoc.url());
        let heard = system_tests::http::get(&world.http, &lane).await?;
        let heard = heard.as_array().cloned().unwrap_or_default();
        ensure!(!heard.is_empty(), "the subscription is on and says nothing");
        ensure!(heard.iter().all(|delivery| delivery["state"] == "delivered"), "a webhook was lost again");
        told::effects_once(&world, &deals).await?;
        told::balanced(&world).await?;

        process.stop().await?;
        let log = told::log(&options.directory).await?;
        let found = Found::in_log(&log).await?;
        ensure!(found.signals > 0, "nothing was fetched from the vendor's history");
        println!("{} documents ended as the vendor says", deals.len());
        println!(
            "found by sweeps: {}; signals fetched from the history: {}",
            found.swept.len(),
            found.signals
        );
        Ok(())
    }
}

/// The vendor's word for the standing of our subscription is `wanted`.
async fn standing_is(world: &World, wanted: &str) -> Result<()> {
    let url = format!("{}/public/v1/webhook-subscriptions", world.pandadoc.url());
    let key = format!("API-Key {}", secret("pandadoc-api-key"));
    let answer = world.http.get(url).header("authorization", key).send().await?.error_for_status()?;
    let answer: Value = serde_json::from_str(&answer.text().await?)?;
    let standing = &answer["items"][0]["status"];
    ensure!(standing == wanted, "the subscription is {standing}");
    Ok(())
}

/// Somebody who answers 410 to everything.
struct Gone {
    work: JoinHandle<()>,
}

impl Gone {
    #[expect(clippy::disallowed_methods, reason = "a hosting company stands beside the test")]
    async fn on(port: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let work = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 16 * 1024];
                // Whoever leaves early is told nothing.
                drop(stream.read(&mut request).await);
                drop(
                    stream
                        .write_all(b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                        .await,
                );
            }
        });
        Ok(Self { work })
    }

    /// Frees the port.
    async fn leave(self) {
        self.work.abort();
        drop(self.work.await);
    }
}
