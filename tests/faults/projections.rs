//! A projection is a cache: cut short, scribbled over or deleted, it comes back with the same bytes.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use contracts::wire::verification::GetLedgerRequest;
use contracts::wire::verification::verification_service_client::VerificationServiceClient;
use event_log::{Category, EmbeddedSettings, EventLog, Recorded, Settings};
use projection::{Projection, Rows, View, ViewError};
use system_tests::condition::eventually;
use system_tests::judge;
use system_tests::process::{Countersign, Options};
use system_tests::world::{Pace, World};

use crate::people::{Office, sell};
use crate::verdict;

/// Starts within which a projection that was behind must be level: an idle process needs one.
const STARTS_MAX: usize = 5;

/// The projections of one process, as their services open them.
fn views() -> Vec<Named> {
    [verification::read_models(), envelope_orchestrator::read_models(), crm_sync::read_models()]
        .concat()
        .into_iter()
        .map(|(name, version, category)| Named { name, version, category })
        .collect()
}

#[derive(Clone, Copy)]
struct Named {
    name: &'static str,
    version: u32,
    category: Category,
}

impl View for Named {
    fn name(&self) -> &'static str {
        self.name
    }

    fn version(&self) -> u32 {
        self.version
    }

    fn apply(&self, _recorded: &Recorded, _rows: &mut Rows<'_>) -> Result<(), ViewError> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projection_that_is_cut_scribbled_over_or_deleted_comes_back_with_the_same_bytes() -> Result<()> {
    let world = World::start(Pace::default()).await?;
    let place = world.place("all")?;
    let options =
        Options { simulators: false, arguments: world.arguments(), ..Options::embedded(place.clone()) };
    let office = Office::open(&world);
    let process = Countersign::up(&options).await?;
    let mut deals = Vec::new();
    for round in 0..3 {
        deals.extend(sell(&world, &office, round).await?);
    }
    verdict::settled(&world, &deals).await?;
    office.close().await?;
    nothing_is_open(&world).await?;
    let before = answers(&world).await?;
    process.stop().await?;
    let digests = level_digests(&options, &place).await?;

    for harm in [truncate as fn(&Path) -> Result<()>, scribble, delete] {
        for view in views() {
            harm(&place.join("data/projections").join(view.name)).with_context(|| view.name)?;
        }
        let process = Countersign::up(&options).await?;
        verdict::settled(&world, &deals).await?;
        ensure!(answers(&world).await? == before, "the answers differ after a rebuild");
        process.stop().await?;
        ensure!(level_digests(&options, &place).await? == digests, "the bytes differ after a rebuild");
    }
    Ok(())
}

/// Waits until every question to a provider is answered, and every signal settled: nothing more is to be written.
async fn nothing_is_open(world: &World) -> Result<()> {
    let look = || async {
        let asked = judge::all_envelopes(world).await?.into_iter().any(|one| one.confirmation_requested);
        ensure!(!asked, "a provider is still asked");
        judge::everything_is_settled(&world.operator(&["ledger"]).await?).map(Some)
    };
    eventually("everything to be at rest", Duration::from_secs(60), look).await
}

/// What is answered from the projections over gRPC.
async fn answers(world: &World) -> Result<String> {
    let mut verification = VerificationServiceClient::connect(world.verification()).await?;
    let ledger = verification.get_ledger(GetLedgerRequest::default()).await?.into_inner();
    let mut envelopes: Vec<_> = judge::envelopes(world).await?.into_iter().collect();
    envelopes.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(format!("{ledger:?} {envelopes:?}"))
}

/// The digest of each projection at the end of the log. A process that stops need not wait for its projections: one
/// that is behind is given a process that goes on.
async fn level_digests(options: &Options, place: &Path) -> Result<Vec<[u8; 32]>> {
    for _ in 0..STARTS_MAX {
        match digests(place).await? {
            Ok(digests) => return Ok(digests),
            Err(_behind) => Countersign::up(options).await?.stop().await?,
        }
    }
    let behind = digests(place).await?.err();
    bail!("{} is behind after {STARTS_MAX} starts", behind.unwrap_or_default())
}

/// The digest of each projection, by a reader that applies nothing; or the name of one that is behind.
async fn digests(place: &Path) -> Result<Result<Vec<[u8; 32]>, &'static str>> {
    let data = place.join("data");
    let log = EventLog::open(Settings::Embedded(EmbeddedSettings::in_dir(&data))).await?;
    let mut digests = Vec::new();
    for view in views() {
        let projection = Projection::open(data.join("projections"), log.clone(), view.category, view).await?;
        if projection.position() != log.head(view.category).await? {
            return Ok(Err(view.name));
        }
        digests.push(projection.digest()?);
    }
    Ok(Ok(digests))
}

fn truncate(folder: &Path) -> Result<()> {
    let file = std::fs::OpenOptions::new().write(true).open(folder.join("db"))?;
    file.set_len(file.metadata()?.len() / 3)?;
    Ok(())
}

fn scribble(folder: &Path) -> Result<()> {
    let path = folder.join("db");
    let mut bytes = std::fs::read(&path)?;
    ensure!(bytes.iter().any(|byte| *byte != 0), "there is nothing to scribble over");
    bytes.iter_mut().filter(|byte| **byte != 0).step_by(7).for_each(|byte| *byte ^= 0x55);
    std::fs::write(path, bytes)?;
    Ok(())
}

fn delete(folder: &Path) -> Result<()> {
    Ok(std::fs::remove_dir_all(folder)?)
}
