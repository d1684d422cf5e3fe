//! Sending: guard, breaker, pace, deadline, then the exchange itself.

use std::sync::{Arc, Once};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderName, LOCATION, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderValue, Method};
use opentelemetry::trace::TraceContextExt;
use secrecy::ExposeSecret;
use tokio::time::Instant;
use tracing::{Instrument, Span, field};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use url::Url;

use crate::breaker::Circuit;
use crate::error::{OutboundError, Unreachable};
use crate::guard::{self, GuardedResolver};
use crate::limiter::Limiter;
use crate::request::{Body, Header, Request};
use crate::response::Response;
use crate::settings::Settings;

/// The share of a deadline that may go by waiting for a place: the exchange needs the rest, and an exchange that had no time
/// would look like a vendor that does not answer.
const WAIT_SHARE_MAX: f64 = 0.75;

/// The client of one connection: a cheap handle, clones share pace, breaker and open connections.
#[derive(Clone)]
pub struct Outbound(Arc<Inner>);

struct Inner {
    settings: Settings,
    http: reqwest::Client,
    limiter: Limiter,
    /// The limiters of operations that have their own.
    limiters: Vec<(&'static str, Limiter)>,
    circuit: Arc<Circuit>,
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbound").field("name", &self.0.settings.name).finish_non_exhaustive()
    }
}

impl Outbound {
    /// Makes the client of one connection; opens nothing yet.
    ///
    /// # Errors
    /// [`OutboundError::Refused`] if TLS cannot be set up on this machine.
    pub fn new(settings: Settings) -> Result<Self, OutboundError> {
        install_crypto();
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(settings.connect_timeout)
            .pool_idle_timeout(Duration::from_secs(30))
            .dns_resolver(GuardedResolver { allow_private_addresses: settings.allow_private_addresses })
            .build()
            .map_err(|_| OutboundError::Refused { reason: "TLS cannot be set up on this machine" })?;
        let limiter = Limiter::new(settings.rate);
        let own = |(operation, rate): &(&'static str, _)| (*operation, Limiter::new(Some(*rate)));
        let limiters = settings.operation_rates.iter().map(own).collect();
        let circuit = Arc::new(Circuit::new(settings.breaker));
        Ok(Self(Arc::new(Inner { settings, http, limiter, limiters, circuit })))
    }

    /// Makes one attempt. Any status is an answer.
    ///
    /// # Errors
    /// See [`OutboundError`]; [`OutboundError::nothing_happened`] tells whether a repetition is harmless.
    pub async fn send(&self, request: Request) -> Result<Response, OutboundError> {
        let span = tracing::info_span!(
            "outbound",
            otel.name = format!("HTTP {}", request.method),
            otel.kind = "client",
            http.request.method = request.method.as_str(),
            server.address = request.url.host_str().unwrap_or_default(),
            server.port = request.url.port_or_known_default(),
            connection = self.0.settings.name,
            operation = request.operation,
            http.response.status_code = field::Empty,
            error.type = field::Empty,
        );
        let operation = request.operation;
        let started = Instant::now();
        let outcome = self.0.attempt(request, started).instrument(span.clone()).await;
        self.0.observe(&span, operation, started.elapsed(), &outcome);
        outcome
    }

    /// Holds every call of this connection back for a while: a vendor that refuses one call for its pace (429)
    /// refuses the next as well.
    pub fn pause(&self, pause: Duration) {
        self.0.limiter.pause(Instant::now(), pause);
        self.0.limiters.iter().for_each(|(_, limiter)| limiter.pause(Instant::now(), pause));
    }

    /// Holds the calls back that share this operation's pace, and no others; they go more slowly for a while after.
    pub fn pause_operation(&self, operation: &str, pause: Duration) {
        let limiter = self.0.limiter_of(operation);
        limiter.pause(Instant::now(), pause);
        limiter.slow_down(Instant::now());
    }
}

/// TLS by ring, chosen once for the whole process.
fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // an error only says that the process has chosen already
        drop(rustls::crypto::ring::default_provider().install_default());
    });
}

impl Inner {
    fn limiter_of(&self, operation: &str) -> &Limiter {
        let own = self.limiters.iter().find(|(name, _)| *name == operation);
        own.map_or(&self.limiter, |(_, limiter)| limiter)
    }

    async fn attempt(&self, request: Request, started: Instant) -> Result<Response, OutboundError> {
        guard::check_url(&request.url, self.settings.allow_private_addresses)?;
        let deadline = request.deadline.min(self.settings.deadline_max);
        let permit = self.circuit.enter(started).map_err(|for_| OutboundError::BreakerOpen { for_ })?;
        let wait_max = deadline.mul_f64(WAIT_SHARE_MAX);
        let place = self.limiter_of(request.operation).take(started, wait_max);
        let wait = place.map_err(|wait| OutboundError::Throttled { wait })?;
        if wait > Duration::ZERO {
            tokio::time::sleep(wait).await;
        }

        let exchange = tokio::time::timeout_at(started + deadline, self.exchange(request));
        let outcome = exchange.await.unwrap_or(Err(OutboundError::OutcomeUnknown));
        let healthy = match &outcome {
            Ok(response) => response.status < 500,
            Err(OutboundError::NotSent(_) | OutboundError::OutcomeUnknown) => false,
            Err(
                OutboundError::Refused { .. }
                | OutboundError::BodyTooLarge { .. }
                | OutboundError::BreakerOpen { .. }
                | OutboundError::Throttled { .. },
            ) => true,
        };
        permit.settle(healthy, Instant::now());
        outcome
    }

