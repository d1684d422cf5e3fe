//! A span and a duration for each call at a server.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tower::{Layer, Service};
use tracing::{Instrument, Span, field};

use super::body::WatchedBody;
use super::{is_housekeeping, method_of};

/// Wraps the routes of a server.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServerTrace;

impl<S> Layer<S> for ServerTrace {
    type Service = Traced<S>;

    fn layer(&self, inner: S) -> Traced<S> {
        Traced { inner }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Traced<S> {
    inner: S,
}

impl<S, B, R> Service<http::Request<B>> for Traced<S>
where
    S: Service<http::Request<B>, Response = http::Response<R>, Error = Infallible>,
    S::Future: Send + 'static,
    R: Send + 'static,
{
    type Response = http::Response<WatchedBody<R>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let started = Instant::now();
        let method = method_of(request.uri().path()).to_owned();
        let span = if is_housekeeping(&method) { Span::none() } else { server_span(&method) };
        crate::propagation::set_parent_from_headers(&span, request.headers());
        let answer = self.inner.call(request).instrument(span.clone());
        Box::pin(async move {
            let (parts, body) = answer.await?.into_parts();
            let body = if is_housekeeping(&method) {
                WatchedBody::unwatched(body)
            } else {
                WatchedBody::new(body, span, method, started, &parts.headers)
            };
            Ok(http::Response::from_parts(parts, body))
        })
    }
}

fn server_span(method: &str) -> Span {
    tracing::info_span!(
        "rpc",
        otel.name = method,
        otel.kind = "server",
        otel.status_code = field::Empty,
        rpc.system.name = "grpc",
        rpc.method = method,
        rpc.response.status_code = field::Empty,
    )
}
