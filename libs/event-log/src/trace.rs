//! The trace context that travels in every record, in W3C form.
//!
//! A handler that runs later starts a trace of its own with a link to the stored context: a replay must not
//! extend a trace that ended months ago.

use std::time::Duration;

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Work on an older commit gets a trace of its own, with a link.
const CONTINUED_FOR: Duration = Duration::from_secs(3600);

/// W3C trace context; empty when the writer had no trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceContext {
    /// `00-<trace id>-<span id>-<flags>`.
    pub traceparent: Option<String>,
    /// Vendor part.
    pub tracestate: Option<String>,
}

impl TraceContext {
    /// The context of the current span; empty outside a recorded trace.
    pub fn current() -> TraceContext {
        let context = tracing::Span::current().context();
        TraceContext::of(context.span().span_context())
    }

    /// The text form of a span's context.
    pub fn of(span: &SpanContext) -> TraceContext {
        if !span.is_valid() {
            return TraceContext::default();
        }
        let flags = (span.trace_flags() & TraceFlags::SAMPLED).to_u8();
        let state = span.trace_state().header();
        let (trace_id, span_id) =
            (hex::encode(span.trace_id().to_bytes()), hex::encode(span.span_id().to_bytes()));
        let flags = hex::encode([flags]);
        TraceContext {
            traceparent: Some(["00-", &trace_id, "-", &span_id, "-", &flags].concat()),
            tracestate: (!state.is_empty()).then_some(state),
        }
    }

    /// The span that wrote, for a link; `None` when there is none or it is malformed.
    pub fn span_context(&self) -> Option<SpanContext> {
        let mut parts = self.traceparent.as_deref()?.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if version != "00"
            || parts.next().is_some()
            || trace.len() != 32
            || span.len() != 16
            || flags.len() != 2
        {
            return None;
        }
        let state = self.tracestate.as_deref().and_then(|state| state.parse::<TraceState>().ok());
        let context = SpanContext::new(
            TraceId::from_hex(trace).ok()?,
            SpanId::from_hex(span).ok()?,
            TraceFlags::new(u8::from_str_radix(flags, 16).ok()?),
            true,
            state.unwrap_or_default(),
        );
        context.is_valid().then_some(context)
    }

    /// Makes `span` a child of the span that wrote, so that one trace shows a journey from end to end; or links it,
    /// when that was longer ago than `CONTINUED_FOR`: a replay must not extend a trace of last month.
    pub fn continue_in(&self, span: &tracing::Span, age: Duration) {
        let Some(writer) = self.span_context() else { return };
        if age < CONTINUED_FOR {
            // Fails only when no tracer is installed; then there is nothing to continue.
            let _ = span.set_parent(opentelemetry::Context::new().with_remote_span_context(writer));
        } else {
            span.add_link(writer);
        }
    }

    /// Links `span` to the span that wrote.
    pub fn link(&self, span: &tracing::Span) {
        if let Some(context) = self.span_context() {
            span.add_link(context);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_reads_back_what_it_wrote() {
        let written = TraceContext {
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
            tracestate: Some("vendor=1".to_owned()),
        };
        assert_eq!(TraceContext::of(&written.span_context().unwrap()), written);
    }

    #[test]
    fn a_malformed_context_is_no_context() {
        for text in ["", "00-1-2-3", "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"] {
            let context = TraceContext { traceparent: Some(text.to_owned()), tracestate: None };
            assert_eq!(context.span_context(), None, "{text}");
        }
    }
}
