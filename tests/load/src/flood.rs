//! A flood of forged webhooks beside genuine ones, on the same connection of the same process on the same machine.
//!
//! Genuine webhooks arrive on schedule, first alone, then while forged ones arrive a hundred times as often. Both passes run on
//! the same process, one after the other, so the ratio of their latencies says what the flood costs the genuine road,
//! whatever the machine. Every webhook is counted by its sender and by the ledger; both must say the same.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use contracts::wire::verification::verification_service_client::VerificationServiceClient;
use contracts::wire::verification::{GetLedgerRequest, LedgerLine};

use crate::drive::{self, Pass};
use crate::report;
use crate::target::{Log, Target, Webhooks};

/// Connections of the genuine sender, and of the forger.
const GENUINE_CONNECTIONS: usize = 8;
const FORGED_CONNECTIONS: usize = 64;
/// Size of every body.
const BODY_BYTES: usize = 1024;
/// Most that the genuine p99 may grow by.
const RATIO_MAX: f64 = 3.0;
/// Most that memory may grow between the first and the last third of the flood: the log's own buffers take turns.
const GROWTH_MAX: f64 = 1.15;
/// Longest wait for the ledger to have counted everything.
const COUNTED_DEADLINE: Duration = Duration::from_secs(30);

/// How the flood is made.
#[derive(Clone, Debug, clap::Args)]
pub struct Flood {
    /// The log: `embedded` or `nats`.
    #[arg(long, default_value = "embedded")]
    pub log: Log,

    /// The countersign binary, built with --release.
    #[arg(long, default_value = "target/release/countersign")]
    pub countersign: PathBuf,

    /// Genuine webhooks a second.
    #[arg(long, default_value_t = 50.0)]
    pub genuine: f64,

    /// Forged webhooks a second.
    #[arg(long, default_value_t = 5_000.0)]
    pub forged: f64,

    /// Length of each pass in seconds, at most 600.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub seconds: u64,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Genuine webhooks before anything was measured.
    pub warm: Pass,
    /// Genuine webhooks alone.
    pub quiet: Pass,
    /// Genuine webhooks beside the flood.
    pub beside: Pass,
    /// The flood.
    pub forged: Pass,
    /// What the ledger counted of all three.
    pub ledger: LedgerLine,
    /// Resident memory in MiB, once a second during the flood.
    pub memory: Vec<u64>,
}

impl Outcome {
    /// How many times the quiet p99 the genuine p99 beside the flood is.
    pub fn ratio(&self) -> f64 {
        self.beside.latency(0.99).as_secs_f64() / self.quiet.latency(0.99).as_secs_f64().max(f64::EPSILON)
    }

    /// Mean memory of the last third of the flood by that of the first, its first seconds left out: caches fill once.
    pub fn growth(&self) -> f64 {
        let warm = &self.memory[self.memory.len() / 6..];
        let third = (warm.len() / 3).max(1);
        let mean = |some: &[u64]| some.iter().sum::<u64>() as f64 / some.len().max(1) as f64;
        mean(&warm[warm.len() - third.min(warm.len())..]) / mean(&warm[..third.min(warm.len())]).max(1.0)
    }

    /// Every webhook was answered as it deserved, and the ledger counted each.
    ///
    /// # Errors
    /// Says which count is wrong.
    pub fn counts_are_exact(&self) -> Result<()> {
        let (quiet, beside, forged) = (&self.quiet, &self.beside, &self.forged);
        ensure!(
            quiet.failed + quiet.refused == 0,
            "a genuine one was not accepted: {} + {}",
            quiet.failed,
            quiet.refused
        );
        ensure!(
            beside.failed + beside.refused == 0,
            "a genuine one was not accepted: {} + {}",
            beside.failed,
            beside.refused
        );
        ensure!(
            forged.failed + forged.accepted == 0,
            "{} forged failed, {} were believed",
            forged.failed,
            forged.accepted
        );
        ensure!(self.is_counted(), "the ledger says {:?}", self.ledger);
        Ok(())
    }

