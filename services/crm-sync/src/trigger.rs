//! From a change of a record to a request for an envelope.

use async_trait::async_trait;
use contracts::intake::{Accepted, IntakeEvent};
use contracts::wire::envelope::{Envelope, Stage as WireStage};
use crms::{Class, Crm};
use domain::intake::{Actor, Meaning, RecordChange};
use domain::retry::Retry;
use domain::sync::{SyncEvent, Taken, TriggerIgnored, is_echo};
use event_log::{Category, Delivery, EventLog, Handler, Outcome, Recorded, RecordedEvent};
use ledger::Desk;
use runtime::clock::Clock;
use runtime::config::{SharedConfiguration, Write};
use serde_json::Value;
use tracing::Instrument;

use crate::adapters::Adapters;
use crate::config::Settings;
use crate::fate::Fate;
use crate::fit::{ANSWERED_AFTER_MS, Fit, Told, ended_without_contract, found_at};
use crate::history::Histories;
use crate::orchestrator::{AskError, Orchestrator};
use crate::request::{RequestError, Source, wire_record};
use crate::stop::Stop;
use crate::story::{Stories, Story};
use crate::{context, desired, echo, fate, names};

/// Takes triggers.
pub struct Triggers {
    pub(crate) log: EventLog,
    pub(crate) clock: Clock,
    pub(crate) configuration: SharedConfiguration,
    pub(crate) adapters: Adapters,
    pub(crate) histories: Histories,
    pub(crate) stories: Stories,
    pub(crate) orchestrator: Orchestrator,
    pub(crate) desk: Desk,
    pub(crate) settings: Settings,
}

#[async_trait]
impl Handler for Triggers {
    async fn handle(&self, delivery: &Delivery) -> Outcome {
        for event in &delivery.recorded.events {
            let span = tracing::info_span!("take trigger", otel.kind = "consumer", event.id = %event.id);
            delivery.recorded.trace.continue_in(&span, self.clock.now().since(delivery.recorded.recorded_at));
            match self.event(event, delivery).instrument(span).await {
                Ok(()) => {}
                Err(stop) => return stop.outcome(&self.settings, delivery.attempt),
            }
        }
        Outcome::Done
    }
}

impl Triggers {
    async fn event(&self, event: &RecordedEvent, delivery: &Delivery) -> Result<(), Stop> {
        let IntakeEvent::Accepted(signal) = self.histories.signal(event).await? else {
            return Ok(());
        };
        let Meaning::Record(change) = &signal.meaning else { return Ok(()) };
        let fate = self.judge(event, &delivery.recorded, &signal, change).await?;
        fate::tell(self.desk.settler(), delivery, event, &signal, fate, self.clock.now()).await
    }

    /// Shows the change to every flow. One that cannot be judged now keeps no other from its envelope; the change comes
    /// again on its behalf, and the others know it then.
    async fn judge(
        &self,
        event: &RecordedEvent,
        recorded: &Recorded,
        signal: &Accepted,
        change: &RecordChange,
    ) -> Result<Fate, Stop> {
        let loaded = self.configuration.current();
        let Some(connection) = loaded.connection(&signal.connection) else { return Ok(Fate::NotConfigured) };
        let (mut fate, mut stop) = (Fate::NoFlow, None);
        let told = Told { loaded: &loaded, connection, event, recorded, signal, change };
        for fit in told.fits() {
            match self.show(&fit).await {
                Ok(found) => fate = fate.max(found),
                Err(kept) => stop = Stop::sooner(stop, Some(kept)),
            }
        }
        stop.map_or(Ok(fate), Err)
    }

    async fn show(&self, fit: &Fit<'_>) -> Result<Fate, Stop> {
        if fit.holds()? { self.take(fit).await } else { Ok(Fate::ConditionFalse) }
    }

