//! Taking up a document that somebody made at the provider without us, where a flow says so.

use contracts::intake::Accepted;
use domain::envelope::{Adoption, Command};
use domain::ids::EnvelopeId;
use domain::intake::{EnvelopeNews, RecordRef};
use event_log::{Recorded, RecordedEvent};
use runtime::config::{Flow, Loaded, SharedConfiguration, Write};
use runtime::expressions::{ExpressionError, is_template};
use serde_json::{Value, json};

use crate::store::{Cause, ExecuteError, Store, Subject};

/// An event name in a flow that means every event.
const ANY_EVENT: &str = "*";

/// Takes up what flows want to follow.
pub struct Adopter {
    pub(crate) store: Store,
    pub(crate) configuration: SharedConfiguration,
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
        let Some(adoption) = wanted(&self.configuration.current(), accepted, news) else { return Ok(None) };
        let tenant = recorded.entity.tenant().clone();
        let parts = [tenant.as_str(), accepted.connection.as_str(), news.provider_id.as_str()];
        let id = EnvelopeId::from_bytes(runtime::random::derive_id("countersign adoption", &parts));
        let subject = Subject { tenant, id };
        let cause = Cause::event(&event.id, "adopt", &recorded.correlation_id);
        let command = Command::Adopt { adoption, at: self.store.clock().now() };
        match self.store.execute(&subject, command, &cause).await {
            Ok(done) => {
                if !done.events.is_empty() {
                    tracing::info!(envelope.id = %subject.id, provider.id = %news.provider_id, "adopted");
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
fn wanted(loaded: &Loaded, accepted: &Accepted, news: &EnvelopeNews) -> Option<Adoption> {
    let context = json!({
        "connection": accepted.connection.as_str(),
        "event": accepted.event,
        "claim": news.claim.name(),
        "status": news.claim.name(),
        "provider_id": news.provider_id.as_str(),
        "metadata": news.correlation,
    });
    let flows = loaded.flows().iter().filter(|flow| {
        let named = flow.when.event == ANY_EVENT || flow.when.event == accepted.event;
        flow.envelope.adopt && flow.when.connection == accepted.connection && named
    });
    for flow in flows {
        match asked(loaded, flow, &context) {
            Ok(Some(record)) => {
                return Some(Adoption {
                    provider: accepted.connection.clone(),
                    provider_id: news.provider_id.clone(),
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
