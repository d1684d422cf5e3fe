//! Two things happen at once, or in an order that nobody meant: the real process beside the vendors' simulators, on both
//! logs. Each race asserts where the envelope stands in the end (lifecycle §5.4), and reads in the log that what changed
//! nothing was recorded with its reason.
//!
//! Webhooks are held back at the vendor or made with its key, so that the order is ours; polls are slow enough not to
//! meddle.

mod at_atlas;
mod at_pandadoc;
mod read;

use std::time::Duration;

use anyhow::{Context, Result};
use contracts::wire::envelope as wire;
use contracts::wire::envelope::Stage as At;
use countersign::journeys::{Addresses, Stage};
use event_log::{EmbeddedSettings, EventLog, JetStreamSettings, Settings};
use system_tests::process::{Countersign, Options};
use testkit::nats::{NatsOptions, NatsServer};

use read::Read;

/// How much faster than life the vendors are: the first look at an envelope that is out comes after 15 seconds.
const TIME_FACTOR: &str = "20";
/// Nothing here takes longer, unless it is broken.
const DEADLINE: Duration = Duration::from_secs(60);

/// How a race ended, to be found again in the log.
pub struct End {
    /// Our id of the envelope.
    pub envelope: String,
    /// Facts that must be there in this order; others may lie between.
    pub facts: &'static [&'static str],
    /// Signals that must have been ignored: claim and reason.
    pub ignored: &'static [(&'static str, &'static str)],
    /// Facts that must not be there.
    pub never: &'static [&'static str],
}

macro_rules! races {
    ($($place:ident :: $name:ident)*) => {
        $(mod $name {
            #[tokio::test]
            async fn on_the_embedded_log() -> anyhow::Result<()> {
                super::on_the_embedded_log(async |stage| super::$place::$name(stage).await).await
            }

            #[tokio::test]
            async fn on_jetstream() -> anyhow::Result<()> {
                super::on_jetstream(async |stage| super::$place::$name(stage).await).await
            }
        })*
    };
}

races! {
    at_atlas::the_last_signature_is_faster_than_our_void
    at_atlas::our_void_is_faster_than_the_last_signature
    at_atlas::news_that_contradicts_or_lags_behind_the_completion
    at_pandadoc::a_draft_older_than_sent_and_one_that_is_newer
    at_pandadoc::an_end_that_sales_corrects_by_hand
}

async fn on_the_embedded_log(race: impl AsyncFnOnce(&Stage) -> Result<End>) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let settings = Settings::Embedded(EmbeddedSettings::in_dir(directory.path().join("data")));
    run(race, Options::embedded(directory.path()), settings).await
}

async fn on_jetstream(race: impl AsyncFnOnce(&Stage) -> Result<End>) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let server = NatsServer::start(NatsOptions::default()).await?;
    let settings = Settings::JetStream(JetStreamSettings {
        url: server.url().to_owned(),
        monitoring_url: Some(server.monitoring_url().to_owned()),
        ..JetStreamSettings::default()
    });
    run(race, Options::on(&server, directory.path()), settings).await
}

async fn run(
    race: impl AsyncFnOnce(&Stage) -> Result<End>,
    mut options: Options,
    log: Settings,
) -> Result<()> {
    options.arguments = vec!["--time-factor".to_owned(), TIME_FACTOR.to_owned()];
    let process = Countersign::up(&options).await?;
    let addresses: Addresses = serde_json::from_value(process.ready.clone())?;
    let stage = Stage::new(addresses)?;
    let end = race(&stage).await?;
    until_settled(&stage).await?;
    process.stop().await?;
    let log = EventLog::open(log).await?;
    Read::of(&log, &end.envelope).await?.judge(&end)
}

/// Waits until the envelope stands there.
pub async fn until(stage: &Stage, id: &str, wanted: At) -> Result<wire::Envelope> {
    until_so(stage, id, wanted.as_str_name(), |envelope| envelope.stage() == wanted).await
}

/// Waits until the envelope is so.
pub async fn until_so(
    stage: &Stage,
    id: &str,
    what: &str,
    fits: impl Fn(&wire::Envelope) -> bool,
) -> Result<wire::Envelope> {
    let look = || async {
        let envelope = stage.envelope(id).await?;
        anyhow::ensure!(fits(&envelope), "it is {}", envelope.stage().as_str_name());
        Ok(Some(envelope))
    };
    system_tests::condition::eventually(what, DEADLINE, look).await
}

/// Waits until it is in the log what became of every signal: the last of them may have changed nothing.
async fn until_settled(stage: &Stage) -> Result<()> {
    let addresses = stage.addresses();
    let endpoints = [
        ("COUNTERSIGN_VERIFICATION_ENDPOINT", addresses.verification.clone()),
        ("COUNTERSIGN_ORCHESTRATOR_ENDPOINT", addresses.orchestrator.clone()),
        ("COUNTERSIGN_CRM_SYNC_ENDPOINT", addresses.crm_sync.clone()),
    ];
    let look = || async {
        let ledger = system_tests::process::operator(&["ledger"], &endpoints).await?;
        system_tests::judge::everything_is_settled(&ledger).map(Some)
    };
    system_tests::condition::eventually("every signal to be settled", DEADLINE, look).await
}

/// Waits until so many facts of this kind are recorded.
pub async fn until_recorded(stage: &Stage, id: &str, kind: &str, count: usize) -> Result<()> {
    let look = || async {
        let kinds = stage.kinds(id).await?;
        let found = kinds.iter().filter(|found| *found == kind).count();
        anyhow::ensure!(found >= count, "{kind} is recorded {found} times in {kinds:?}");
        Ok(Some(()))
    };
    system_tests::condition::eventually(kind, DEADLINE, look).await
}

/// Posts a webhook made with the vendor's own key, and expects it to be taken.
pub async fn post(url: String, header: Option<(&str, String)>, body: &[u8]) -> Result<()> {
    let request = system_tests::http::client().post(url).body(body.to_vec());
    let request = match header {
        Some((name, value)) => request.header(name, value),
        None => request,
    };
    request.send().await?.error_for_status().context("a webhook of ours is refused")?;
    Ok(())
}

/// What `secret` of the run with simulators makes of this body, in hexadecimal.
pub fn signature(stage: &Stage, secret: &str, body: &[u8]) -> Result<String> {
    let path = stage.addresses().data_dir.join("secrets").join(secret);
    let key = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(hex::encode(signatures::hmac_sha256(key.trim().as_bytes(), &[body])))
}
