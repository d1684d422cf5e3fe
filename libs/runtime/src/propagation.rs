//! The trace context (W3C) on its way through the headers of HTTP and gRPC. Its way through the log is
//! `event_log::TraceContext`.

use std::collections::BTreeMap;

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// Makes `span` a child of the caller named in HTTP headers (gRPC metadata are headers on the wire). Call it before
/// the span is entered, and only for callers we trust. What is not a trace context is ignored: a trace is never worth
/// an error.
pub fn set_parent_from_headers(span: &Span, headers: &http::HeaderMap) {
    let text = |key| headers.get(key).and_then(|value| value.to_str().ok());
    if let Some(parent) = context_of(text(TRACEPARENT), text(TRACESTATE)) {
        set_parent(span, parent);
    }
}

/// Writes `span` into HTTP headers; nothing when it is not recorded.
pub fn inject_headers(span: &Span, headers: &mut http::HeaderMap) {
    let mut texts = Texts::default();
    TraceContextPropagator::new().inject_context(&span.context(), &mut texts);
    for key in [TRACEPARENT, TRACESTATE] {
        let text = texts.0.remove(key).filter(|text| !text.is_empty());
        if let Some(value) = text.and_then(|text| text.parse().ok()) {
            headers.insert(key, value);
        }
    }
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
pub(crate) mod tests {
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";

    /// A span as `traceparent`.
    pub(crate) fn trace_of(span: &Span) -> Option<String> {
        let mut headers = http::HeaderMap::new();
        inject_headers(span, &mut headers);
        headers.get(TRACEPARENT).map(|value| value.to_str().unwrap().to_owned())
    }

    fn traced(test: impl FnOnce()) {
        let provider = SdkTracerProvider::builder().build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), test);
    }

    fn said(traceparent: &'static str) -> http::HeaderMap {
        let text = http::HeaderValue::from_static;
        [(TRACEPARENT, text(traceparent)), (TRACESTATE, text("vendor=1"))]
            .map(|(key, value)| (http::HeaderName::from_static(key), value))
            .into_iter()
            .collect()
    }

    #[test]
    fn a_trace_survives_the_way_through_headers() {
        traced(|| {
            let span = tracing::info_span!("work");
            set_parent_from_headers(&span, &said(PARENT));
            let mut headers = http::HeaderMap::new();
            inject_headers(&span, &mut headers);
            let traceparent = headers[TRACEPARENT].to_str().unwrap();
            assert!(traceparent.contains(TRACE_ID), "{traceparent}");
            assert_ne!(traceparent, PARENT, "the child has an id of its own");
            assert_eq!(headers[TRACESTATE], "vendor=1");
        });
    }

    #[test]
    fn text_that_is_no_trace_context_is_ignored() {
        traced(|| {
            let span = tracing::info_span!("work");
            set_parent_from_headers(&span, &said("00-zz-1"));
            assert!(!trace_of(&span).unwrap().contains("zz"));
        });
    }

    #[test]
    fn without_a_subscriber_there_is_no_trace() {
        assert_eq!(trace_of(&Span::current()), None);
    }
}
