//! Hands parked deliveries over to verification, those of one connection in the order of their arrival.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contracts::parked::ParkedEvent;
use contracts::seal::{Opener, Sealer};
use contracts::wire::verification::{Delivery, Verdict};
use event_log::{
    Category, Consumer, EventLog, Expected, Handler, Outcome, ReadError, RecordedEvent, event_id,
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
            let verdict = match self.hand_over(event).await {
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
            let fact = ParkedEvent::HandedOver { verdict: verdict.as_str_name().to_lowercase(), at: now };
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
    /// `None` for an event that is not a parked delivery, or one whose key is gone.
    async fn hand_over(&self, event: &RecordedEvent) -> Result<Option<Verdict>, Stop> {
        let Some(delivery) = self.open(event).await? else { return Ok(None) };
        // Its sender was answered when it was parked: refused now, it must be kept whole.
        let delivery = Delivery { acknowledged: true, ..delivery };
        let answer =
            self.lanes.judge(delivery).await.map_err(|unreached| Stop::Later(unreached.to_string()))?;
        match answer.verdict() {
            Verdict::Overloaded | Verdict::Unavailable | Verdict::Unspecified => {
                Err(Stop::Later("verification takes nothing now".to_owned()))
            }
            verdict @ (Verdict::Accepted
            | Verdict::Duplicate
            | Verdict::Refused
            | Verdict::UnknownConnection) => Ok(Some(verdict)),
        }
    }

    /// The delivery as it came.
    async fn open(&self, event: &RecordedEvent) -> Result<Option<Delivery>, Stop> {
        let later = |error: ReadError| Stop::Later(error.to_string());
        let group = contracts::parked::group(&event.kind, event.schema, &event.payload)?;
        let Some(group) = group else { return Ok(None) };
        let key = self.log.keys().find(&group).await.map_err(later)?;
        let opener = Opener::new(key.as_ref().map(event_log::DataKey::as_bytes));
        let decoded =
            contracts::parked::decode(&event.kind, event.schema, &event.payload, &event.id, &opener);
        let ParkedEvent::Parked(parked) = decoded? else { return Ok(None) };
        let blobs = self.log.blobs();
        let get = |digest| async move {
            let blob = blobs.get(&digest).await.map_err(|error| Stop::Later(error.to_string()))?;
            blob.ok_or_else(|| Stop::Never("its blob is gone".to_owned()))
        };
        let Some(clear) = parked.delivery.reveal(&event.id, &opener, get).await? else {
            return self.erased(event);
        };
        Ok(Some(contracts::wire::decode(&clear)?))
    }

    /// Somebody erased it while it waited: there is nothing left to hand over.
    fn erased(&self, event: &RecordedEvent) -> Result<Option<Delivery>, Stop> {
        self.backlog.leave(&event.id);
        Ok(None)
    }
}
