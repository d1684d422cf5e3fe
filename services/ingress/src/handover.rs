//! Hands parked deliveries over to verification, those of one connection in the order of their arrival.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contracts::parked::{ERASED, ParkedEvent};
use contracts::seal::{Opener, Sealer};
use contracts::wire::verification::{Delivery, ParkedAs, Verdict};
use event_log::{
    Category, Consumer, Entity, EventLog, Expected, Handler, Outcome, ReadError, RecordedEvent, event_id,
};
use runtime::clock::Clock;
use tokio_util::sync::CancellationToken;

use crate::backlog::{Backlog, handing_over};
use crate::lanes::Lanes;
use crate::parking::commit;

/// Name of the follower that hands over.
pub const CONSUMER: &str = "ingress-handover";

/// Hands over.
pub struct Handover {
    pub log: EventLog,
    pub clock: Clock,
    pub lanes: Lanes,
    pub backlog: Arc<Backlog>,
    /// Pause before verification is asked again.
    pub pause: Duration,
}

/// Why a parked delivery was not handed over.
enum Stop {
    Later(String),
    Never(String),
}

/// What an event of the category turns out to be.
enum Opened {
    /// A delivery that waits.
    Delivery(Box<Delivery>),
    /// One that somebody erased while it waited.
    Erased,
    /// No delivery.
    Other,
}

impl From<contracts::DecodeError> for Stop {
    fn from(error: contracts::DecodeError) -> Self {
        Stop::Never(error.to_string())
    }
}

impl Handover {
    /// Works until shutdown.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), ReadError> {
        let log = self.log.clone();
        log.follow(Consumer::new(CONSUMER, Category::Parked), Arc::new(self), shutdown).await
    }
}

#[async_trait]
impl Handler for Handover {
    async fn handle(&self, delivery: &event_log::Delivery) -> Outcome {
        let recorded = &delivery.recorded;
        for event in &recorded.events {
            let verdict = match self.hand_over(event, &recorded.entity).await {
                Ok(Some(verdict)) => verdict,
                Ok(None) => continue,
                Err(Stop::Later(reason)) => return Outcome::Retry { pause: self.pause, reason },
                Err(Stop::Never(reason)) => {
                    self.backlog.leave(&event.id);
                    return Outcome::GiveUp { reason };
                }
            };
            let command = handing_over(&event.id);
            let id = event_id(&command, 0);
            let now = self.clock.now();
            let fact = ParkedEvent::HandedOver { verdict, at: now };
            // Nothing in this fact is sealed, so no key is needed.
            let commit = commit(command, &id, &fact, &Sealer::new(&[0; 32]), now, recorded.trace.clone());
            if let Err(error) = self.log.append(&recorded.entity, Expected::Any, commit).await {
                return Outcome::Retry { pause: self.pause, reason: error.to_string() };
            }
        }
        Outcome::Done
    }
}

impl Handover {
    /// The name of the verdict; `None` for an event that is not a parked delivery.
    async fn hand_over(&self, event: &RecordedEvent, entity: &Entity) -> Result<Option<String>, Stop> {
        let delivery = match self.open(event).await? {
            Opened::Delivery(delivery) => delivery,
            // Nothing is left to hand over, and it waits no more: that is said too, so that the ledger adds up.
            Opened::Erased => return Ok(Some(ERASED.to_owned())),
            Opened::Other => return Ok(None),
        };
        // Its sender was answered when it was parked: refused now, it must be kept whole.
        let parked = ParkedAs { id: event.id.to_string(), tenant: entity.tenant().to_string() };
        let delivery = Delivery { acknowledged: true, parked: Some(parked), ..*delivery };
        let answer =
            self.lanes.judge(delivery).await.map_err(|unreached| Stop::Later(unreached.to_string()))?;
        match answer.verdict() {
            Verdict::Overloaded | Verdict::Unavailable | Verdict::Unspecified => {
                Err(Stop::Later("verification takes nothing now".to_owned()))
            }
            // Only an older verification says so, and it keeps nothing of it.
            Verdict::UnknownConnection => {
                Err(Stop::Later("verification does not keep it: it does not know the connection".to_owned()))
            }
            verdict @ (Verdict::Accepted | Verdict::Duplicate | Verdict::Refused) => {
                Ok(Some(verdict.as_str_name().to_lowercase()))
            }
        }
    }

    /// The delivery as it came.
    async fn open(&self, event: &RecordedEvent) -> Result<Opened, Stop> {
        let later = |error: ReadError| Stop::Later(error.to_string());
        let group = contracts::parked::group(&event.kind, event.schema, &event.payload)?;
        let Some(group) = group else { return Ok(Opened::Other) };
        let key = self.log.keys().find(&group).await.map_err(later)?;
        let opener = Opener::new(key.as_ref().map(event_log::DataKey::as_bytes));
        let decoded =
            contracts::parked::decode(&event.kind, event.schema, &event.payload, &event.id, &opener);
        let ParkedEvent::Parked(parked) = decoded? else { return Ok(Opened::Other) };
        let blobs = self.log.blobs();
        let get = |digest| async move {
            let blob = blobs.get(&digest).await.map_err(|error| Stop::Later(error.to_string()))?;
            blob.ok_or_else(|| Stop::Never("its blob is gone".to_owned()))
        };
        Ok(match parked.delivery.reveal(&event.id, &opener, get).await? {
            Some(clear) => Opened::Delivery(Box::new(contracts::wire::decode(&clear)?)),
            None => Opened::Erased,
        })
    }
}
