//! An orchestrator that makes an envelope of every key once, and remembers what it was asked for.

use std::sync::Arc;

use contracts::wire::envelope as wire;
use contracts::wire::envelope::envelope_service_server::{EnvelopeService, EnvelopeServiceServer};
use domain::ids::EnvelopeId;
use futures::stream::BoxStream;
use parking_lot::Mutex;
use runtime::clock::Clock;
use runtime::grpc::{Server, ServerSettings};
use runtime::random::derive_id;
use runtime::tasks::Tasks;
use tokio::net::TcpListener;
use tonic::{Request, Response, Status};

/// The orchestrator. Cheap to clone.
#[derive(Clone)]
pub struct Office {
    endpoint: String,
    clock: Clock,
    desk: Arc<Mutex<Desk>>,
    /// Keeps the server running.
    _tasks: Tasks,
}

#[derive(Default)]
struct Desk {
    envelopes: Vec<wire::Envelope>,
    asked: Vec<wire::CreateEnvelopeRequest>,
    refusals: Vec<Status>,
}

impl Office {
    pub async fn open(clock: Clock) -> Office {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let tasks = Tasks::new();
        let office = Office { endpoint, clock, desk: Arc::default(), _tasks: tasks.clone() };
        let server = Server::new().service(EnvelopeServiceServer::new(office.clone()));
        let shutdown = tasks.shutdown_token();
        tasks.spawn_fallible("office", server.serve(listener, ServerSettings::default(), shutdown));
        office
    }

    pub fn endpoint(&self) -> String {
        self.endpoint.clone()
    }

    /// Every request to make an envelope, in order.
    pub fn asked(&self) -> Vec<wire::CreateEnvelopeRequest> {
        self.desk.lock().asked.clone()
    }

    /// The next request to make an envelope is refused so.
    pub fn refuse(&self, status: Status) {
        self.desk.lock().refusals.push(status);
    }

    /// From now on it refuses nothing any more.
    pub fn relents(&self) {
        self.desk.lock().refusals.clear();
    }

    /// Every envelope made.
    pub fn envelopes(&self) -> Vec<wire::Envelope> {
        self.desk.lock().envelopes.clone()
    }

    /// Something happens to every envelope there is.
    pub fn all_are(&self, stage: wire::Stage) {
        self.desk.lock().envelopes.iter_mut().for_each(|envelope| envelope.set_stage(stage));
    }
}

#[tonic::async_trait]
impl EnvelopeService for Office {
    type WatchEnvelopesStream = BoxStream<'static, Result<wire::WatchEnvelopesResponse, Status>>;
    type DownloadArtifactStream = BoxStream<'static, Result<wire::DownloadArtifactResponse, Status>>;

    async fn create_envelope(
        &self,
        request: Request<wire::CreateEnvelopeRequest>,
    ) -> Result<Response<wire::CreateEnvelopeResponse>, Status> {
        let request = request.into_inner();
        let mut desk = self.desk.lock();
        desk.asked.push(request.clone());
        if let Some(refusal) = desk.refusals.pop() {
            return Err(refusal);
        }
        let known = desk.envelopes.iter().find(|envelope| envelope.operation_key == request.request_id);
        let envelope = known.cloned().unwrap_or_else(|| {
            let id = EnvelopeId::from_bytes(derive_id("office", &[&request.request_id]));
            let envelope = wire::Envelope {
                envelope_id: id.to_string(),
                tenant: "acme".to_owned(),
                stage: wire::Stage::Requested.into(),
                flow: request.flow.clone(),
                record: request.record.clone(),
                operation_key: request.request_id.clone(),
                requested_at_ms: self.clock.now().0,
                ..wire::Envelope::default()
            };
            desk.envelopes.push(envelope.clone());
            envelope
        });
        Ok(Response::new(wire::CreateEnvelopeResponse { envelope: Some(envelope), ..Default::default() }))
    }

    async fn list_envelopes(
        &self,
        request: Request<wire::ListEnvelopesRequest>,
    ) -> Result<Response<wire::ListEnvelopesResponse>, Status> {
        let filter = request.into_inner().filter.unwrap_or_default();
        let desk = self.desk.lock();
        let fits =
            |envelope: &&wire::Envelope| envelope.flow == filter.flow && envelope.record == filter.record;
        let envelopes = desk.envelopes.iter().filter(fits).cloned().collect();
        Ok(Response::new(wire::ListEnvelopesResponse { envelopes, ..Default::default() }))
    }

