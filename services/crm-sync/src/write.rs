//! From what happened to an envelope to what its records say.

use std::sync::Arc;

use async_trait::async_trait;
use crms::{Class, Crm, CrmError};
use domain::envelope::{Envelope, Stage};
use domain::ids::{EnvelopeId, TenantId};
use domain::intake::RecordRef;
use domain::retry::Retry;
use domain::sync::{Phase, Plan, SkipReason, SyncEvent, SyncState, WaitReason, guard, plan};
use event_log::{Delivery, Entity, Handler, Outcome, TraceContext};
use runtime::clock::Clock;
use runtime::config::{Flow, Loaded, SharedConfiguration, Write};
use serde_json::Value;
use tracing::Instrument;

use crate::adapters::Adapters;
use crate::config::Settings;
use crate::desired::Fields;
use crate::history::{Histories, History};
use crate::orchestrator::Orchestrator;
use crate::stands::Stands;
use crate::stop::Stop;
use crate::story::{Cause, Stories, Story};
use crate::{context, desired, echo, lives, names};

/// Properties with this prefix are ours alone; others are shared with the people who work in the CRM.
const OUR_PREFIX: &str = "esign_";

/// Writes what became true.
pub struct Writes {
    pub(crate) clock: Clock,
    pub(crate) configuration: SharedConfiguration,
    pub(crate) adapters: Adapters,
    pub(crate) histories: Histories,
    pub(crate) stories: Stories,
    pub(crate) orchestrator: Orchestrator,
    pub(crate) settings: Settings,
}

/// One record that says something about one envelope.
pub(crate) struct Target {
    pub record: RecordRef,
    pub story: Story,
    pub plan: Plan,
    crm: Arc<dyn Crm>,
}

#[async_trait]
impl Handler for Writes {
    async fn handle(&self, delivery: &Delivery) -> Outcome {
        let recorded = &delivery.recorded;
        let Ok(id) = recorded.entity.id().parse::<EnvelopeId>() else { return Outcome::Done };
        let span = tracing::info_span!("sync record", otel.kind = "consumer", envelope.id = %id);
        recorded.trace.continue_in(&span, self.clock.now().since(recorded.recorded_at));
        match self.envelope(&recorded.entity, &id, delivery).instrument(span).await {
            Ok(()) => Outcome::Done,
            Err(stop) => stop.outcome(&self.settings, delivery.attempt),
        }
    }
}

impl Writes {
    async fn envelope(&self, entity: &Entity, id: &EnvelopeId, delivery: &Delivery) -> Result<(), Stop> {
        let history = self.histories.envelope(entity, id).await?;
        if self.awaits_confirmation(&history.envelope) {
            return Err(Stop::Look("the completion is not confirmed yet".to_owned()));
        }
        if lives::is_over(&self.orchestrator, id, &history.envelope).await? {
            tracing::info!("a later envelope speaks for the record");
            return Ok(());
        }
        if history.envelope.stage == Stage::Completed && !history.envelope.confirmed {
            tracing::warn!(
                "unconfirmed: the provider did not confirm the completion in time, its webhook is believed"
            );
        }
        let recorded = &delivery.recorded;
        let event = recorded.events.last().map(|event| event.id);
        let cause = Cause {
            event: Some(event.ok_or_else(|| Stop::Never("a commit without events".to_owned()))?),
            correlation_id: recorded.correlation_id.clone(),
            trace: TraceContext::current(),
        };
        // Each record is brought as far as it goes: one CRM that is unwell holds up no other one.
        let mut stopped = None;
        for target in self.targets(entity.tenant(), id, &history).await {
            let brought = match target {
                Ok(target) => self.bring(target, &history, &cause).await,
                Err(stop) => Err(stop),
            };
            stopped = Stop::sooner(stopped, brought.err());
        }
        stopped.map_or(Ok(()), Err)
    }

