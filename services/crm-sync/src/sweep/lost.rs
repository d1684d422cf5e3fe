//! What to think of a change that a sweep came upon.

use contracts::intake::Accepted;
use contracts::wire::envelope::Envelope;
use domain::ids::ConnectionId;
use domain::intake::{Meaning, RecordChange};
use domain::sync::SyncEvent;
use jobs::Failure;

use crate::fate::Fate;
use crate::fit::{ANSWERED_AFTER_MS, Fit, ended_without_contract, found_at};
use crate::stop::Stop;
use crate::story::Story;
use crate::trigger::Triggers;

/// Whether two tell of one occurrence: a property of a record changes once at a time.
pub fn same(one: &RecordChange, other: &RecordChange) -> bool {
    one.changed_at == other.changed_at
        && one.object_type == other.object_type
        && one.object_id == other.object_id
        && one.property == other.property
}

impl Triggers {
    /// The changes that webhooks told over this connection and that nothing came of yet: they are tried again, or wait
    /// for a person. Without their values. One that lies too far back in the queue to be seen may be taken up as
    /// lost; by its story and its key it still makes one envelope.
    pub(crate) async fn told(&self, connection: &ConnectionId) -> Result<Vec<RecordChange>, Failure> {
        let unsettled = self.desk.unsettled().await.map_err(Failure::new)?;
        let ours = unsettled.into_iter().filter(|told| told.connection == *connection);
        let change = |told: Accepted| match told.meaning {
            Meaning::Record(change) => Some(change),
            Meaning::Envelope(_) | Meaning::Nothing(_) => None,
        };
        Ok(ours.filter_map(change).collect())
    }

    /// Whether nobody has dealt with this change: it fits, no story tells of it, and no envelope answers it.
    pub(crate) async fn is_lost(&self, fit: &Fit<'_>) -> Result<bool, Stop> {
        if !fit.may_trigger() || !fit.holds()? {
            return Ok(false);
        }
        if Fate::of_story(&self.story(fit).await?.events).is_some() {
            return Ok(false);
        }
        let envelopes = self.envelopes(fit).await?;
        let answered_from = fit.change.changed_at.0.saturating_sub(ANSWERED_AFTER_MS);
        let answers = |envelope: &Envelope| {
            !ended_without_contract(envelope.stage()) || envelope.requested_at_ms > answered_from
        };
        Ok(!envelopes.iter().any(answers) && !self.is_our_echo(fit, &envelopes).await?)
    }

    /// Whether the story of this change tells that it was found, and led to an envelope.
    pub(crate) async fn is_reconciled(&self, fit: &Fit<'_>) -> Result<bool, Stop> {
        let story = self.story(fit).await?;
        Ok(found_at(&story).is_some() && Fate::of_story(&story.events) == Some(Fate::Taken))
    }

    /// Says that nobody told of the change, before anything is done about it.
    pub(crate) async fn find(&self, fit: &Fit<'_>, story: &mut Story) -> Result<(), Stop> {
        let (record, flow, at) = (fit.record.clone(), fit.flow.name.clone(), self.clock.now());
        let fact = SyncEvent::TriggerFound { record, flow, changed_at: fit.change.changed_at, at };
        self.stories.tell(story, fact, at, &fit.cause).await?;
        tracing::info!(flow = %fit.flow.name, "reconciled: no webhook had told of a trigger");
        Ok(())
    }
}
