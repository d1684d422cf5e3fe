//! The body of an answer, watched to its end: only there a gRPC call says how it went.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use hyper::body::{Body, Frame, SizeHint};
use tonic::{Code, Status};
use tracing::Span;

use super::code_name;
use crate::metrics::RPC_SERVER_SECONDS;

/// A body that notes the status when it ends, or that the peer went away when it is dropped before.
#[derive(Debug)]
pub(super) struct WatchedBody<B> {
    inner: B,
    watch: Option<Watch>,
}

#[derive(Debug)]
struct Watch {
    span: Span,
    method: String,
    started: Instant,
}

impl<B> WatchedBody<B> {
    pub(super) const fn unwatched(inner: B) -> Self {
        Self { inner, watch: None }
    }

    /// Watches `inner`. A call that fails at once says so in the headers already.
    pub(super) fn new(
        inner: B,
        span: Span,
        method: String,
        started: Instant,
        headers: &http::HeaderMap,
    ) -> Self {
        let mut body = Self { inner, watch: Some(Watch { span, method, started }) };
        if let Some(status) = Status::from_header_map(headers) {
            body.ended(status.code());
        }
        body
    }

    fn ended(&mut self, code: Code) {
        if let Some(Watch { span, method, started }) = self.watch.take() {
            let name = code_name(code);
            span.record("rpc.response.status_code", name);
            if is_server_error(code) {
                span.record("otel.status_code", "ERROR");
            }
            metrics::histogram!(RPC_SERVER_SECONDS, "method" => method, "code" => name)
                .record(started.elapsed().as_secs_f64());
        }
    }
}

/// Codes that are our fault; the others are the caller's, and no error of the server's span.
const fn is_server_error(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

impl<B: Body + Unpin> Body for WatchedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(trailers) = frame.trailers_ref() {
                    let code = Status::from_header_map(trailers).map_or(Code::Ok, |status| status.code());
                    self.ended(code);
                }
            }
            Poll::Ready(Some(Err(_))) => self.ended(Code::Internal),
            Poll::Ready(None) => self.ended(Code::Ok),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B> Drop for WatchedBody<B> {
    fn drop(&mut self) {
        self.ended(Code::Cancelled);
    }
}
