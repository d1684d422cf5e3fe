//! The trace context (W3C) on its way through headers, metadata and the log.

use std::collections::BTreeMap;

use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tonic::metadata::{MetadataKey, MetadataMap};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// The current span as `traceparent` and `tracestate`, to be stored with an event or sent along.
pub fn current_trace() -> (Option<String>, Option<String>) {
    trace_of(&Span::current())
}

/// A span as `traceparent` and `tracestate`; nothing when it is not recorded.
pub fn trace_of(span: &Span) -> (Option<String>, Option<String>) {
    let mut texts = Texts::default();
    TraceContextPropagator::new().inject_context(&span.context(), &mut texts);
    let mut take = |key: &str| texts.0.remove(key).filter(|text| !text.is_empty());
    (take(TRACEPARENT), take(TRACESTATE))
}

/// Makes `span` a child of the span that `traceparent` names. Call it before the span is entered. Text that is
/// not a trace context is ignored: a trace is never worth an error.
pub fn set_parent_from(span: &Span, traceparent: Option<&str>, tracestate: Option<&str>) {
    if let Some(parent) = context_of(traceparent, tracestate) {
        set_parent(span, parent);
    }
}

/// Links `span` to the span that `traceparent` names without becoming its child: for stored events, whose
/// trace may be long over, and for callers whose word is not trusted.
pub fn link_to(span: &Span, traceparent: Option<&str>, tracestate: Option<&str>) {
    if let Some(linked) = context_of(traceparent, tracestate) {
        let link = linked.span().span_context().clone();
        span.add_link_with_attributes(link, Vec::<KeyValue>::new());
    }
}

/// Makes `span` a child of the caller named in HTTP headers. Only for callers we trust.
pub fn set_parent_from_headers(span: &Span, headers: &http::HeaderMap) {
    let text = |key| headers.get(key).and_then(|value| value.to_str().ok());
    set_parent_from(span, text(TRACEPARENT), text(TRACESTATE));
}

/// Writes `span` into HTTP headers, which gRPC metadata are on the wire.
pub fn inject_headers(span: &Span, headers: &mut http::HeaderMap) {
    let (traceparent, tracestate) = trace_of(span);
    for (key, text) in [(TRACEPARENT, traceparent), (TRACESTATE, tracestate)] {
        if let Some(value) = text.and_then(|text| text.parse().ok()) {
            headers.insert(key, value);
        }
    }
}

/// Writes `span` into gRPC metadata.
pub fn inject_metadata(span: &Span, metadata: &mut MetadataMap) {
    let (traceparent, tracestate) = trace_of(span);
    for (key, text) in [(TRACEPARENT, traceparent), (TRACESTATE, tracestate)] {
        if let Some(value) = text.and_then(|text| text.parse().ok()) {
            metadata.insert(MetadataKey::from_static(key), value);
        }
    }
}

/// Makes `span` a child of the caller named in gRPC metadata.
pub fn set_parent_from_metadata(span: &Span, metadata: &MetadataMap) {
    let text = |key: &str| metadata.get(key).and_then(|value| value.to_str().ok());
    set_parent_from(span, text(TRACEPARENT), text(TRACESTATE));
}

fn set_parent(span: &Span, parent: Context) {
    if let Err(error) = span.set_parent(parent) {
        tracing::trace!(%error, "the span has no place for a parent");
    }
}

fn context_of(traceparent: Option<&str>, tracestate: Option<&str>) -> Option<Context> {
    let mut texts = Texts::default();
    texts.0.insert(TRACEPARENT.to_owned(), traceparent?.to_owned());
    texts.0.extend(tracestate.map(|state| (TRACESTATE.to_owned(), state.to_owned())));
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &texts);
    context.span().span_context().is_valid().then_some(context)
}

#[derive(Default)]
struct Texts(BTreeMap<String, String>);

impl Injector for Texts {
    fn set(&mut self, key: &str, value: String) {
        self.0.insert(key.to_owned(), value);
    }
}

impl Extractor for Texts {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";

    fn traced(test: impl FnOnce()) {
        let provider = SdkTracerProvider::builder().build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), test);
    }

    #[test]
    fn a_trace_survives_the_way_through_the_log() {
        traced(|| {
            let span = tracing::info_span!("work");
            set_parent_from(&span, Some(PARENT), Some("vendor=1"));
            let (traceparent, tracestate) = span.in_scope(current_trace);
            let traceparent = traceparent.unwrap();
            assert!(traceparent.contains(TRACE_ID), "{traceparent}");
            assert_ne!(traceparent, PARENT, "the child has an id of its own");
            assert_eq!(tracestate.as_deref(), Some("vendor=1"));
        });
    }

    #[test]
    fn a_trace_survives_the_way_through_headers_and_metadata() {
        traced(|| {
            let caller = tracing::info_span!("caller");
            set_parent_from(&caller, Some(PARENT), None);
            let mut headers = http::HeaderMap::new();
            inject_headers(&caller, &mut headers);
            let mut metadata = MetadataMap::new();
            inject_metadata(&caller, &mut metadata);

            let over_http = tracing::info_span!("over_http");
            set_parent_from_headers(&over_http, &headers);
            assert!(trace_of(&over_http).0.unwrap().contains(TRACE_ID));
            let over_grpc = tracing::info_span!("over_grpc");
            set_parent_from_metadata(&over_grpc, &metadata);
            assert!(trace_of(&over_grpc).0.unwrap().contains(TRACE_ID));
        });
    }

    #[test]
    fn a_link_does_not_continue_the_trace() {
        traced(|| {
            let span = tracing::info_span!("much_later");
            link_to(&span, Some(PARENT), None);
            assert!(!trace_of(&span).0.unwrap().contains(TRACE_ID));
        });
    }

    #[test]
    fn text_that_is_no_trace_context_is_ignored() {
        traced(|| {
            let span = tracing::info_span!("work");
            set_parent_from(&span, Some("00-zz-1"), None);
            assert!(trace_of(&span).0.is_some());
        });
    }

    #[test]
    fn without_a_subscriber_there_is_no_trace() {
        assert_eq!(current_trace(), (None, None));
    }
}