    fn is_counted(&self) -> bool {
        let (genuine, forged) =
            (self.warm.accepted + self.quiet.accepted + self.beside.accepted, self.forged.refused);
        self.ledger.accepted == genuine
            && self.ledger.quarantined == forged
            && self.ledger.received == genuine + forged
    }
}

impl Flood {
    /// Makes it, prints what came of it, and judges it.
    ///
    /// # Errors
    /// When a count is not exact, the ratio is too large or memory grew.
    pub async fn run(&self) -> Result<()> {
        let outcome = self.measure().await?;
        report::flood(self, &outcome);
        outcome.counts_are_exact()?;
        let (ratio, growth) = (outcome.ratio(), outcome.growth());
        ensure!(ratio <= RATIO_MAX, "the flood costs genuine webhooks {ratio:.1} times their p99");
        ensure!(growth <= GROWTH_MAX, "memory grew to {growth:.2} of what it was");
        Ok(())
    }

    /// Makes it.
    ///
    /// # Errors
    /// When the target does not start or does not answer.
    pub async fn measure(&self) -> Result<Outcome> {
        let target = Target::start(self.log, &self.countersign).await?;
        let length = Duration::from_secs(self.seconds);
        // Once around before anything is measured: the first of everything is slow.
        let warm = genuine(&target, Duration::from_secs(1), self.genuine).await?;
        let quiet = genuine(&target, length, self.genuine).await?;
        let flooding =
            drive::scheduled(target.forged_webhooks(BODY_BYTES), FORGED_CONNECTIONS, length, self.forged);
        let (beside, forged, memory) =
            tokio::join!(genuine(&target, length, self.genuine), flooding, watched(&target, length));
        let (beside, forged) = (beside?, forged?);
        let mut outcome = Outcome { warm, quiet, beside, forged, ledger: LedgerLine::default(), memory };
        // Refusals beyond the first are counted together and written down from time to time.
        let asked = Instant::now();
        while !outcome.is_counted() && asked.elapsed() < COUNTED_DEADLINE {
            outcome.ledger = ledger(&target).await?;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(outcome)
    }
}

/// Genuine webhooks on a thread of their own: the forger's work beside them is not what is measured.
async fn genuine(target: &Target, length: Duration, rate: f64) -> Result<Pass> {
    let webhooks: Webhooks = target.webhooks(BODY_BYTES);
    let (done, pass) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let pass = runtime.context("no runtime").and_then(|runtime| {
            runtime.block_on(drive::scheduled(webhooks, GENUINE_CONNECTIONS, length, rate))
        });
        // Nobody waits for it when the flood has failed already.
        drop(done.send(pass));
    });
    pass.await.context("the genuine sender ended early")?
}

/// Resident memory once a second.
async fn watched(target: &Target, length: Duration) -> Vec<u64> {
    let mut memory = Vec::new();
    for _ in 0..length.as_secs() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        memory.extend(target.resident_mebibytes());
    }
    memory
}

async fn ledger(target: &Target) -> Result<LedgerLine> {
    let mut client = VerificationServiceClient::connect(target.verification.clone()).await?;
    let answer = client.get_ledger(GetLedgerRequest::default()).await?.into_inner();
    Ok(answer.lines.into_iter().next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The binary that cargo built beside this test.
    fn built() -> Option<PathBuf> {
        let tests = std::env::current_exe().ok()?;
        Some(tests.ancestors().nth(2)?.join("countersign")).filter(|path| path.exists())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_small_flood_is_refused_and_every_count_is_exact() {
        let countersign = built().expect("run `cargo build -p countersign` first");
        let flood = Flood { log: Log::Embedded, countersign, genuine: 20.0, forged: 300.0, seconds: 3 };
        let outcome = flood.measure().await.unwrap();
        assert!(outcome.forged.refused > 0, "no flood, no proof");
        outcome.counts_are_exact().unwrap();
    }
}
