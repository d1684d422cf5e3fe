//! The HTTP server of a simulator. It can do what a web framework rightly refuses: hang up without an answer.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

use crate::kit::Background;

const CONNECTIONS_MAX: usize = 4_096;

/// Marks a response that must never be written: the connection is closed instead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HangUp;

#[derive(Debug, thiserror::Error)]
#[error("hung up as ordered")]
struct HungUp;

/// A simulator at work. Dropping it closes the port and ends all its background work.
#[derive(Debug)]
pub struct Running {
    addr: SocketAddr,
    background: Background,
}

impl Running {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:9401`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Closes the port, cuts every connection and waits until nothing runs any more.
    pub async fn stop(self) {
        self.background.end.cancel();
        self.background.tracker.close();
        self.background.tracker.wait().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.background.end.cancel();
    }
}

/// Settings of the simulator's own calls: no rate limit, no breaker that would hide attempts.
pub(crate) fn calls(name: String, answer_within: Duration) -> outbound::Settings {
    outbound::Settings {
        deadline_max: answer_within.max(Duration::from_secs(30)),
        allow_private_addresses: true,
        breaker: outbound::Breaker { failures_to_open: u32::MAX, ..outbound::Breaker::default() },
        ..outbound::Settings::new(name)
    }
}

pub(crate) fn serve(
    listener: TcpListener,
    router: axum::Router,
    background: Background,
) -> std::io::Result<Running> {
    let addr = listener.local_addr()?;
    let running = Running { addr, background: background.clone() };
    let lines = background.clone();
    background.spawn(async move {
        let room = std::sync::Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(permit) = room.clone().acquire_owned().await else { return };
            let Ok((stream, _peer)) = listener.accept().await else {
                // Out of file descriptors, most likely: a short pause instead of a hot loop.
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let router = router.clone();
            lines.spawn(async move {
                connection(stream, router).await;
                drop(permit);
            });
        }
    });
    Ok(running)
}

async fn connection(stream: TcpStream, router: axum::Router) {
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let router = router.clone();
        async move {
            let Ok(response): Result<Response, _> = router.oneshot(request.map(Body::new)).await;
            if response.extensions().get::<HangUp>().is_some() { Err(HungUp) } else { Ok(response) }
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(60))
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::trace!(%error, "connection ended early");
    }
}
