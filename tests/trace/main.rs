//! One journey, one trace: HTTP → gRPC → log → consumer → vendor call, as a collector sees it.

mod collector;

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use countersign::journeys::{Addresses, Stage, named};
use system_tests::process::{Countersign, Options};

use crate::collector::{Collector, Seen};

const WEBHOOK: &str = "POST /v1/hooks/{connection}";
const CREATE: &str = "countersign.envelope.v1.EnvelopeService/CreateEnvelope";

/// Plays one journey and gives every span a collector was sent.
async fn spans_of(journey: &str) -> Result<Vec<Seen>> {
    let collector = Collector::start().await?;
    let directory = tempfile::tempdir()?;
    let mut options = Options::embedded(directory.path());
    options.environment = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), collector.address.clone()),
        ("OTEL_SERVICE_NAME".to_owned(), "countersign-traced".to_owned()),
        // Every span of a journey fits between two exports.
        ("OTEL_BSP_MAX_QUEUE_SIZE".to_owned(), "65536".to_owned()),
    ];
    let process = Countersign::up(&options).await?;
    let stage = Stage::new(serde_json::from_value::<Addresses>(process.ready.clone())?)?;
    named(journey).context("no such journey")?.run(&stage).await?;
    // The last spans leave with the process.
    process.stop().await?;
    let spans = collector.seen();
    ensure!(!spans.is_empty(), "no span came");
    Ok(spans)
}

/// The spans of one trace, by their ids.
fn trace_of<'a>(spans: &'a [Seen], trace: &[u8]) -> HashMap<&'a [u8], &'a Seen> {
    spans.iter().filter(|span| span.trace == trace).map(|span| (span.id.as_slice(), span)).collect()
}

/// The names from a span up to the root of its trace.
fn ancestry<'a>(trace: &HashMap<&[u8], &'a Seen>, span: &'a Seen) -> Vec<&'a str> {
    let mut names = vec![span.name.as_str()];
    let mut parent = span.parent.as_slice();
    while let Some(span) = trace.get(parent) {
        names.push(&span.name);
        parent = &span.parent;
    }
    names
}

#[tokio::test]
async fn a_trigger_is_one_trace_from_the_webhook_to_the_call_at_the_vendor() -> Result<()> {
    let spans = spans_of("template_auto_send").await?;
    let create = spans
        .iter()
        .find(|span| span.is_call("atlas", "send_template"))
        .context("no create call at the vendor")?;
    let trace = trace_of(&spans, &create.trace);
    let road = ancestry(&trace, create);
    // From the inside out: vendor call, effect, CreateEnvelope at the server and at the client, trigger, verification, webhook.
    let stations = ["effect", CREATE, "take trigger", "accept delivery", WEBHOOK];
    let mut rest = road.iter();
    for station in stations {
        ensure!(
            rest.any(|name| *name == station),
            "{station} is missing, or not above what it caused: {road:?}"
        );
    }
    ensure!(road.last() == Some(&WEBHOOK), "the root is the webhook: {road:?}");
    ensure!(
        road.iter().filter(|name| **name == CREATE).count() == 2,
        "one span at the client, one at the server: {road:?}"
    );
    ensure!(trace.values().all(|span| span.service == "countersign-traced"), "a span of another service");
    ensure!(
        trace.values().all(|span| !span.instance.is_empty()),
        "spans without an instance collapse in viewers"
    );
    Ok(())
}

#[tokio::test]
async fn what_a_signature_webhook_changes_in_the_crm_is_in_the_trace_of_that_webhook() -> Result<()> {
    let spans = spans_of("template_auto_send").await?;
    let writes: Vec<&Seen> = spans.iter().filter(|span| span.is_call("hubspot", "write_record")).collect();
    ensure!(!writes.is_empty(), "no write at the CRM: {:?}", calls(&spans));
    let last = writes.into_iter().max_by_key(|span| span.start).context("a write")?;
    let trace = trace_of(&spans, &last.trace);
    let road = ancestry(&trace, last);
    let mut rest = road.iter();
    for station in ["sync record", "signal", "accept delivery", WEBHOOK] {
        ensure!(
            rest.any(|name| *name == station),
            "{station} is missing, or not above what it caused: {road:?}"
        );
    }
    Ok(())
}

fn calls(spans: &[Seen]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

#[tokio::test]
async fn without_a_collector_nothing_is_exported_and_nothing_is_missed() -> Result<()> {
    let collector = Collector::start().await?;
    let directory = tempfile::tempdir()?;
    let process = Countersign::up(&Options::embedded(directory.path())).await?;
    let stage = Stage::new(serde_json::from_value::<Addresses>(process.ready.clone())?)?;
    named("template_auto_send").context("no such journey")?.run(&stage).await?;
    process.stop().await?;
    ensure!(collector.seen().is_empty(), "spans went somewhere nobody named");
    Ok(())
}
