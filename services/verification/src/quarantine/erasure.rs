//! What is settled is erased, whatever became of the process that settled it.
//!
//! That a delivery was released or given up is durable before anything of it is erased, so it is the log that says what
//! is to be erased: this follower comes back to each settlement until the key and the content are gone.

use std::time::Duration;

use async_trait::async_trait;
use event_log::{Category, Consumer, Delivery, EventLog, Handler, Outcome};

use super::entry::Entry;

/// Erased at a time: none is in a hurry, and the destructions of keys share a sync.
const AT_A_TIME: usize = 4;
/// Pause before a store that did not answer is asked again.
const PAUSE: Duration = Duration::from_secs(1);
/// Names in the log of what settles a delivery.
const SETTLEMENTS: [&str; 2] = ["intake.delivery_released", "intake.delivery_discarded"];

/// Name of the follower that erases.
pub const CONSUMER: &str = "verification-erasure";

/// The follower that erases.
pub fn consumer() -> Consumer {
    Consumer { concurrency: AT_A_TIME, ..Consumer::new(CONSUMER, Category::Intake) }
}

/// Erases what is settled.
pub struct Erasure(pub EventLog);

#[async_trait]
impl Handler for Erasure {
    async fn handle(&self, delivery: &Delivery) -> Outcome {
        let recorded = &delivery.recorded;
        if !recorded.events.iter().any(|event| SETTLEMENTS.contains(&event.kind.as_str())) {
            return Outcome::Done;
        }
        let erased = match Entry::at(&self.0, recorded.entity.clone()).await {
            Ok(entry) => entry.erase(&self.0).await,
            Err(status) => Err(status),
        };
        match erased {
            Ok(()) => Outcome::Done,
            Err(status) if status.code() == tonic::Code::Unavailable => {
                Outcome::Retry { pause: PAUSE, reason: status.message().to_owned() }
            }
            Err(status) => Outcome::GiveUp { reason: status.message().to_owned() },
        }
    }
}