    async fn get_envelope(
        &self,
        _: Request<wire::GetEnvelopeRequest>,
    ) -> Result<Response<wire::GetEnvelopeResponse>, Status> {
        Err(Status::unimplemented("not asked by crm-sync"))
    }

    async fn watch_envelopes(
        &self,
        _: Request<wire::WatchEnvelopesRequest>,
    ) -> Result<Response<Self::WatchEnvelopesStream>, Status> {
        Err(Status::unimplemented("not asked by crm-sync"))
    }

    async fn send_envelope(
        &self,
        _: Request<wire::SendEnvelopeRequest>,
    ) -> Result<Response<wire::SendEnvelopeResponse>, Status> {
        Err(Status::unimplemented("not asked by crm-sync"))
    }

    async fn reopen_envelope(
        &self,
        _: Request<wire::ReopenEnvelopeRequest>,
    ) -> Result<Response<wire::ReopenEnvelopeResponse>, Status> {
        Err(Status::unimplemented("not asked by crm-sync"))
    }

    async fn void_envelope(
        &self,
        _: Request<wire::VoidEnvelopeRequest>,
    ) -> Result<Response<wire::VoidEnvelopeResponse>, Status> {
        Err(Status::unimplemented("not asked by crm-sync"))
    }

    async fn edit_fields(
        &self,
        _: Request<wire::EditFieldsRequest>,
    ) -> Result<Response<wire::EditFieldsResponse>, Status> {
        Err(Status::unimplemented("not asked by crm-sync"))
    }

    async fn remind_envelope(
        &self,
        _: Request<wire::RemindEnvelopeRequest>,
    ) -> Result<Response<wire::RemindEnvelopeResponse>, Status> {
        Err(Status::unimplemented("not asked by crm-sync"))
    }

    async fn get_evidence(
        &self,
        _: Request<wire::GetEvidenceRequest>,
    ) -> Result<Response<wire::GetEvidenceResponse>, Status> {
        Err(Status::unimplemented("not asked by crm-sync"))
    }

    async fn download_artifact(
        &self,
        _: Request<wire::DownloadArtifactRequest>,
    ) -> Result<Response<Self::DownloadArtifactStream>, Status> {
        Err(Status::unimplemented("not asked by crm-sync"))
    }

    async fn get_ledger(
        &self,
        _: Request<wire::GetLedgerRequest>,
    ) -> Result<Response<wire::GetLedgerResponse>, Status> {
        Err(Status::unimplemented("not asked by crm-sync"))
    }

    async fn list_early_arrivals(
        &self,
        _: Request<wire::ListEarlyArrivalsRequest>,
    ) -> Result<Response<wire::ListEarlyArrivalsResponse>, Status> {
        Err(Status::unimplemented("not asked by crm-sync"))
    }

    async fn list_dead_letters(
        &self,
        _: Request<wire::ListDeadLettersRequest>,
    ) -> Result<Response<wire::ListDeadLettersResponse>, Status> {
        Err(Status::unimplemented("not asked by crm-sync"))
    }

    async fn retry_dead_letter(
        &self,
        _: Request<wire::RetryDeadLetterRequest>,
    ) -> Result<Response<wire::RetryDeadLetterResponse>, Status> {
        Err(Status::unimplemented("not asked by crm-sync"))
    }

    async fn discard_dead_letter(
        &self,
        _: Request<wire::DiscardDeadLetterRequest>,
    ) -> Result<Response<wire::DiscardDeadLetterResponse>, Status> {
        Err(Status::unimplemented("not asked by crm-sync"))
    }

    async fn list_jobs(
        &self,
        _: Request<wire::ListJobsRequest>,
    ) -> Result<Response<wire::ListJobsResponse>, Status> {
        Err(Status::unimplemented("not asked by crm-sync"))
    }

    async fn run_job(
        &self,
        _: Request<wire::RunJobRequest>,
    ) -> Result<Response<wire::RunJobResponse>, Status> {
        Err(Status::unimplemented("not asked by crm-sync"))
    }

    async fn get_credits(
        &self,
        _: Request<wire::GetCreditsRequest>,
    ) -> Result<Response<wire::GetCreditsResponse>, Status> {
        Err(Status::unimplemented("not asked by crm-sync"))
    }
}
