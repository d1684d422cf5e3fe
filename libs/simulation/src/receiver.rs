//! Something to send webhooks to: answers as scripted, keeps what came.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::kit::Background;
use crate::{Running, server};

const BODY_BYTES_MAX: usize = 4 << 20;

/// One delivery as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// Path with query.
    pub target: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The exact bytes.
    pub body: Bytes,
}

/// A receiver of webhooks for tests: answers with the scripted statuses first, then with 200.
#[derive(Debug)]
pub struct Receiver {
    running: Running,
    state: Arc<Inbox>,
}

#[derive(Debug)]
struct Inbox {
    script: Mutex<VecDeque<u16>>,
    received: watch::Sender<Vec<Received>>,
}

impl Receiver {
    /// Listens on a free port of loopback.
    ///
    /// # Errors
    /// If no port can be opened.
    pub async fn start(script: impl IntoIterator<Item = u16>) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let script = Mutex::new(script.into_iter().collect());
        let state = Arc::new(Inbox { script, received: watch::Sender::default() });
        let router = Router::new().fallback(take).with_state(state.clone());
        Ok(Self { running: server::serve(listener, router, Background::default())?, state })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.running.addr()
    }

    /// An address for webhooks.
    pub fn url(&self) -> String {
        format!("{}/hook", self.running.url())
    }

    /// Everything received so far.
    pub fn received(&self) -> Vec<Received> {
        self.state.received.borrow().clone()
    }

    /// Waits until there are `count` deliveries and returns all. Waits for ever; give it a deadline.
    pub async fn until(&self, count: usize) -> Vec<Received> {
        let mut changes = self.state.received.subscribe();
        match changes.wait_for(|received| received.len() >= count).await {
            Ok(received) => received.clone(),
            // The sender lives as long as this receiver.
            Err(_) => self.received(),
        }
    }
}

async fn take(State(inbox): State<Arc<Inbox>>, request: Request) -> StatusCode {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else { return StatusCode::PAYLOAD_TOO_LARGE };
    let target = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let status = inbox.script.lock().pop_front().unwrap_or(200);
    inbox.received.send_modify(|received| received.push(Received { target, headers: parts.headers, body }));
    StatusCode::from_u16(status).unwrap_or(StatusCode::OK)
}
