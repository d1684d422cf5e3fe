//! Taking up a document that somebody made at the provider without us, where a flow says so.

use std::collections::BTreeMap;

use contracts::intake::Accepted;
use domain::envelope::{Adoption, Command};
use domain::ids::{ConnectionId, EnvelopeId, ProviderEnvelopeId, TenantId};
use domain::intake::{Claim, EnvelopeNews, RecordRef};
use event_log::{Recorded, RecordedEvent};
use runtime::config::{Flow, Loaded, SharedConfiguration, Write};
use runtime::expressions::{ExpressionError, is_template};
use serde_json::{Value, json};

use crate::store::{Cause, ExecuteError, Store, Subject};

/// An event name in a flow that means every event.
const ANY_EVENT: &str = "*";
/// The event name that a condition sees when a sweep found the document and the flow names no event.
const SWEPT: &str = "reconciliation";

/// Takes up what flows want to follow.
pub struct Adopter {
    pub(crate) store: Store,
    pub(crate) configuration: SharedConfiguration,
}

/// A document at the provider that may be wanted.
pub struct Found<'a> {
    /// Whose it is.
    pub tenant: &'a TenantId,
    /// The connection it lies at.
    pub connection: &'a ConnectionId,
    /// The vendor's name of the event that told of it; `None` when a sweep found it: the event was lost.
    pub event: Option<&'a str>,
    /// The provider's id of it.
    pub provider_id: &'a ProviderEnvelopeId,
    /// How it stands.
    pub claim: &'a Claim,
    /// What is attached to it.
    pub correlation: &'a BTreeMap<String, String>,
}

impl Adopter {
    /// The envelope that now stands for the provider's document; `None` when no flow wants it.
    ///
    /// # Errors
    /// Trouble with the log.
    pub async fn adopt(
        &self,
        recorded: &Recorded,
        event: &RecordedEvent,
        accepted: &Accepted,
        news: &EnvelopeNews,
    ) -> Result<Option<Subject>, ExecuteError> {
        let found = Found {
            tenant: recorded.entity.tenant(),
            connection: &accepted.connection,
            event: Some(&accepted.event),
            provider_id: &news.provider_id,
            claim: &news.claim,
            correlation: &news.correlation,
        };
        self.take_up(&found, &Cause::event(&event.id, "adopt", &recorded.correlation_id)).await
    }

    /// Whether any flow takes up documents of this connection.
    pub fn wants_any(&self, connection: &ConnectionId) -> bool {
        let loaded = self.configuration.current();
        loaded.flows().iter().any(|flow| flow.envelope.adopt && flow.when.connection == *connection)
    }

    /// Whether a flow wants this document.
    pub fn wants(&self, found: &Found<'_>) -> bool {
        wanted(&self.configuration.current(), found).is_some()
    }

    /// The envelope that now stands for the document, however it was found; `None` when no flow wants it.
    ///
    /// # Errors
    /// Trouble with the log.
    pub async fn take_up(&self, found: &Found<'_>, cause: &Cause) -> Result<Option<Subject>, ExecuteError> {
        let Some(adoption) = wanted(&self.configuration.current(), found) else { return Ok(None) };
        let parts = [found.tenant.as_str(), found.connection.as_str(), found.provider_id.as_str()];
        let id = EnvelopeId::from_bytes(runtime::random::derive_id("countersign adoption", &parts));
        let subject = Subject { tenant: found.tenant.clone(), id };
        let command = Command::Adopt { adoption, at: self.store.clock().now() };
        match self.store.execute(&subject, command, cause).await {
            Ok(done) => {
                if !done.events.is_empty() {
                    tracing::info!(envelope.id = %subject.id, provider.id = %found.provider_id, "adopted");
                }
                Ok(Some(subject))
            }
            // Another replica, or another signal, was faster.
            Err(ExecuteError::Rejected(_)) => Ok(Some(subject)),
            Err(error) => Err(error),
        }
    }
}

/// The first flow that wants to follow this document, and the record it names.
///
/// A sweep stands in for whatever event was lost: any name that a flow asks for fits what it found, and is what the
/// condition sees. A flow that wants only documents of a certain status says so in its condition.
fn wanted(loaded: &Loaded, found: &Found<'_>) -> Option<Adoption> {
    let flows = loaded.flows().iter().filter(|flow| {
        let named = |event| flow.when.event == ANY_EVENT || flow.when.event == event;
        flow.envelope.adopt && flow.when.connection == *found.connection && found.event.is_none_or(named)
    });
    for flow in flows {
        match asked(loaded, flow, &context(flow, found)) {
            Ok(Some(record)) => {
                return Some(Adoption {
                    provider: found.connection.clone(),
                    provider_id: found.provider_id.clone(),
                    flow: flow.name.clone(),
                    record,
                });
            }
            Ok(None) => {}
            // Metadata that is not there is the usual case of a document that is none of ours.
            Err(error) => tracing::debug!(flow = %flow.name, %error, "a flow does not fit a document"),
        }
    }
    None
}

/// What a flow's condition and templates see of the document.
fn context(flow: &Flow, found: &Found<'_>) -> Value {
    let asked_for = Some(flow.when.event.as_str()).filter(|event| *event != ANY_EVENT);
    json!({
        "connection": found.connection.as_str(),
        "event": found.event.or(asked_for).unwrap_or(SWEPT),
        "reconciled": found.event.is_none(),
        "claim": found.claim.name(),
        "status": found.claim.name(),
        "provider_id": found.provider_id.as_str(),
        "metadata": found.correlation,
    })
}

/// Whether the flow's condition holds, and which record it names. A flow that writes needs a record.
fn asked(
    loaded: &Loaded,
    flow: &Flow,
    context: &Value,
) -> Result<Option<Option<RecordRef>>, ExpressionError> {
    if let Some(condition) = &flow.when.condition
        && !loaded.expressions().condition(condition, context)?
    {
        return Ok(None);
    }
    let Some(write) = flow.write.first() else { return Ok(Some(None)) };
    let object_id = match write.record.as_str() {
        Write::TRIGGER => return Ok(None),
        text if is_template(text) => loaded.expressions().evaluate(text, context)?.trim().to_owned(),
        text => text.to_owned(),
    };
    if object_id.is_empty() || object_id.len() > 100 {
        return Ok(None);
    }
    let object_type = write.object.clone();
    Ok(Some(Some(RecordRef { connection: write.connection.clone(), object_type, object_id })))
}
