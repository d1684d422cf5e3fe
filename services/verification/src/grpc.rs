//! gRPC in, verdicts and views out.

use std::pin::Pin;
use std::sync::Arc;

use contracts::wire::verification as wire;
use contracts::wire::verification::verification_service_server::VerificationService;
use domain::intake::{BODY_BYTES_MAX, RawDelivery};
use domain::time::Timestamp;
use event_log::TraceContext;
use futures::{Stream, StreamExt};
use jobs::Jobs;
use operate::DeadLetters;
use projection::Projection;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};
use tracing::Instrument as _;

use crate::dead_letters;
use crate::intake::{Intake, Verdict};
use crate::keys;
use crate::ledger::{self, LedgerView};
use crate::parked::Parked;
use crate::quarantine::Quarantine;
use crate::refusal::{Arrival, Came};

/// Largest gRPC message taken: a body with its headers.
pub const MESSAGE_BYTES_MAX: usize = BODY_BYTES_MAX + 128 * 1024;

/// Deliveries of one stream that are judged at the same time.
const STREAM_CONCURRENCY: usize = 1024;

/// The gRPC service. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    intake: Arc<Intake>,
    ledger: Arc<Projection<LedgerView>>,
    parked: Arc<Parked>,
    quarantine: Arc<Quarantine>,
    jobs: Jobs,
    dead_letters: DeadLetters,
    shutdown: CancellationToken,
}

impl Service {
    pub(crate) fn new(
        intake: Arc<Intake>,
        ledger: Arc<Projection<LedgerView>>,
        parked: Arc<Parked>,
        quarantine: Arc<Quarantine>,
        jobs: Jobs,
        dead_letters: DeadLetters,
    ) -> Self {
        let shutdown = CancellationToken::new();
        Self { intake, ledger, parked, quarantine, jobs, dead_letters, shutdown }
    }

    /// The same, with these jobs.
    pub(crate) fn with_jobs(self, jobs: Jobs) -> Self {
        Self { jobs, ..self }
    }

    /// The same, whose streams end at `shutdown`.
    pub(crate) fn until(self, shutdown: CancellationToken) -> Self {
        Self { shutdown, ..self }
    }
}

#[tonic::async_trait]
impl VerificationService for Service {
    async fn accept(
        &self,
        request: Request<wire::AcceptRequest>,
    ) -> Result<Response<wire::AcceptResponse>, Status> {
        let delivery = request.into_inner().delivery;
        let answer = judge(&self.intake, delivery).await?;
        Ok(Response::new(wire::AcceptResponse { answer: Some(answer) }))
    }

    type AcceptStreamStream = Pin<Box<dyn Stream<Item = Result<wire::AcceptStreamResponse, Status>> + Send>>;

    async fn accept_stream(
        &self,
        request: Request<Streaming<wire::AcceptStreamRequest>>,
    ) -> Result<Response<Self::AcceptStreamStream>, Status> {
        let intake = self.intake.clone();
        let requests = request.into_inner().take_until(self.shutdown.clone().cancelled_owned());
        let answers = requests.map(move |request| {
            let intake = intake.clone();
            async move {
                let wire::AcceptStreamRequest { sequence, delivery } = request?;
                let answer = judge(&intake, delivery).await?;
                Ok(wire::AcceptStreamResponse { sequence, answer: Some(answer) })
            }
        });
        Ok(Response::new(Box::pin(answers.buffer_unordered(STREAM_CONCURRENCY))))
    }

    async fn list_quarantine(
        &self,
        request: Request<wire::ListQuarantineRequest>,
    ) -> Result<Response<wire::ListQuarantineResponse>, Status> {
        self.quarantine.list(&request.into_inner()).map(Response::new)
    }

    async fn get_quarantined(
        &self,
        request: Request<wire::GetQuarantinedRequest>,
    ) -> Result<Response<wire::GetQuarantinedResponse>, Status> {
        self.quarantine.get(&request.into_inner()).await.map(Response::new)
    }

    async fn reverify_quarantined(
        &self,
        request: Request<wire::ReverifyQuarantinedRequest>,
    ) -> Result<Response<wire::ReverifyQuarantinedResponse>, Status> {
        self.quarantine.reverify(&request.into_inner()).await.map(Response::new)
    }

    async fn release_quarantined(
        &self,
        request: Request<wire::ReleaseQuarantinedRequest>,
    ) -> Result<Response<wire::ReleaseQuarantinedResponse>, Status> {
        self.quarantine.release(&request.into_inner()).await.map(Response::new)
    }

    async fn discard_quarantined(
        &self,
        request: Request<wire::DiscardQuarantinedRequest>,
    ) -> Result<Response<wire::DiscardQuarantinedResponse>, Status> {
        self.quarantine.discard(&request.into_inner()).await.map(Response::new)
    }

    async fn list_keys(
        &self,
        request: Request<wire::ListKeysRequest>,
    ) -> Result<Response<wire::ListKeysResponse>, Status> {
        let only = request.into_inner().connection;
        self.quarantine.catch_up().await?;
        let keys = keys::status(self.intake.connections(), &self.ledger, self.intake.now(), &only);
        let keys = keys.map_err(|error| Status::unavailable(error.to_string()))?;
        let warnings = keys::warnings(self.intake.connections(), &only);
        Ok(Response::new(wire::ListKeysResponse { keys, warnings }))
    }

