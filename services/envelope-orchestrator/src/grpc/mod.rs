//! The orchestrator's face: wire in, command out. Every mutation may be repeated with its request id.

mod create;
mod credits;
mod edit;
mod ledger;
mod read;
mod refuse;
mod reopen;
mod watch;

use std::sync::Arc;

use ::ledger::Desk;
use contracts::envelope as codec;
use contracts::wire::envelope as wire;
use domain::envelope::{Command, VoidReason};
use domain::ids::{CommandId, EnvelopeId, OperationKey};
use futures::stream::BoxStream;
use runtime::config::SharedConfiguration;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::Providers;
use crate::config::Tuning;
use crate::directory::Directory;
use crate::store::{Cause, Executed, Store, Subject};
use refuse::{bad_request, not_found, refused, violation};

/// The service.
#[derive(Clone)]
pub struct Grpc {
    pub(crate) store: Store,
    pub(crate) directory: Directory,
    pub(crate) providers: Providers,
    pub(crate) configuration: SharedConfiguration,
    pub(crate) tuning: Arc<Tuning>,
    pub(crate) credits: crate::credits::Credits,
    pub(crate) jobs: jobs::Jobs,
    pub(crate) desk: Desk,
    pub(crate) shutdown: CancellationToken,
}

#[tonic::async_trait]
impl wire::envelope_service_server::EnvelopeService for Grpc {
    type WatchEnvelopesStream = BoxStream<'static, Result<wire::WatchEnvelopesResponse, Status>>;
    type DownloadArtifactStream = BoxStream<'static, Result<wire::DownloadArtifactResponse, Status>>;

    async fn create_envelope(
        &self,
        request: Request<wire::CreateEnvelopeRequest>,
    ) -> Result<Response<wire::CreateEnvelopeResponse>, Status> {
        let (subject, done) = self.create(request.into_inner()).await?;
        let (envelope, position) = answer(&subject, &done);
        Ok(Response::new(wire::CreateEnvelopeResponse { envelope: Some(envelope), position }))
    }

    async fn get_envelope(
        &self,
        request: Request<wire::GetEnvelopeRequest>,
    ) -> Result<Response<wire::GetEnvelopeResponse>, Status> {
        self.get(request.into_inner()).await.map(Response::new)
    }

    async fn list_envelopes(
        &self,
        request: Request<wire::ListEnvelopesRequest>,
    ) -> Result<Response<wire::ListEnvelopesResponse>, Status> {
        self.list(request.into_inner()).await.map(Response::new)
    }

    async fn watch_envelopes(
        &self,
        request: Request<wire::WatchEnvelopesRequest>,
    ) -> Result<Response<Self::WatchEnvelopesStream>, Status> {
        self.watch(request.into_inner()).await.map(Response::new)
    }

    async fn send_envelope(
        &self,
        request: Request<wire::SendEnvelopeRequest>,
    ) -> Result<Response<wire::SendEnvelopeResponse>, Status> {
        let request = request.into_inner();
        let command = Command::RequestSend { at: self.store.clock().now() };
        let (envelope, position) =
            self.command("send", &request.request_id, &request.envelope_id, command).await?;
        Ok(Response::new(wire::SendEnvelopeResponse { envelope: Some(envelope), position }))
    }

    async fn edit_fields(
        &self,
        request: Request<wire::EditFieldsRequest>,
    ) -> Result<Response<wire::EditFieldsResponse>, Status> {
        let (envelope, position) = self.edit(request.into_inner()).await?;
        Ok(Response::new(wire::EditFieldsResponse { envelope: Some(envelope), position }))
    }

    async fn reopen_envelope(
        &self,
        request: Request<wire::ReopenEnvelopeRequest>,
    ) -> Result<Response<wire::ReopenEnvelopeResponse>, Status> {
        let (envelope, position) = self.reopen(request.into_inner()).await?;
        Ok(Response::new(wire::ReopenEnvelopeResponse { envelope: Some(envelope), position }))
    }

    async fn void_envelope(
        &self,
        request: Request<wire::VoidEnvelopeRequest>,
    ) -> Result<Response<wire::VoidEnvelopeResponse>, Status> {
        let request = request.into_inner();
        let command = Command::RequestVoid { reason: VoidReason::Requested, at: self.store.clock().now() };
        let (envelope, position) =
            self.command("void", &request.request_id, &request.envelope_id, command).await?;
        Ok(Response::new(wire::VoidEnvelopeResponse { envelope: Some(envelope), position }))
    }

