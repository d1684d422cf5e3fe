//! gRPC in, states and dead letters out.

use std::sync::Arc;

use contracts::wire::crmsync as wire;
use contracts::wire::crmsync::crm_sync_service_server::CrmSyncService;
use domain::ids::EnvelopeId;
use domain::sync::{Plan, SyncEvent};
use domain::time::Timestamp;
use event_log::{Category, Entity, EventLog, Position};
use jobs::Jobs;
use ledger::{Desk, Waits};
use projection::Projection;
use tonic::{Request, Response, Status};

use crate::book::Book;
use crate::request::wire_record;
use crate::stop::Stop;
use crate::trigger::Triggers;
use crate::write::{Target, Writes};
use crate::{TRIGGERS, WRITES, sweep};

/// Consumers whose dead letters an operator looks at.
const CONSUMERS: [&str; 2] = [TRIGGERS, WRITES];
/// Most dead letters on a page.
const PAGE_MAX: usize = 1000;
/// Dead letters on a page when the caller does not say.
const PAGE_DEFAULT: usize = 100;
/// Longest name of a wish, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 128;
/// Longest reason, in bytes.
const REASON_BYTES_MAX: usize = 200;

/// The gRPC service. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    log: EventLog,
    triggers: Arc<Triggers>,
    writes: Arc<Writes>,
    desk: Desk,
    book: Projection<Book>,
    jobs: Jobs,
}

impl Service {
    pub(crate) const fn new(
        log: EventLog,
        triggers: Arc<Triggers>,
        writes: Arc<Writes>,
        desk: Desk,
        book: Projection<Book>,
        jobs: Jobs,
    ) -> Self {
        Self { log, triggers, writes, desk, book, jobs }
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

fn check_request_id(request_id: &str) -> Result<(), Status> {
    match request_id.len() {
        1..=REQUEST_ID_BYTES_MAX => Ok(()),
        _ => Err(Status::invalid_argument("request_id: give 1 to 128 bytes, the same for a repetition")),
    }
}

fn known(consumer: &str) -> Result<&'static str, Status> {
    CONSUMERS.into_iter().find(|known| *known == consumer).ok_or_else(|| {
        Status::invalid_argument(format!("consumer: unknown; known are {}", CONSUMERS.join(", ")))
    })
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
        let size = match usize::try_from(request.page_size).unwrap_or(PAGE_MAX) {
            0 => PAGE_DEFAULT,
            size => size.min(PAGE_MAX),
        };
        let start: usize = match request.page_token.as_str() {
            "" => 0,
            token => token.parse().map_err(|_| {
                Status::invalid_argument("page_token: not a token of an earlier page; start again")
            })?,
        };
        let mut all = Vec::new();
        for consumer in CONSUMERS {
            let letters = self.log.dead_letters(consumer).await;
            all.extend(letters.map_err(|error| Status::unavailable(error.to_string()))?);
        }
        all.sort_by_key(|letter| letter.given_up_at);
        let end = start.saturating_add(size).min(all.len());
        let dead_letters = all.get(start..end).unwrap_or_default().iter().map(letter).collect();
        let next_page_token = if end < all.len() { end.to_string() } else { String::new() };
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
        let request = request.into_inner();
        check_request_id(&request.request_id)?;
        let consumer = known(&request.consumer)?;
        let found = self.log.retry_dead_letter(consumer, Position(request.position)).await;
        let found = found.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(Response::new(wire::RetryDeadLetterResponse { found }))
    }

    async fn discard_dead_letter(
        &self,
        request: Request<wire::DiscardDeadLetterRequest>,
    ) -> Result<Response<wire::DiscardDeadLetterResponse>, Status> {
        let request = request.into_inner();
        check_request_id(&request.request_id)?;
        let consumer = known(&request.consumer)?;
        let reason = request.reason.trim();
        if reason.is_empty() || reason.len() > REASON_BYTES_MAX {
            return Err(Status::invalid_argument("reason: give 1 to 200 bytes, without personal data"));
        }
        if consumer == TRIGGERS {
            // Whatever a person discards is settled by that: no sweep takes it up, and the ledger names it.
            self.triggers.let_go(Position(request.position)).await.map_err(refuse)?;
            let settled = self.desk.discard(Position(request.position), self.writes.clock.now()).await;
            settled.map_err(|error| Status::unavailable(error.to_string()))?;
        }
        let found = self.log.discard_dead_letter(consumer, Position(request.position)).await;
        let found = found.map_err(|error| Status::unavailable(error.to_string()))?;
        tracing::info!(consumer, position = request.position, reason, "dead letter discarded");
        Ok(Response::new(wire::DiscardDeadLetterResponse { found }))
    }

    async fn list_jobs(
        &self,
        request: Request<wire::ListJobsRequest>,
    ) -> Result<Response<wire::ListJobsResponse>, Status> {
        sweep::list(&self.jobs, &request.into_inner().connection).await.map(Response::new)
    }

    async fn run_job(
        &self,
        request: Request<wire::RunJobRequest>,
    ) -> Result<Response<wire::RunJobResponse>, Status> {
        sweep::run(&self.jobs, request.into_inner()).await.map(Response::new)
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

fn letter(letter: &event_log::DeadLetter) -> wire::DeadLetter {
    wire::DeadLetter {
        consumer: letter.consumer.clone(),
        position: letter.position.0,
        entity: letter.entity.to_string(),
        reason: letter.reason.clone(),
        attempts: letter.attempts,
        at_ms: letter.given_up_at.0,
    }
}

fn refuse(stop: Stop) -> Status {
    match stop {
        Stop::Later(reason, _) | Stop::Look(reason) => Status::unavailable(reason),
        Stop::Never(reason) => Status::failed_precondition(reason),
    }
}
