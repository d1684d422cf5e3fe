//! How a job stands, as gRPC shows it.

use domain::job::{JobOutcome, JobRun, JobStanding};
use domain::time::Timestamp;

use crate::fields::{WireEnum as _, millis, wire_enum};
use crate::wire::common as wire;

wire_enum!(JobOutcome = wire::JobOutcome { Done, Unfinished, Failed, TimedOut });

/// The job as it travels over gRPC.
pub fn resource(job: JobStanding) -> wire::Job {
    let or_never = |time: Option<Timestamp>| time.unwrap_or_default().0;
    wire::Job {
        name: job.name,
        connection: job.connection.to_string(),
        every_ms: millis(job.every),
        next_run_ms: or_never(job.next_run),
        running: job.running,
        last: job.last.map(run),
        succeeded_at_ms: or_never(job.succeeded_at),
        failures: job.failures,
    }
}

fn run(run: JobRun) -> wire::JobRun {
    wire::JobRun {
        started_ms: run.started_at.0,
        finished_ms: run.finished_at.0,
        outcome: run.outcome.to_wire(),
        looked: run.looked,
        found: run.found,
        attention: run.attention,
        note: run.note,
    }
}