    /// A completion that only a webhook tells waits for the GET that confirms it, but not for ever.
    fn awaits_confirmation(&self, envelope: &Envelope) -> bool {
        let waited = envelope.completed_at.map(|at| self.clock.now().since(at));
        envelope.stage == Stage::Completed
            && !envelope.confirmed
            && waited.is_some_and(|waited| waited < self.settings.confirmation_wait)
    }

    /// Every record the flow writes to, with what is to be written now, or why that cannot be said.
    pub(crate) async fn targets(
        &self,
        tenant: &TenantId,
        id: &EnvelopeId,
        history: &History,
    ) -> Vec<Result<Target, Stop>> {
        let loaded = self.configuration.current();
        let Some(flow) = history.envelope.flow().and_then(|flow| loaded.flow(flow)) else {
            return Vec::new();
        };
        let mut targets = Vec::with_capacity(flow.write.len());
        for write in &flow.write {
            targets.push(self.target(&loaded, flow, write, tenant, id, history).await);
        }
        targets
    }

    async fn target(
        &self,
        loaded: &Loaded,
        flow: &Flow,
        write: &Write,
        tenant: &TenantId,
        id: &EnvelopeId,
        history: &History,
    ) -> Result<Target, Stop> {
        let crm = self.adapters.get(&write.connection);
        let crm = crm.ok_or_else(|| Stop::Never(format!("{} is not a CRM", write.connection)))?;
        let context = context::of_envelope(id, &history.envelope, flow.name.as_str());
        let (record, context) = self.record(loaded, flow, write, &history.envelope, context).await?;
        let story = self.stories.of_writes(tenant, id, &record).await?;
        let desired = desired::wanted(loaded, write, history, &context)?;
        let plan = plan(&story.state, &desired, echo::hash);
        Ok(Target { record, story, plan, crm })
    }

    /// Which record, and the context with its properties where the texts use them.
    async fn record(
        &self,
        loaded: &Loaded,
        flow: &Flow,
        write: &Write,
        envelope: &Envelope,
        context: Value,
    ) -> Result<(RecordRef, Value), Stop> {
        let fired = envelope.record();
        let texts = write.moments().into_iter().flat_map(|(_, fields)| fields.values()).map(String::as_str);
        let uses_record = texts.clone().chain([write.record.as_str()]).any(|text| text.contains("record."));
        let context = match fired {
            Some(fired) if uses_record => {
                let crm = self.adapters.get(&fired.connection);
                let crm = crm.ok_or_else(|| Stop::Never(format!("{} is not a CRM", fired.connection)))?;
                let properties = names::record_properties(flow, texts.chain([write.record.as_str()]));
                let read = crm.read(fired, &properties).await?;
                context::with_record(context, &read)
            }
            Some(_) | None => context,
        };
        // An adopted envelope's record was worked out from the provider's metadata when it was adopted.
        if let Some(fired) = fired
            && (write.record == Write::TRIGGER || envelope.adoption.is_some())
            && fired.connection == write.connection
        {
            return Ok((fired.clone(), context));
        }
        let object_id = loaded.expressions().evaluate(&write.record, &context)?;
        let record = RecordRef {
            connection: write.connection.clone(),
            object_type: write.object.clone(),
            object_id: object_id.trim().to_owned(),
        };
        Ok((record, context))
    }

