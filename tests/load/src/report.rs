//! One table per run, figures beside what they are measured against.
#![expect(clippy::print_stdout, reason = "the table is what the program is for")]

use crate::drive::Pass;
use crate::flood::{Flood, Outcome};
use crate::store::Rates;
use crate::target::{Log, Target};

/// What the rate is measured against, all of it from the same run.
pub struct Beside {
    /// The store by itself.
    pub store: Rates,
    /// The whole road with one message an event. JetStream only.
    pub one_by_one: Option<Pass>,
}

/// Prints the table.
pub fn print(
    log: Log,
    body_bytes: usize,
    connections: usize,
    beside: &Beside,
    flood: &Pass,
    half: &Pass,
    target: &Target,
) {
    let rate = flood.accepted_per_second();
    println!("{log:?} log, {body_bytes} bytes a webhook, {connections} connections");
    println!("  accepted            {rate:>10.0} /s   ({} failed)", flood.failed);
    let store = beside.store;
    println!("  store alone         {:>10.0} /s   accepted/store {:.2}", store.grouped, rate / store.grouped);
    if let Some(single) = store.one_by_one {
        println!(
            "  one message an event{single:>10.0} /s   accepted/that  {:.2}   (the store alone, nothing above it)",
            rate / single
        );
    }
    if let Some(single) = beside.one_by_one.as_ref().map(Pass::accepted_per_second) {
        println!(
            "  one message an event{single:>10.0} /s   accepted/that  {:.2}   (the same road, not grouped)",
            rate / single
        );
    }
    let micros = flood.processor_time.as_micros() as f64 / flood.accepted as f64;
    println!("  processor time      {micros:>10.0} µs a webhook, of the process under load");
    line("full load", flood);
    line("half load", half);
    if let Some(mebibytes) = target.resident_mebibytes() {
        println!("  resident memory     {mebibytes:>10} MiB");
    }
    println!();
}

fn line(name: &str, pass: &Pass) {
    let milliseconds = |share| pass.latency(share).as_secs_f64() * 1000.0;
    println!(
        "  {name}: {:>8.0} /s  p50 {:.2} ms  p99 {:.2} ms  p99.9 {:.2} ms  ({} failed)",
        pass.accepted_per_second(),
        milliseconds(0.5),
        milliseconds(0.99),
        milliseconds(0.999),
        pass.failed,
    );
}

/// Prints what a flood came to.
pub fn flood(asked: &Flood, outcome: &Outcome) {
    let Flood { log, genuine, forged, seconds, .. } = asked;
    println!(
        "{log:?} log, {genuine} genuine webhooks a second, alone and beside {forged} forged, {seconds} s each"
    );
    line("quiet     ", &outcome.quiet);
    line("beside    ", &outcome.beside);
    let answered = outcome.forged.refused as f64 / outcome.forged.elapsed.as_secs_f64().max(f64::EPSILON);
    let p99 = outcome.forged.latency(0.99).as_secs_f64() * 1000.0;
    println!("  forged    : {answered:>8.0} /s refused, p99 {p99:.2} ms  ({} failed)", outcome.forged.failed);
    println!("  p99 beside / p99 quiet   {:>8.2}", outcome.ratio());
    let (first, last) = (outcome.memory.first(), outcome.memory.last());
    let (first, last) = (first.copied().unwrap_or_default(), last.copied().unwrap_or_default());
    let most = outcome.memory.iter().copied().max().unwrap_or_default();
    println!(
        "  resident memory          {first} MiB at first, {last} at last, {most} at most; last third / first {:.2}",
        outcome.growth()
    );
    let ledger = &outcome.ledger;
    println!(
        "  ledger                   {} received = {} accepted + {} quarantined",
        ledger.received, ledger.accepted, ledger.quarantined
    );
}
