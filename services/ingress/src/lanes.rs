//! A few long-lived streams to verification, so that a webhook costs a message and not a call.
//!
//! A unary call a webhook tops out near 21 000/s on two cores, messages on a stream near 185 000/s. Answers may
//! overtake one another and are matched by sequence. A stream that breaks fails what it had in flight at once
//! (the caller parks it). One that was of use is opened again at once, because servers close old connections in
//! order and new work need not be parked for that; after one that was of none comes a pause, in which new work
//! fails at once as well.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use contracts::wire::verification::verification_service_client::VerificationServiceClient;
use contracts::wire::verification::{AcceptStreamRequest, AcceptStreamResponse, Answer, Delivery};
use runtime::grpc::Client;
use runtime::tasks::Tasks;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use crate::config::Settings;

/// Verification could not be asked, or did not answer: nothing is known of the delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("verification could not be reached in time")]
pub struct Unreached;

/// The streams. Cheap to clone.
#[derive(Clone)]
pub struct Lanes {
    queues: Arc<[mpsc::Sender<Job>]>,
    next: Arc<AtomicUsize>,
    deadline: Duration,
}

struct Job {
    delivery: Delivery,
    answer: oneshot::Sender<Answer>,
}

impl Lanes {
    /// Opens the streams; they live as long as `tasks`.
    pub fn start(client: VerificationServiceClient<Client>, settings: &Settings, tasks: &Tasks) -> Self {
        let queues = (0..settings.lanes.max(1))
            .map(|_| {
                let (sender, jobs) = mpsc::channel(settings.in_flight_max);
                let lane = Lane {
                    client: client.clone(),
                    jobs,
                    in_flight_max: settings.in_flight_max,
                    pause: settings.reconnect_pause,
                };
                tasks.spawn("ingress lane", lane.run(tasks.shutdown_token()));
                sender
            })
            .collect();
        Self { queues, next: Arc::default(), deadline: settings.verdict_deadline }
    }

    /// Asks for the verdict on one delivery.
    ///
    /// # Errors
    /// [`Unreached`] when verification cannot be asked or does not answer within the deadline.
    pub async fn judge(&self, delivery: Delivery) -> Result<Answer, Unreached> {
        let lane = self.next.fetch_add(1, Ordering::Relaxed) % self.queues.len();
        let (answer, answered) = oneshot::channel();
        self.queues[lane].try_send(Job { delivery, answer }).map_err(|_| Unreached)?;
        match tokio::time::timeout(self.deadline, answered).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) | Err(_) => Err(Unreached),
        }
    }
}

struct Lane {
    client: VerificationServiceClient<Client>,
    jobs: mpsc::Receiver<Job>,
    in_flight_max: usize,
    pause: Duration,
}

/// Why a stream ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// It broke; `of_use` if it had given an answer before.
    Broken {
        of_use: bool,
    },
    Shutdown,
}

impl Lane {
    async fn run(mut self, shutdown: CancellationToken) {
        while let End::Broken { of_use } = self.stream(&shutdown).await {
            metrics::counter!("ingress_streams_broken_total").increment(1);
            if !of_use && self.rest(&shutdown).await == End::Shutdown {
                return;
            }
        }
    }

    /// Fails new work during the pause: whoever asked learns at once and parks.
    async fn rest(&mut self, shutdown: &CancellationToken) -> End {
        let pause = tokio::time::sleep(self.pause);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => return End::Broken { of_use: false },
                () = shutdown.cancelled() => return End::Shutdown,
                job = self.jobs.recv() => if job.is_none() { return End::Shutdown },
            }
        }
    }

    /// One stream, from opening to its end.
    async fn stream(&mut self, shutdown: &CancellationToken) -> End {
        let (requests, outgoing) = mpsc::channel(self.in_flight_max);
        let opened = tokio::select! {
            opened = self.client.accept_stream(ReceiverStream::new(outgoing)) => opened,
            () = shutdown.cancelled() => return End::Shutdown,
        };
        let Ok(response) = opened else { return End::Broken { of_use: false } };
        let mut answers = response.into_inner();
        let mut waiting = HashMap::<u64, oneshot::Sender<Answer>>::new();
        let mut sequence = 0;
        let mut of_use = false;
        loop {
            if waiting.len() >= self.in_flight_max {
                // Answers that nobody waits for any more must not keep others out. If verification reads nothing
                // at all, the queue of requests fills up next, and the stream is opened anew.
                waiting.retain(|_, waiter| !waiter.is_closed());
            }
            tokio::select! {
                job = self.jobs.recv(), if waiting.len() < self.in_flight_max => {
                    let Some(Job { delivery, answer }) = job else { return End::Shutdown };
                    sequence += 1;
                    let request = AcceptStreamRequest { sequence, delivery: Some(delivery) };
                    if requests.try_send(request).is_err() {
                        return End::Broken { of_use };
                    }
                    waiting.insert(sequence, answer);
                }
                answer = answers.message() => match answer {
                    Ok(Some(AcceptStreamResponse { sequence, answer: Some(answer) })) => {
                        of_use = true;
                        if let Some(waiter) = waiting.remove(&sequence) {
                            // Whoever asked may have stopped waiting; the delivery is parked then, under its name.
                            let _ = waiter.send(answer);
                        }
                    }
                    Ok(Some(AcceptStreamResponse { answer: None, .. }) | None) | Err(_) => {
                        return End::Broken { of_use };
                    }
                },
                () = tokio::time::sleep(self.pause), if waiting.len() >= self.in_flight_max => {}
                () = shutdown.cancelled() => return End::Shutdown,
            }
        }
    }
}
