//! Drives ingress with signed webhooks and says what it took.
//!
//! The whole road is measured: a real `countersign up --roles ingress,verification` process, real HTTP over
//! loopback, real signatures, durable appends. Two passes: closed loop (every connection sends as fast as it is
//! answered) for the rate, then open loop at half that rate (arrivals are scheduled; latency counts from the
//! scheduled arrival, so a stall is not hidden) for the latencies. Beside them stand the store's own rates from
//! the same run on the same machine, because an absolute number says nothing about the code.
//!
//! `load flood` asks something else: what a flood of forged webhooks does to the genuine ones beside it.

use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};
use tikv_jemallocator::Jemalloc;

mod drive;
mod flood;
mod report;
mod store;
mod target;

/// The same as in the process under load: the generator takes from the same cores.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Load on ingress, beside the store's own rates.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    /// Another question than the rate.
    #[command(subcommand)]
    question: Option<Question>,

    /// The log to measure: `embedded`, or `nats` (a nats-server with `sync_interval: always` is started).
    #[arg(long, default_value = "embedded")]
    log: target::Log,

    /// The countersign binary, built with --release.
    #[arg(long, default_value = "target/release/countersign")]
    countersign: std::path::PathBuf,

    /// Concurrent connections.
    #[arg(long, default_value_t = 256)]
    connections: usize,

    /// Size of a webhook's body in bytes; may be given several times.
    #[arg(long, default_values_t = [1024, 4096])]
    body_bytes: Vec<usize>,

    /// Length of each pass in seconds, at most 600.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
}

/// Another question than the rate.
#[derive(Debug, Subcommand)]
enum Question {
    /// Genuine webhooks alone, then beside a flood of forged ones: latency, memory, and whether every count is exact.
    Flood(flood::Flood),
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(Question::Flood(flood)) = &arguments.question {
        return flood.run().await;
    }
    let length = Duration::from_secs(arguments.seconds);

    for body_bytes in &arguments.body_bytes {
        let store = store::rates(arguments.log, *body_bytes, arguments.connections, length / 2).await?;
        let one_by_one = match arguments.log {
            target::Log::Embedded => None,
            target::Log::Nats => {
                let target = target::Target::start_one_by_one(&arguments.countersign).await?;
                Some(drive::closed_loop(&target, *body_bytes, arguments.connections, length / 2).await?)
            }
        };
        let target = target::Target::start(arguments.log, &arguments.countersign).await?;

        let before = target.processor_time().unwrap_or_default();
        let mut flood = drive::closed_loop(&target, *body_bytes, arguments.connections, length).await?;
        flood.processor_time = target.processor_time().unwrap_or_default().saturating_sub(before);
        let rate = flood.accepted_per_second() / 2.0;
        let half = drive::open_loop(&target, *body_bytes, arguments.connections, length, rate).await?;

        let alone = report::Beside { store, one_by_one };
        report::print(arguments.log, *body_bytes, arguments.connections, &alone, &flood, &half, &target);
    }
    Ok(())
}