    /// The request and the redirects it allows.
    async fn exchange(&self, mut request: Request) -> Result<Response, OutboundError> {
        let mut redirects_left = match request.method {
            Method::GET | Method::HEAD => request.follow_redirects,
            _ => 0,
        };
        let may_follow = redirects_left > 0;
        loop {
            let response = self.hop(&request).await?;
            let target = redirect_target(&response, &request.url).filter(|_| may_follow);
            let Some(target) = target else { return Ok(response) };
            if redirects_left == 0 {
                return Err(OutboundError::Refused { reason: "too many redirects" });
            }
            redirects_left -= 1;
            if request.url.scheme() == "https" && target.scheme() != "https" {
                return Err(OutboundError::Refused { reason: "redirected from https to http" });
            }
            guard::check_url(&target, self.settings.allow_private_addresses)?;
            if target.origin() != request.url.origin() {
                request.headers.retain(|(name, value)| !identifies_us(name, value));
            }
            request.url = target;
        }
    }

    async fn hop(&self, request: &Request) -> Result<Response, OutboundError> {
        let call = self.build(request)?;
        let mut answer = self.http.execute(call).await.map_err(|error| classify(&error))?;
        let limit_bytes = self.settings.body_bytes_max;
        let announced = answer.content_length().unwrap_or(0);
        if request.method != Method::HEAD && announced > limit_bytes as u64 {
            return Err(OutboundError::BodyTooLarge { limit_bytes });
        }

        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(|_| OutboundError::OutcomeUnknown)? {
            if body.len() + chunk.len() > limit_bytes {
                return Err(OutboundError::BodyTooLarge { limit_bytes });
            }
            body.extend_from_slice(&chunk);
        }
        let headers = std::mem::take(answer.headers_mut());
        Ok(Response { status: answer.status().as_u16(), headers, body: body.freeze() })
    }

    fn build(&self, request: &Request) -> Result<reqwest::Request, OutboundError> {
        let refused = |reason| OutboundError::Refused { reason };
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            headers.append(name.clone(), header_value(value).ok_or(refused("a header is not valid text"))?);
        }
        if let Some(value) = self.settings.propagate_trace.then(traceparent).flatten() {
            headers.insert(HeaderName::from_static("traceparent"), value);
        }

        let call = self.http.request(request.method.clone(), request.url.clone());
        let call = match &request.body {
            Body::Empty => call,
            Body::Bytes { content_type, bytes } => {
                call.header(CONTENT_TYPE, content_type).body(Bytes::clone(bytes))
            }
            Body::Form(fields) => call.form(fields),
            Body::Multipart(parts) => {
                let form = parts.iter().try_fold(reqwest::multipart::Form::new(), |form, part| {
                    let length = part.bytes.len() as u64;
                    let mut piece = reqwest::multipart::Part::stream_with_length(part.bytes.clone(), length);
                    if let Some(file_name) = &part.file_name {
                        piece = piece.file_name(file_name.clone());
                    }
                    if let Some(content_type) = &part.content_type {
                        piece = piece
                            .mime_str(content_type)
                            .map_err(|_| refused("a part's content type is not valid"))?;
                    }
                    Ok(form.part(part.name.clone(), piece))
                })?;
                call.multipart(form)
            }
        };
        call.headers(headers).build().map_err(|_| refused("the request cannot be written"))
    }

    fn observe(
        &self,
        span: &Span,
        operation: &'static str,
        elapsed: Duration,
        outcome: &Result<Response, OutboundError>,
    ) {
        let status_class = match outcome {
            Ok(response) => {
                span.record("http.response.status_code", response.status);
                match response.status / 100 {
                    2 => "2xx",
                    3 => "3xx",
                    4 => "4xx",
                    5 => "5xx",
                    _ => "other",
                }
            }
            Err(error) => {
                span.record("error.type", error.code());
                error.code()
            }
        };
        let connection = self.settings.name.clone();
        metrics::counter!("outbound_requests_total",
            "connection" => connection.clone(), "operation" => operation, "status_class" => status_class)
        .increment(1);
        metrics::histogram!("outbound_duration_seconds",
            "connection" => connection, "operation" => operation)
        .record(elapsed.as_secs_f64());
    }
}

fn redirect_target(response: &Response, from: &Url) -> Option<Url> {
    if !matches!(response.status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    from.join(response.header(LOCATION.as_str())?).ok()
}

fn identifies_us(name: &HeaderName, value: &Header) -> bool {
    matches!(value, Header::Secret(_)) || [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION].contains(name)
}

fn header_value(header: &Header) -> Option<HeaderValue> {
    match header {
        Header::Plain(value) => Some(value.clone()),
        Header::Secret(secret) => {
            let mut value = HeaderValue::from_str(secret.expose_secret()).ok()?;
            value.set_sensitive(true);
            Some(value)
        }
    }
}

/// The current span as W3C `traceparent`, if there is a trace.
fn traceparent() -> Option<HeaderValue> {
    let context = Span::current().context();
    let span = context.span().span_context().clone();
    let text = format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8());
    span.is_valid().then(|| HeaderValue::from_str(&text).ok()).flatten()
}

fn classify(error: &reqwest::Error) -> OutboundError {
    if let Some(refusal) = guard::refusal(error) {
        return refusal;
    }
    if error.is_builder() {
        return OutboundError::Refused { reason: "the request cannot be written" };
    }
    if !error.is_connect() {
        return OutboundError::OutcomeUnknown;
    }
    OutboundError::NotSent(if error.is_dns() {
        Unreachable::Name
    } else if error.is_timeout() {
        Unreachable::ConnectTimeout
    } else {
        Unreachable::Connect
    })
}
