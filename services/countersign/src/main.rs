//! The `countersign` binary: parse, run, tell how it ended.
#![expect(clippy::print_stderr, reason = "the last word before the process ends")]

use std::process::ExitCode;

use clap::Parser;
use countersign::cli::Cli;
use tikv_jemallocator::Jemalloc;

/// A third less processor time a webhook than with the system's allocator, in the same memory (docs/benchmarks.md).
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let threads = std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(countersign::run(cli)),
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("countersign: {error:#}");
            ExitCode::FAILURE
        }
    }
}
