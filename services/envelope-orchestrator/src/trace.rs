//! Keeps one trace per journey: work that follows from a commit continues the trace that wrote it.

use std::time::Duration;

use domain::time::Timestamp;
use event_log::Recorded;
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Work on an older commit (a replay, a send held for days) gets a trace of its own with a link.
const CONTINUED_FOR: Duration = Duration::from_secs(3600);

/// Makes `span` a child of the span that wrote the commit, or links it when that was long ago.
pub fn continue_from(span: &Span, recorded: &Recorded, now: Timestamp) {
    let Some(writer) = recorded.trace.span_context() else { return };
    if now.since(recorded.recorded_at) < CONTINUED_FOR {
        // Fails only when no tracer is installed; then there is nothing to continue.
        let _ = span.set_parent(Context::new().with_remote_span_context(writer));
    } else {
        span.add_link(writer);
    }
}