    /// Takes a change that fits a flow. Repeating it meets its own story, or the same envelope.
    pub(crate) async fn take(&self, fit: &Fit<'_>) -> Result<Fate, Stop> {
        let mut story = self.story(fit).await?;
        if let Some(fate) = Fate::of_story(&story.events) {
            return Ok(fate);
        }
        if !fit.may_trigger() {
            let reason = if fit.change.actor == Actor::Integration {
                TriggerIgnored::Echo
            } else {
                TriggerIgnored::Actor
            };
            return self.ignore(fit, &mut story, reason).await;
        }
        let envelopes = self.envelopes(fit).await?;
        if self.is_our_echo(fit, &envelopes).await? {
            return self.ignore(fit, &mut story, TriggerIgnored::Echo).await;
        }
        // Only those that were there before the change came: the one this very change made does not count.
        let heard_at = found_at(&story).map_or(fit.heard_at, |found_at| found_at.min(fit.heard_at));
        let earlier = envelopes.iter().filter(|envelope| envelope.requested_at_ms < heard_at.0);
        let answered_from = fit.change.changed_at.0.saturating_add(ANSWERED_AFTER_MS);
        if earlier.clone().any(|envelope| envelope.requested_at_ms > answered_from) {
            return self.ignore(fit, &mut story, TriggerIgnored::AlreadyTaken).await;
        }
        let stages: Vec<WireStage> = earlier.map(Envelope::stage).collect();
        if !stages.iter().all(|stage| ended_without_contract(*stage)) {
            return self.ignore(fit, &mut story, TriggerIgnored::AlreadyTaken).await;
        }
        let ended = stages.iter().filter(|stage| ended_without_contract(**stage)).count();
        let generation = u32::try_from(ended).unwrap_or(u32::MAX - 1).saturating_add(1);
        // An earlier try, or another telling of this change, made it: the record may read differently by now.
        let key = fit.key(generation);
        if let Some(made) = envelopes.iter().find(|envelope| envelope.operation_key == key) {
            return self.taken(fit, &mut story, &key, generation, &made.envelope_id).await;
        }

        let crm =
            self.adapters.get(&fit.record.connection).ok_or_else(|| Stop::Never("no such CRM".to_owned()))?;
        let refusals = fit.flow.write.iter().flat_map(|write| write.on_failed.values()).map(String::as_str);
        let properties = names::record_properties(fit.flow, refusals);
        let read = match crm.read(&fit.record, &properties).await {
            Ok(read) => read,
            Err(error) if error.class == Class::Orphan => {
                return self.ignore(fit, &mut story, TriggerIgnored::RecordGone).await;
            }
            Err(error) => return Err(error.into()),
        };
        let context = context::with_record(fit.context.clone(), &read);
        self.ask(fit, &mut story, &context, &key, generation, crm.as_ref()).await
    }

    async fn ask(
        &self,
        fit: &Fit<'_>,
        story: &mut Story,
        context: &Value,
        key: &str,
        generation: u32,
        crm: &dyn Crm,
    ) -> Result<Fate, Stop> {
        let source = Source {
            loaded: fit.loaded,
            flow: fit.flow,
            record: &fit.record,
            context,
            allow_private_addresses: self.adapters.allow_private_addresses(),
        };
        let request = match source.request(key).await {
            Ok(request) => request,
            Err(RequestError::Unreachable(_) | RequestError::Busy(_)) => {
                return Err(Stop::Later("the document cannot be fetched".to_owned(), Retry::WithBackoff));
            }
            Err(error @ (RequestError::Expression(_) | RequestError::Document(_))) => {
                return self.refuse(fit, story, crm, &error.to_string()).await;
            }
        };
        if fit.found && found_at(story).is_none() {
            self.find(fit, story).await?;
        }
        let envelope = match self.orchestrator.create(request).await {
            Ok(envelope) => envelope,
            Err(AskError::Refused(reason)) => return self.refuse(fit, story, crm, &reason).await,
            Err(error @ AskError::Later(_)) => return Err(error.into()),
        };
        self.taken(fit, story, key, generation, &envelope.envelope_id).await
    }

