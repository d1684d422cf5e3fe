//! The one recipe for a gRPC client.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tower::Service;
use tracing::{Instrument, field};

use super::{GRPC_TIMEOUT, code_name, method_of};
use crate::metrics::RPC_CLIENT_SECONDS;

/// Limits of a gRPC client.
#[derive(Clone, Copy, Debug)]
pub struct ClientSettings {
    /// Longest time until the answer to a call begins, unless the call sets its own with `set_timeout`.
    pub timeout: Duration,
    /// Longest time a connection may take to be made.
    pub connect_timeout: Duration,
    /// How often a silent server is asked whether it is still there.
    pub keepalive_every: Duration,
    /// Most calls in flight; further ones wait within their deadline.
    pub in_flight_max: usize,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(2),
            keepalive_every: Duration::from_secs(20),
            in_flight_max: 512,
        }
    }
}

/// The address of a service is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the address of a gRPC service: write http://host:port")]
pub struct InvalidEndpoint(String);

/// A connection to one service: made at the first call, made again after it was lost. A cheap handle that
/// generated clients take in place of a channel.
#[derive(Clone, Debug)]
pub struct Client {
    channel: Channel,
    timeout: Duration,
}

impl Client {
    /// A client of the service at `endpoint`. Does not connect yet. Call it inside the tokio runtime.
    ///
    /// # Errors
    /// When `endpoint` is not an address.
    pub fn new(endpoint: &str, settings: ClientSettings) -> Result<Self, InvalidEndpoint> {
        let invalid = || InvalidEndpoint(endpoint.to_owned());
        let address = Endpoint::from_shared(endpoint.to_owned()).map_err(|_| invalid())?;
        if address.uri().host().is_none() || address.uri().scheme().is_none() {
            return Err(invalid());
        }
        let channel = address
            .timeout(settings.timeout)
            .connect_timeout(settings.connect_timeout)
            .concurrency_limit(settings.in_flight_max)
            .http2_keep_alive_interval(settings.keepalive_every)
            .keep_alive_timeout(settings.keepalive_every)
            .tcp_nodelay(true)
            .connect_lazy();
        Ok(Self { channel, timeout: settings.timeout })
    }
}

impl Service<http::Request<Body>> for Client {
    type Response = http::Response<Body>;
    type Error = tonic::transport::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.channel.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let started = Instant::now();
        let method = method_of(request.uri().path()).to_owned();
        let span = tracing::info_span!(
            "rpc",
            otel.name = method,
            otel.kind = "client",
            otel.status_code = field::Empty,
            rpc.system.name = "grpc",
            rpc.method = method,
            rpc.response.status_code = field::Empty,
        );
        crate::propagation::inject_headers(&span, request.headers_mut());
        if !request.headers().contains_key(GRPC_TIMEOUT) {
            let wait = format!("{}m", self.timeout.as_millis().min(99_999_999));
            request
                .headers_mut()
                .extend(wait.parse().ok().map(|value| (http::HeaderName::from_static(GRPC_TIMEOUT), value)));
        }
        let answer = self.channel.call(request).instrument(span.clone());
        Box::pin(async move {
            let answer = match answer.await {
                // The transport calls this a cancellation, which callers could not tell from their own.
                Err(error) if is_timeout(&error) => {
                    Ok(Status::deadline_exceeded("no answer came in time").into_http())
                }
                answer => answer,
            };
            // A status in the trailers is the server's to note; here counts what came back at once.
            let code = match &answer {
                Ok(response) => {
                    Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code())
                }
                Err(_) => Code::Unavailable,
            };
            span.record("rpc.response.status_code", code_name(code));
            if code != Code::Ok {
                span.record("otel.status_code", "ERROR");
            }
            metrics::histogram!(RPC_CLIENT_SECONDS, "method" => method, "code" => code_name(code))
                .record(started.elapsed().as_secs_f64());
            answer
        })
    }
}

fn is_timeout(error: &tonic::transport::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<tonic::TimeoutExpired>() {
            return true;
        }
        cause = error.source();
    }
    false
}
