//! gRPC in, states and dead letters out.

use std::sync::Arc;

use contracts::wire::crmsync as wire;
use contracts::wire::crmsync::crm_sync_service_server::CrmSyncService;
use domain::ids::EnvelopeId;
use domain::sync::{Plan, SyncEvent};
use domain::time::Timestamp;
use event_log::{Category, Entity, EventLog};
use jobs::Jobs;
use ledger::{Desk, Waits};
use operate::DeadLetters;
use projection::Projection;
use tonic::{Request, Response, Status};

use crate::book::Book;
use crate::request::wire_record;
use crate::stop::Stop;
use crate::trigger::Triggers;
use crate::write::{Target, Writes};
use crate::{TRIGGERS, WRITES};

/// Consumers whose dead letters an operator looks at.
const CONSUMERS: &[&str] = &[TRIGGERS, WRITES];
/// The gRPC service. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    log: EventLog,
    triggers: Arc<Triggers>,
    writes: Arc<Writes>,
    desk: Desk,
    book: Projection<Book>,
    jobs: Jobs,
    letters: DeadLetters,
}

impl Service {
    pub(crate) fn new(
        log: EventLog,
        triggers: Arc<Triggers>,
        writes: Arc<Writes>,
        desk: Desk,
        book: Projection<Book>,
        jobs: Jobs,
    ) -> Self {
        let letters = DeadLetters::new(log.clone(), CONSUMERS);
        Self { log, triggers, writes, desk, book, jobs, letters }
    }

    /// The records of one envelope, whichever tenant it belongs to, and the envelope's version.
    async fn targets(&self, id: &str) -> Result<(Vec<Target>, u64), Status> {
        let id: EnvelopeId =
            id.parse().map_err(|error| Status::invalid_argument(format!("envelope_id: {error}")))?;
        for tenant in self.writes.configuration.current().configuration().tenants.keys() {
            let entity = Entity::new(Category::Envelopes, tenant, id.to_string())
                .map_err(|error| Status::failed_precondition(error.to_string()))?;
            let history = self.writes.histories.envelope(&entity, &id).await;
            let history = history.map_err(|error| Status::unavailable(error.to_string()))?;
            if history.version > 0 {
                let targets = self.writes.targets(tenant, &id, &history).await.into_iter();
                let targets = targets.collect::<Result<_, _>>().map_err(refuse)?;
                return Ok((targets, history.version));
            }
        }
        Err(Status::not_found("envelope_id: no such envelope; check the id"))
    }
}

#[tonic::async_trait]
impl CrmSyncService for Service {
    async fn get_sync(
        &self,
        request: Request<wire::GetSyncRequest>,
    ) -> Result<Response<wire::GetSyncResponse>, Status> {
        let request = request.into_inner();
        let (targets, version) = self.targets(&request.envelope_id).await?;
        let position =
            self.log.head(Category::Sync).await.map_err(|error| Status::unavailable(error.to_string()))?;
        let wanted = targets.into_iter().filter(|target| {
            request.record.as_ref().is_none_or(|record| *record == wire_record(&target.record))
        });
        let states = wanted.map(|target| state(&request.envelope_id, version, &target)).collect();
        Ok(Response::new(wire::GetSyncResponse { states, position: position.0 }))
    }

    async fn plan_sync(
        &self,
        request: Request<wire::PlanSyncRequest>,
    ) -> Result<Response<wire::PlanSyncResponse>, Status> {
        let (targets, version) = self.targets(&request.into_inner().envelope_id).await?;
        let writes = targets.iter().map(|target| planned(version, target)).collect();
        Ok(Response::new(wire::PlanSyncResponse { writes }))
    }

    async fn list_dead_letters(
        &self,
        request: Request<wire::ListDeadLettersRequest>,
    ) -> Result<Response<wire::ListDeadLettersResponse>, Status> {
        let request = request.into_inner();
        let (dead_letters, next_page_token) =
            self.letters.list(request.page_size, &request.page_token).await?;
        Ok(Response::new(wire::ListDeadLettersResponse { dead_letters, next_page_token }))
    }