    pub(crate) async fn story(&self, fit: &Fit<'_>) -> Result<Story, Stop> {
        let flow = fit.flow.name.as_str();
        Ok(self.stories.of_trigger(&fit.tenant, &fit.record, fit.change, flow).await?)
    }

    /// Every envelope of the record and the flow, as of now.
    pub(crate) async fn envelopes(&self, fit: &Fit<'_>) -> Result<Vec<Envelope>, Stop> {
        let head = self.log.head(Category::Envelopes).await?;
        let flow = fit.flow.name.as_str();
        Ok(self.orchestrator.of_record(&wire_record(&fit.record), flow, head.0).await?)
    }

    /// The change has its envelope.
    async fn taken(
        &self,
        fit: &Fit<'_>,
        story: &mut Story,
        key: &str,
        generation: u32,
        envelope: &str,
    ) -> Result<Fate, Stop> {
        let id = envelope
            .parse()
            .map_err(|_| Stop::Never("the orchestrator answered without an id".to_owned()))?;
        let operation_key = key.parse().map_err(|error| Stop::Never(format!("trigger key: {error}")))?;
        let now = self.clock.now();
        let fact = SyncEvent::TriggerTaken {
            record: fit.record.clone(),
            flow: fit.flow.name.clone(),
            taken: Taken { envelope: id, operation_key, generation },
            at: now,
        };
        self.stories.tell(story, fact, now, &fit.cause).await?;
        metrics::counter!("crm_sync_triggers_total", "connection" => fit.record.connection.to_string(), "outcome" => "taken")
            .increment(1);
        tracing::info!(envelope.id = %id, flow = %fit.flow.name, "trigger taken");
        Ok(Fate::Taken)
    }

    /// The record lacks what the flow needs: said on the record, and kept as ignored.
    async fn refuse(
        &self,
        fit: &Fit<'_>,
        story: &mut Story,
        crm: &dyn Crm,
        reason: &str,
    ) -> Result<Fate, Stop> {
        tracing::warn!(flow = %fit.flow.name, reason, "the record cannot become an envelope");
        let context = context::of_refusal(reason);
        for write in fit.flow.write.iter().filter(|write| write.record == Write::TRIGGER) {
            let fields = desired::evaluate(fit.loaded, &write.on_failed, &context)?;
            if !fields.is_empty() {
                crm.write(&fit.record, &fields).await?;
            }
        }
        self.ignore(fit, story, TriggerIgnored::InputMissing).await
    }

    pub(crate) async fn ignore(
        &self,
        fit: &Fit<'_>,
        story: &mut Story,
        reason: TriggerIgnored,
    ) -> Result<Fate, Stop> {
        let (record, flow, at) = (fit.record.clone(), fit.flow.name.clone(), self.clock.now());
        let fact = SyncEvent::TriggerIgnored { record, flow, reason, at };
        self.stories.tell(story, fact, at, &fit.cause).await?;
        let connection = fit.record.connection.to_string();
        metrics::counter!("crm_sync_triggers_total", "connection" => connection, "outcome" => reason.code())
            .increment(1);
        tracing::info!(flow = %fit.flow.name, reason = reason.code(), "trigger ignored");
        Ok(Fate::Ignored(reason))
    }

    /// Whether one of our own writes made the change: by value and time, not by what the CRM says of its source.
    pub(crate) async fn is_our_echo(&self, fit: &Fit<'_>, envelopes: &[Envelope]) -> Result<bool, Stop> {
        let Some(value) = fit.change.value.reveal() else { return Ok(false) };
        let hash = echo::hash_of(value);
        for envelope in envelopes {
            let Ok(id) = envelope.envelope_id.parse() else { continue };
            let story = self.stories.of_writes(&fit.tenant, &id, &fit.record).await?;
            if is_echo(&echo::ledger(&fit.record, &story.events), &fit.record, fit.change, &hash) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
