//! Dead letters: listed, tried once more, let go.

use contracts::wire::common as wire;
use event_log::{DeadLetter, EventLog, Position};
use runtime::grpc::status::bad_field;
use tonic::Status;

use crate::{check_request_id, page, unavailable};

/// Longest reason, in bytes.
const REASON_BYTES_MAX: usize = 200;

/// What the followers of one service gave up. Cheap to clone.
#[derive(Clone)]
pub struct DeadLetters {
    log: EventLog,
    consumers: &'static [&'static str],
}

/// A checked wish to let a dead letter go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discard {
    /// The follower that gave up.
    pub consumer: &'static str,
    /// Where the commit lies in the follower's category.
    pub position: Position,
    reason: String,
}

impl DeadLetters {
    /// Those of these followers.
    pub const fn new(log: EventLog, consumers: &'static [&'static str]) -> Self {
        Self { log, consumers }
    }

    /// One page, oldest first, and the token of the next.
    ///
    /// # Errors
    /// `InvalidArgument` for a token that is none, `Unavailable` when the store does not answer.
    pub async fn list(&self, size: u32, token: &str) -> Result<(Vec<wire::DeadLetter>, String), Status> {
        let mut all = Vec::new();
        for consumer in self.consumers {
            all.extend(self.log.dead_letters(consumer).await.map_err(unavailable)?);
        }
        all.sort_by_key(|letter| letter.given_up_at);
        let (shown, next) = page(&all, size, token)?;
        Ok((shown.iter().map(told).collect(), next))
    }

    /// Has one tried once more. `false` when there is no such dead letter.
    ///
    /// # Errors
    /// `InvalidArgument` for a malformed request id or an unknown follower, `Unavailable` when the store does not answer.
    pub async fn retry(&self, request_id: &str, consumer: &str, position: u64) -> Result<bool, Status> {
        check_request_id(request_id)?;
        let consumer = self.known(consumer)?;
        self.log.retry_dead_letter(consumer, Position(position)).await.map_err(unavailable)
    }

    /// Checks a wish to let one go; nothing is done yet.
    ///
    /// # Errors
    /// `InvalidArgument` for a malformed request id, an unknown follower, or a reason that is none or too long.
    pub fn discardable(
        &self,
        request_id: &str,
        consumer: &str,
        position: u64,
        reason: &str,
    ) -> Result<Discard, Status> {
        check_request_id(request_id)?;
        let consumer = self.known(consumer)?;
        let reason = reason.trim();
        if reason.is_empty() || reason.len() > REASON_BYTES_MAX {
            return Err(bad_field("reason", "give 1 to 200 bytes, without personal data"));
        }
        Ok(Discard { consumer, position: Position(position), reason: reason.to_owned() })
    }

    /// Lets it go. `false` when there is no such dead letter.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer.
    pub async fn discard(&self, discard: &Discard) -> Result<bool, Status> {
        let Discard { consumer, position, reason } = discard;
        let found = self.log.discard_dead_letter(consumer, *position).await.map_err(unavailable)?;
        tracing::info!(consumer, position = position.0, reason, found, "dead letter discarded");
        Ok(found)
    }

    fn known(&self, consumer: &str) -> Result<&'static str, Status> {
        self.consumers
            .iter()
            .copied()
            .find(|known| *known == consumer)
            .ok_or_else(|| bad_field("consumer", format!("unknown; known are {}", self.consumers.join(", "))))
    }
}

fn told(letter: &DeadLetter) -> wire::DeadLetter {
    wire::DeadLetter {
        consumer: letter.consumer.clone(),
        position: letter.position.0,
        entity: letter.entity.to_string(),
        reason: letter.reason.clone(),
        attempts: letter.attempts,
        at_ms: letter.given_up_at.0,
    }
}