    async fn get_ledger(
        &self,
        request: Request<wire::GetLedgerRequest>,
    ) -> Result<Response<wire::GetLedgerResponse>, Status> {
        let wire::GetLedgerRequest { connection, since_ms, intake_position } = request.into_inner();
        let waits = Waits { connection, since_ms, intake_position };
        let answered = self.desk.answer(&self.book, &waits, || Ok(Vec::new())).await;
        let answered = answered.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(Response::new(wire::GetLedgerResponse {
            tallies: answered.tallies,
            handled_position: answered.handled.0,
            position: answered.position.0,
            complete: answered.complete,
            intake_head: answered.intake_head.0,
        }))
    }

    async fn retry_dead_letter(
        &self,
        request: Request<wire::RetryDeadLetterRequest>,
    ) -> Result<Response<wire::RetryDeadLetterResponse>, Status> {
        let wire::RetryDeadLetterRequest { request_id, consumer, position } = request.into_inner();
        let found = self.letters.retry(&request_id, &consumer, position).await?;
        Ok(Response::new(wire::RetryDeadLetterResponse { found }))
    }

    async fn discard_dead_letter(
        &self,
        request: Request<wire::DiscardDeadLetterRequest>,
    ) -> Result<Response<wire::DiscardDeadLetterResponse>, Status> {
        let wire::DiscardDeadLetterRequest { request_id, consumer, position, reason } = request.into_inner();
        let letter = self.letters.discardable(&request_id, &consumer, position, &reason)?;
        if letter.consumer == TRIGGERS {
            // Whatever a person discards is settled by that: no sweep takes it up, and the ledger names it.
            self.triggers.let_go(letter.position).await.map_err(refuse)?;
            let settled = self.desk.discard(letter.position, self.writes.clock.now()).await;
            settled.map_err(|error| Status::unavailable(error.to_string()))?;
        }
        let found = self.letters.discard(&letter).await?;
        Ok(Response::new(wire::DiscardDeadLetterResponse { found }))
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

fn state(envelope_id: &str, desired_version: u64, target: &Target) -> wire::SyncState {
    let (mut writes, mut skipped, mut applied_at) = (0, 0, Timestamp::default());
    let mut failure = (String::new(), String::new());
    for event in &target.story.events {
        match event {
            SyncEvent::Applied { at, .. } => {
                writes += 1;
                applied_at = *at;
                failure = Default::default();
            }
            SyncEvent::Skipped { .. } => skipped += 1,
            SyncEvent::Failed { class, code, .. } | SyncEvent::DeadLettered { class, code, .. } => {
                failure = (class.clone(), code.clone());
            }
            SyncEvent::TriggerTaken { .. }
            | SyncEvent::TriggerFound { .. }
            | SyncEvent::TriggerIgnored { .. }
            | SyncEvent::Planned { .. }
            | SyncEvent::LinkSeen { .. }
            | SyncEvent::Orphaned { .. } => {}
        }
    }
    let state = &target.story.state;
    wire::SyncState {
        envelope_id: envelope_id.to_owned(),
        record: Some(wire_record(&target.record)),
        link: contracts::sync::link_state(state.link_state),
        applied_version: state.applied_version,
        desired_version,
        applied_at_ms: applied_at.0,
        writes,
        skipped,
        failure_class: failure.0,
        failure_code: failure.1,
        orphaned: state.orphaned,
    }
}

fn planned(version: u64, target: &Target) -> wire::PlannedWrite {
    let mut planned =
        wire::PlannedWrite { record: Some(wire_record(&target.record)), version, ..Default::default() };
    match &target.plan {
        Plan::Nothing(reason) => planned.skipped_because = format!("{reason:?}").to_lowercase(),
        Plan::Wait(reason) => planned.skipped_because = format!("{reason:?}").to_lowercase(),
        Plan::Write(write) => {
            planned.includes_link = write.includes_link;
            let fields = write.fields.iter();
            planned.fields = fields
                .map(|(field, value)| (field.clone(), value.reveal().unwrap_or_default().to_owned()))
                .collect();
        }
    }
    planned
}

fn refuse(stop: Stop) -> Status {
    match stop {
        Stop::Later(reason, _) | Stop::Look(reason) => Status::unavailable(reason),
        Stop::Never(reason) => Status::failed_precondition(reason),
    }
}
