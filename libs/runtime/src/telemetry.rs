//! Logs to standard error and spans to a collector.
//!
//! Spans get ids even without a collector, because the log stores them with every event; they are not recorded then.
//! So give every role the collector's address or none: what a role without it began is not sampled further on either.
//! The exporter's own traffic is kept out of the spans, or it would trace itself for ever.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing::Subscriber;
use tracing_subscriber::filter::{EnvFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry};

/// What is logged unless the operator says otherwise.
const LOG_FILTER: &str = "info,h2=warn,hyper=warn,tonic=warn,async_nats=warn,opentelemetry=warn,fjall=warn,lsm_tree=warn,sled=warn";
/// What becomes a span: our crates. The exporter's own stack must not.
const SPAN_FILTER: &str = "info,h2=off,hyper=off,hyper_util=off,tonic=off,tower=off,opentelemetry=off";
/// Longest time one export may take.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// How this process tells about itself.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The service's name in traces, for example `countersign`.
    pub service_name: String,
    /// Tells replicas apart; the pod's id or a random one.
    pub service_instance_id: String,
    /// Logs as JSON, one object a line, instead of text.
    pub json: bool,
    /// Where spans are sent (OTLP over gRPC, for example `http://127.0.0.1:4317`); nowhere if absent.
    pub otlp_endpoint: Option<String>,
    /// What is logged, in the syntax of `RUST_LOG`; our default if absent.
    pub filter: Option<String>,
}

/// Why telemetry could not start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The collector's address cannot be used.
    #[error("spans cannot be exported")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// The filter cannot be read.
    #[error("the log filter cannot be read")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Telemetry was started twice in this process.
    #[error("telemetry was started already")]
    Started(#[from] TryInitError),
}

/// Holds the spans that are not exported yet. Flush it at the very end of the process.
#[derive(Debug)]
#[must_use = "spans of the last seconds are lost unless the guard is flushed"]
pub struct Guard(SdkTracerProvider);

/// Starts logs and spans for this process. Call it once, inside the tokio runtime.
///
/// # Errors
/// When the collector's address or the filter cannot be used, or telemetry runs already.
pub fn start(settings: &Settings) -> Result<Guard, TelemetryError> {
    let provider = provider(settings)?;
    let filter = EnvFilter::try_new(settings.filter.as_deref().unwrap_or(LOG_FILTER))?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = if settings.json {
        lines.json().flatten_event(true).with_filter(filter).boxed()
    } else {
        lines.with_target(false).with_filter(filter).boxed()
    };
    Registry::default().with(lines).with(spans(&provider)).try_init()?;
    Ok(Guard(provider))
}

fn provider(settings: &Settings) -> Result<SdkTracerProvider, TelemetryError> {
    let resource = Resource::builder()
        .with_service_name(settings.service_name.clone())
        .with_attributes([
            KeyValue::new("service.namespace", "countersign"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", settings.service_instance_id.clone()),
        ])
        .build();
    let builder = SdkTracerProvider::builder().with_resource(resource);
    // Nobody collects: a span is its ids and nothing else, and says so (`sampled` is 0) to whoever continues it.
    let Some(endpoint) = &settings.otlp_endpoint else {
        return Ok(builder.with_sampler(Sampler::AlwaysOff).build());
    };
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .with_timeout(EXPORT_TIMEOUT)
        .build()?;
    Ok(builder.with_batch_exporter(exporter).build())
}

fn spans<S>(provider: &SdkTracerProvider) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
{
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("countersign"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false);
    // Levels by crate are all that is asked here: the cheaper filter, because it is asked at every step of every span.
    let levels: Targets = SPAN_FILTER.parse().expect("invariant: the filter is well formed");
    layer.with_filter(levels)
}

impl Guard {
    /// Sends what is left and stops exporting. Waits at most as long as one export may take; what a missing
    /// collector does not take is lost, with a line in the log.
    pub async fn flush(self) {
        // On a runtime with one worker, shutting down inline would wait for itself.
        let flushed = tokio::task::spawn_blocking(move || self.0.shutdown()).await;
        if !matches!(flushed, Ok(Ok(()))) {
            tracing::warn!("the last spans could not be exported");
        }
    }
}

#[cfg(test)]
mod tests;