    async fn get_ledger(
        &self,
        request: Request<wire::GetLedgerRequest>,
    ) -> Result<Response<wire::GetLedgerResponse>, Status> {
        ledger::answer(&self.ledger, &self.parked, &request.into_inner()).await.map(Response::new)
    }

    async fn list_jobs(
        &self,
        request: Request<wire::ListJobsRequest>,
    ) -> Result<Response<wire::ListJobsResponse>, Status> {
        let jobs = operate::job::list(&self.jobs, &request.get_ref().connection).await?;
        Ok(Response::new(wire::ListJobsResponse { jobs }))
    }

    async fn run_job(
        &self,
        request: Request<wire::RunJobRequest>,
    ) -> Result<Response<wire::RunJobResponse>, Status> {
        let wire::RunJobRequest { request_id, connection, name, wait_ms } = request.into_inner();
        let (job, ended) = operate::job::run(&self.jobs, &request_id, &connection, &name, wait_ms).await?;
        Ok(Response::new(wire::RunJobResponse { job: Some(job), ended }))
    }

    async fn list_dead_letters(
        &self,
        request: Request<wire::ListDeadLettersRequest>,
    ) -> Result<Response<wire::ListDeadLettersResponse>, Status> {
        let wire::ListDeadLettersRequest { page_size, page_token } = request.into_inner();
        let (dead_letters, next_page_token) = self.dead_letters.list(page_size, &page_token).await?;
        Ok(Response::new(wire::ListDeadLettersResponse { dead_letters, next_page_token }))
    }

    async fn retry_dead_letter(
        &self,
        request: Request<wire::RetryDeadLetterRequest>,
    ) -> Result<Response<wire::RetryDeadLetterResponse>, Status> {
        let wire::RetryDeadLetterRequest { request_id, consumer, position } = request.into_inner();
        let found = self.dead_letters.retry(&request_id, &consumer, position).await?;
        Ok(Response::new(wire::RetryDeadLetterResponse { found }))
    }

    async fn discard_dead_letter(
        &self,
        request: Request<wire::DiscardDeadLetterRequest>,
    ) -> Result<Response<wire::DiscardDeadLetterResponse>, Status> {
        let found = dead_letters::discard(&self.dead_letters, request.into_inner()).await?;
        Ok(Response::new(wire::DiscardDeadLetterResponse { found }))
    }
}

async fn judge(intake: &Intake, delivery: Option<wire::Delivery>) -> Result<wire::Answer, Status> {
    let delivery =
        delivery.ok_or_else(|| Status::invalid_argument("delivery: missing; give the delivery"))?;
    let received = TraceContext {
        traceparent: (!delivery.traceparent.is_empty()).then(|| delivery.traceparent.clone()),
        tracestate: (!delivery.tracestate.is_empty()).then(|| delivery.tracestate.clone()),
    };
    // One stream carries many deliveries, each of its own trace: so the span is made here, not by the recipe.
    let span = tracing::info_span!(
        "accept delivery",
        otel.kind = "server",
        rpc.system.name = "grpc",
        rpc.method = "countersign.verification.v1.VerificationService/AcceptStream",
    );
    received.continue_in(&span, intake.since(Timestamp(delivery.received_at_ms)));
    let parked = delivery.parked.as_ref();
    // An older ingress names what it parked, and nothing else.
    let named = [delivery.arrival.as_str(), parked.map_or("", |parked| parked.id.as_str())];
    let name = named.into_iter().find(|name| !name.is_empty());
    let came = Came {
        peer: delivery.peer_ip.parse().ok(),
        acknowledged: delivery.acknowledged,
        arrival: name.map_or_else(Arrival::nameless, Arrival::named),
        parked: parked.and_then(|parked| parked.tenant.parse().ok()),
    };
    let delivery = raw(delivery)?;
    async {
        let ours = TraceContext::current();
        let trace = if ours.traceparent.is_some() { ours } else { received };
        Ok(answer(&intake.accept(delivery, came, trace).await))
    }
    .instrument(span)
    .await
}

/// From the wire to a raw delivery.
fn raw(delivery: wire::Delivery) -> Result<RawDelivery, Status> {
    if delivery.body.len() > BODY_BYTES_MAX {
        return Err(Status::invalid_argument(format!("delivery.body: at most {BODY_BYTES_MAX} bytes")));
    }
    contracts::intake::delivery_from_wire(delivery)
        .map_err(|error| Status::invalid_argument(error.to_string()))
}

fn answer(verdict: &Verdict) -> wire::Answer {
    let mut answer = wire::Answer::default();
    match verdict {
        Verdict::Accepted { new, known } => {
            answer.accepted = *new;
            answer.duplicates = *known;
            let nothing_new = *new == 0 && *known > 0;
            answer.set_verdict(if nothing_new { wire::Verdict::Duplicate } else { wire::Verdict::Accepted });
        }
        Verdict::Refused(refusal) => {
            answer.set_verdict(wire::Verdict::Refused);
            refusal.code().clone_into(&mut answer.refusal);
        }
        Verdict::UnknownConnection => answer.set_verdict(wire::Verdict::UnknownConnection),
        Verdict::Unavailable { retry_after } => {
            answer.set_verdict(wire::Verdict::Unavailable);
            answer.retry_after_ms = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX);
        }
    }
    answer
}
