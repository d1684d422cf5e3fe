//! A span, a duration and a deadline for each call at a server.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};
use tracing::{Instrument, Span, field};

use super::body::WatchedBody;
use super::{GRPC_TIMEOUT, is_housekeeping, method_of};

/// Wraps the routes of a server.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServerTrace {
    /// Longest time until an answer begins; a caller may ask for less.
    pub(super) timeout: Duration,
}

impl<S> Layer<S> for ServerTrace {
    type Service = Traced<S>;

    fn layer(&self, inner: S) -> Traced<S> {
        Traced { inner, timeout: self.timeout }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Traced<S> {
    inner: S,
    timeout: Duration,
}

impl<S, B> Service<http::Request<B>> for Traced<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<WatchedBody<Body>>;
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
        let patience = patience(self.timeout, request.headers());
        let answer = self.inner.call(request).instrument(span.clone());
        Box::pin(async move {
            let answer = match tokio::time::timeout(patience, answer).await {
                Ok(answer) => answer?,
                Err(_) => Status::deadline_exceeded("the answer took too long").into_http(),
            };
            let (parts, body) = answer.into_parts();
            let body = if is_housekeeping(&method) {
                WatchedBody::unwatched(body)
            } else {
                WatchedBody::new(body, span, method, started, &parts.headers)
            };
            Ok(http::Response::from_parts(parts, body))
        })
    }
}

/// How long a call may take: what the caller will wait or our own limit, less a margin in which the refusal can
/// still reach the caller before it gives up by itself.
fn patience(timeout: Duration, headers: &http::HeaderMap) -> Duration {
    let asked = headers.get(GRPC_TIMEOUT).and_then(|value| parse_timeout(value.to_str().ok()?));
    let whole = asked.map_or(timeout, |asked| asked.min(timeout));
    whole - (whole / 20).min(Duration::from_millis(100))
}

/// At most eight digits and a unit, as the protocol says.
fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let amount: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3_600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shorter_of_both_deadlines_counts_less_a_margin() {
        let asked = |text: &str| {
            let mut headers = http::HeaderMap::new();
            headers.insert(GRPC_TIMEOUT, text.parse().unwrap());
            patience(Duration::from_secs(30), &headers)
        };
        assert_eq!(asked("1S"), Duration::from_millis(950));
        assert_eq!(asked("2H"), Duration::from_millis(29_900));
        assert_eq!(asked("nonsense"), Duration::from_millis(29_900));
        assert_eq!(asked("é"), Duration::from_millis(29_900));
    }
}