    /// Brings one record to what it should say.
    async fn bring(&self, target: Target, history: &History, cause: &Cause) -> Result<(), Stop> {
        let Target { record, mut story, plan, crm } = target;
        let now = self.clock.now();
        let write = match plan {
            Plan::Wait(WaitReason::LinkUnknown) | Plan::Nothing(SkipReason::Older | SkipReason::Orphaned) => {
                return Ok(());
            }
            Plan::Nothing(reason @ SkipReason::Unchanged) => {
                let (version, phase) = (history.version, desired::phase(history.envelope.stage));
                // Worth a fact only where it moves the record's own story on.
                if phase == Phase::Open && story.state.applied_version == 0 {
                    return Ok(());
                }
                let fact = SyncEvent::Skipped { version, phase, reason, at: now };
                count(&record, "unchanged");
                return self.stories.tell(&mut story, fact, now, cause).await.map_err(Stop::from);
            }
            Plan::Write(write) => write,
        };
        let (write, conflicts) = self.guarded(&crm, &record, history, &story.state, write).await?;
        for field in &conflicts {
            tracing::warn!(field, "left as a person set it");
            count(&record, "conflict");
        }
        self.stories.tell(&mut story, write.planned(now), now, cause).await?;
        let fields: Fields = write
            .fields
            .iter()
            .filter_map(|(field, value)| Some((field.clone(), value.reveal()?.to_owned())))
            .collect();
        let written = if fields.is_empty() { Ok(()) } else { crm.write(&record, &fields).await };
        let now = self.clock.now();
        match written {
            Ok(()) => {
                let fact = SyncEvent::Applied {
                    version: write.version,
                    connection: Some(record.connection.clone()),
                    at: now,
                };
                self.stories.tell(&mut story, fact, now, cause).await?;
                count(&record, "applied");
                tracing::info!(connection = %record.connection, version = write.version, "record written");
                Ok(())
            }
            Err(error) => self.failed(&record, &mut story, write.version, error, cause).await,
        }
    }

    /// Looks before it writes over what people may have changed, or over what may have landed.
    async fn guarded(
        &self,
        crm: &Arc<dyn Crm>,
        record: &RecordRef,
        history: &History,
        state: &SyncState,
        write: domain::sync::Write,
    ) -> Result<(domain::sync::Write, Vec<String>), Stop> {
        let shared = |field: &str| !field.starts_with(OUR_PREFIX);
        let loaded = self.configuration.current();
        let flow = history.envelope.flow().and_then(|flow| loaded.flow(flow));
        let stands = flow.map(|flow| Stands::new(&loaded, flow, record, &history.envelope));
        let told = |field: &str| stands.as_ref().is_some_and(|stands| stands.speaks_of(field));
        let written_before = |field: &str| state.last_written.contains_key(field);
        let overwrites =
            write.fields.keys().any(|field| shared(field) && (written_before(field) || told(field)));
        let in_doubt = !state.in_doubt.is_empty() || state.planned.is_some();
        if !overwrites && !in_doubt {
            return Ok((write, Vec::new()));
        }
        let properties: Vec<String> = write.fields.keys().cloned().collect();
        let remote = crm.read(record, &properties).await?;
        let at = |field: &str, value: &str| stands.as_ref().and_then(|stands| stands.at(field, value));
        let guarded = guard(state, write, &remote.properties, shared, at, echo::hash);
        Ok((guarded.write, guarded.conflicts))
    }

    async fn failed(
        &self,
        record: &RecordRef,
        story: &mut Story,
        version: u64,
        error: CrmError,
        cause: &Cause,
    ) -> Result<(), Stop> {
        let at = self.clock.now();
        let (class, code) = (error.class.name().to_owned(), error.code.clone());
        count(record, error.class.name());
        tracing::warn!(connection = %record.connection, %error, "record not written");
        if error.class == Class::Orphan {
            return self.stories.tell(story, SyncEvent::Orphaned { at }, at, cause).await.map_err(Stop::from);
        }
        let in_doubt = error.outcome_unknown() || error.http.is_some_and(|status| status >= 500);
        let fact = SyncEvent::Failed { version, class: class.clone(), code: code.clone(), in_doubt, at };
        self.stories.tell(story, fact, at, cause).await?;
        if error.retry == Retry::Never {
            let fact = SyncEvent::DeadLettered { version, class, code, at };
            self.stories.tell(story, fact, at, cause).await?;
        }
        Err(error.into())
    }
}

fn count(record: &RecordRef, outcome: &'static str) {
    metrics::counter!("crm_sync_writes_total", "connection" => record.connection.to_string(), "outcome" => outcome)
        .increment(1);
}