    async fn remind_envelope(
        &self,
        request: Request<wire::RemindEnvelopeRequest>,
    ) -> Result<Response<wire::RemindEnvelopeResponse>, Status> {
        let request = request.into_inner();
        let command = Command::RequestReminder { at: self.store.clock().now() };
        let (envelope, position) =
            self.command("remind", &request.request_id, &request.envelope_id, command).await?;
        Ok(Response::new(wire::RemindEnvelopeResponse { envelope: Some(envelope), position }))
    }

    async fn get_evidence(
        &self,
        request: Request<wire::GetEvidenceRequest>,
    ) -> Result<Response<wire::GetEvidenceResponse>, Status> {
        self.evidence(&request.into_inner().envelope_id).await.map(Response::new)
    }

    async fn download_artifact(
        &self,
        request: Request<wire::DownloadArtifactRequest>,
    ) -> Result<Response<Self::DownloadArtifactStream>, Status> {
        self.download(&request.into_inner().envelope_id).await.map(Response::new)
    }

    async fn get_ledger(
        &self,
        request: Request<wire::GetLedgerRequest>,
    ) -> Result<Response<wire::GetLedgerResponse>, Status> {
        self.ledger(request.into_inner()).await.map(Response::new)
    }

    async fn list_early_arrivals(
        &self,
        request: Request<wire::ListEarlyArrivalsRequest>,
    ) -> Result<Response<wire::ListEarlyArrivalsResponse>, Status> {
        self.early_arrivals(request.get_ref()).map(Response::new)
    }

    async fn list_dead_letters(
        &self,
        request: Request<wire::ListDeadLettersRequest>,
    ) -> Result<Response<wire::ListDeadLettersResponse>, Status> {
        let wire::ListDeadLettersRequest { page_size, page_token } = request.into_inner();
        let (dead_letters, next_page_token) = self.letters().list(page_size, &page_token).await?;
        Ok(Response::new(wire::ListDeadLettersResponse { dead_letters, next_page_token }))
    }

    async fn retry_dead_letter(
        &self,
        request: Request<wire::RetryDeadLetterRequest>,
    ) -> Result<Response<wire::RetryDeadLetterResponse>, Status> {
        let wire::RetryDeadLetterRequest { request_id, consumer, position } = request.into_inner();
        let found = self.letters().retry(&request_id, &consumer, position).await?;
        Ok(Response::new(wire::RetryDeadLetterResponse { found }))
    }

    async fn discard_dead_letter(
        &self,
        request: Request<wire::DiscardDeadLetterRequest>,
    ) -> Result<Response<wire::DiscardDeadLetterResponse>, Status> {
        let found = self.discard_letter(request.into_inner()).await?;
        Ok(Response::new(wire::DiscardDeadLetterResponse { found }))
    }

    async fn get_credits(
        &self,
        request: Request<wire::GetCreditsRequest>,
    ) -> Result<Response<wire::GetCreditsResponse>, Status> {
        self.credit_accounts(request.into_inner()).await.map(Response::new)
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
}

impl Grpc {
    /// Gives an operator's command; the same request id is the same command.
    async fn command(
        &self,
        verb: &'static str,
        request_id: &str,
        envelope_id: &str,
        command: Command,
    ) -> Result<(wire::Envelope, u64), Status> {
        let mut violations = Vec::new();
        if let Err(error) = request_id.parse::<OperationKey>() {
            violations.push(violation("request_id", error.to_string()));
        }
        let id = parse_id(envelope_id).map_err(|found| violations.push(found)).ok();
        let Some(id) = id.filter(|_| violations.is_empty()) else { return Err(bad_request(violations)) };
        let subject = self.subject(&id).await?;
        let cause = wish(verb, &id, request_id);
        let done =
            self.store.execute(&subject, command, &cause).await.map_err(|error| refused(&subject, error))?;
        Ok(answer(&subject, &done))
    }

    async fn subject(&self, id: &EnvelopeId) -> Result<Subject, Status> {
        let found = self.directory.subject(id).await.map_err(refuse::unavailable)?;
        found.ok_or_else(|| not_found(id))
    }
}

/// What an operator's command is known by: the same request id is the same command.
fn wish(verb: &'static str, id: &EnvelopeId, request_id: &str) -> Cause {
    let bytes = runtime::random::derive_id("countersign wish", &[verb, &id.to_string(), request_id]);
    Cause { command_id: CommandId::from_bytes(bytes), correlation_id: request_id.to_owned(), event: None }
}

fn answer(subject: &Subject, done: &Executed) -> (wire::Envelope, u64) {
    (codec::resource(&subject.id, &subject.tenant, done.position.0, &done.envelope), done.position.0)
}

fn parse_id(text: &str) -> Result<EnvelopeId, codec::FieldViolation> {
    text.parse().map_err(|error: domain::ids::IdError| violation("envelope_id", error.to_string()))
}
