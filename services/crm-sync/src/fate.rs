//! What became of a change of a record: told in the log once every flow has looked at it.

use contracts::intake::Accepted;
use contracts::ledger::Settlement;
use domain::intake::Meaning;
use domain::sync::{SyncEvent, TriggerIgnored};
use domain::time::Timestamp;
use event_log::{Delivery, RecordedEvent};
use ledger::{Settler, Signal};

use crate::stop::Stop;

/// What became of a change, as far as one flow or none is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// The connection is not in the configuration.
    NotConfigured,
    /// No flow waits for it.
    NoFlow,
    /// A flow waits for such a change, but its condition does not hold.
    ConditionFalse,
    /// A flow fits, and did not act.
    Ignored(TriggerIgnored),
    /// It asked for an envelope.
    Taken,
}

impl Fate {
    /// The fate that the story of a trigger tells, if it tells one.
    pub fn of_story(events: &[SyncEvent]) -> Option<Fate> {
        events.iter().find_map(|event| match event {
            SyncEvent::TriggerTaken { .. } => Some(Fate::Taken),
            SyncEvent::TriggerIgnored { reason, .. } => Some(Fate::Ignored(*reason)),
            SyncEvent::TriggerFound { .. }
            | SyncEvent::Planned { .. }
            | SyncEvent::Applied { .. }
            | SyncEvent::LinkSeen { .. }
            | SyncEvent::Skipped { .. }
            | SyncEvent::Failed { .. }
            | SyncEvent::DeadLettered { .. }
            | SyncEvent::Orphaned { .. } => None,
        })
    }

    const fn settlement(self) -> (Settlement, &'static str) {
        match self {
            Fate::NotConfigured => (Settlement::Ignored, "not_configured"),
            Fate::NoFlow => (Settlement::Ignored, "no_flow"),
            Fate::ConditionFalse => (Settlement::Ignored, "condition_false"),
            Fate::Ignored(reason @ (TriggerIgnored::InputMissing | TriggerIgnored::RecordGone)) => {
                (Settlement::Refused, reason.code())
            }
            Fate::Ignored(
                reason @ (TriggerIgnored::Echo
                | TriggerIgnored::Actor
                | TriggerIgnored::Overtaken
                | TriggerIgnored::AlreadyTaken
                | TriggerIgnored::Discarded),
            ) => (Settlement::Ignored, reason.code()),
            Fate::Taken => (Settlement::Applied, ""),
        }
    }
}

/// The signals that crm-sync settles: every change of a record.
pub fn settles(meaning: &Meaning) -> bool {
    matches!(meaning, Meaning::Record(_))
}

/// Says in the log what became of a change.
pub async fn tell(
    settler: &Settler,
    delivery: &Delivery,
    event: &RecordedEvent,
    accepted: &Accepted,
    fate: Fate,
    at: Timestamp,
) -> Result<(), Stop> {
    let signal = Signal {
        tenant: delivery.recorded.entity.tenant(),
        event: &event.id,
        connection: &accepted.connection,
        received_at: accepted.received_at,
        correlation_id: &delivery.recorded.correlation_id,
    };
    let (settlement, reason) = fate.settlement();
    Ok(settler.settle(&signal, settlement, reason, at).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_flows_the_one_that_did_most_is_told() {
        let fates = [Fate::ConditionFalse, Fate::Taken, Fate::Ignored(TriggerIgnored::Echo)];
        assert_eq!(fates.into_iter().max(), Some(Fate::Taken));
        assert_eq!(Fate::NoFlow.max(Fate::ConditionFalse), Fate::ConditionFalse);
    }
}
