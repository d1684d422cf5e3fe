//! Sends the webhooks: closed loop for the rate, open loop for the latencies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::target::{Target, Webhooks};

/// Longest wait for one answer.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

/// What one pass came to.
#[derive(Debug, Default)]
pub struct Pass {
    /// Answers with status 200.
    pub accepted: u64,
    /// Answers with status 401.
    pub refused: u64,
    /// Any other answer, or none.
    pub failed: u64,
    /// How long the pass took.
    pub elapsed: Duration,
    /// Processor time of the process under load, if it was measured.
    pub processor_time: Duration,
    /// Latencies of those that were answered 200 or 401, ascending.
    latencies: Vec<Duration>,
}

impl Pass {
    /// Accepted webhooks per second.
    pub fn accepted_per_second(&self) -> f64 {
        self.accepted as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    /// The latency that `share` (0.0 to 1.0) of those that were answered stayed under.
    pub fn latency(&self, share: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        let index = (last as f64 * share).round() as usize;
        self.latencies.get(index.min(last)).copied().unwrap_or_default()
    }
}

/// Every connection sends its next webhook as soon as the last one was answered.
pub async fn closed_loop(
    target: &Target,
    body_bytes: usize,
    connections: usize,
    length: Duration,
) -> Result<Pass> {
    let end = Instant::now() + length;
    let pass =
        run(target.webhooks(body_bytes), connections, move |_| (Instant::now() < end).then(Instant::now));
    some_accepted(pass.await?)
}

/// Arrivals are scheduled at `rate` per second; latency counts from the scheduled arrival.
pub async fn open_loop(
    target: &Target,
    body_bytes: usize,
    connections: usize,
    length: Duration,
    rate: f64,
) -> Result<Pass> {
    some_accepted(scheduled(target.webhooks(body_bytes), connections, length, rate).await?)
}

fn some_accepted(pass: Pass) -> Result<Pass> {
    if pass.accepted == 0 {
        bail!("nothing was accepted ({} failed): is the target healthy?", pass.failed);
    }
    Ok(pass)
}

/// The same for any supply of webhooks, however it is answered.
pub async fn scheduled(webhooks: Webhooks, connections: usize, length: Duration, rate: f64) -> Result<Pass> {
    let start = Instant::now();
    let total = (rate * length.as_secs_f64()) as u64;
    let arrivals = AtomicU64::new(0);
    let next = move |_: usize| {
        let number = arrivals.fetch_add(1, Ordering::Relaxed);
        (number < total).then(|| start + Duration::from_secs_f64(number as f64 / rate))
    };
    run(webhooks, connections, next).await
}

async fn run(
    webhooks: Webhooks,
    connections: usize,
    next_arrival: impl Fn(usize) -> Option<Instant> + Send + Sync + 'static,
) -> Result<Pass> {
    let next_arrival = Arc::new(next_arrival);
    let start = Instant::now();
    let mut workers = JoinSet::new();
    for worker in 0..connections {
        let (next_arrival, webhooks) = (next_arrival.clone(), webhooks.clone());
        let address = webhooks.address().to_owned();
        workers.spawn(async move {
            let mut connection = connect(&address).await?;
            let mut pass = Pass::default();
            while let Some(arrival) = next_arrival(worker) {
                tokio::time::sleep_until(arrival.into()).await;
                match tokio::time::timeout(ANSWER_DEADLINE, send(&mut connection, webhooks.next()?)).await {
                    Ok(Ok(status @ (200 | 401))) => {
                        pass.accepted += u64::from(status == 200);
                        pass.refused += u64::from(status == 401);
                        pass.latencies.push(arrival.elapsed());
                    }
                    Ok(Ok(_)) => pass.failed += 1,
                    Ok(Err(_)) | Err(_) => {
                        pass.failed += 1;
                        connection = connect(&address).await?;
                    }
                }
            }
            anyhow::Ok(pass)
        });
    }
    let mut whole = Pass::default();
    while let Some(part) = workers.join_next().await {
        let part = part??;
        whole.accepted += part.accepted;
        whole.refused += part.refused;
        whole.failed += part.failed;
        whole.latencies.extend(part.latencies);
    }
    whole.elapsed = start.elapsed();
    whole.latencies.sort_unstable();
    Ok(whole)
}

#[expect(clippy::disallowed_methods, reason = "the driver of a connection ends with it")]
async fn connect(address: &str) -> Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await.context("cannot connect to ingress")?;
    stream.set_nodelay(true)?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        // Ends with the connection; a broken one shows as a failed send.
        let _ = connection.await;
    });
    Ok(sender)
}

async fn send(connection: &mut SendRequest<Full<Bytes>>, request: Request<Full<Bytes>>) -> Result<u16> {
    connection.ready().await?;
    let response = connection.send_request(request).await?;
    let status = response.status().as_u16();
    response.into_body().collect().await?;
    Ok(status)
}
