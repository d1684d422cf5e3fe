//! Signals that came before anybody knew their envelope: looked at again until it is known, and after a while looked
//! up at the provider.
//!
//! What waits stands in the log, so it survives a restart and holds nobody up. One task looks through it: as soon as
//! the envelope is known, or no create call is under way any more, the signal is judged like any other. After the
//! window the provider is asked; its answer settles the signal, and what is still nobody's is an alert. Several
//! replicas may do the same: what they say is said once.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use contracts::ledger::Settlement;
use domain::ids::ConnectionId;
use domain::time::Timestamp;
use event_log::{Category, Entity};
use futures::StreamExt as _;
use ledger::{DeskError, Settler};
use parking_lot::Mutex;
use providers::Class;
use tokio_util::sync::CancellationToken;

use crate::directory::{DirectoryError, Waiting};
use crate::matching::{Brought, Fate, Matcher, Trouble};
use crate::signals::settle;

/// Signals that are looked at once.
const AT_ONCE: usize = 8;

/// Looks at what waits.
pub struct Early {
    pub(crate) matcher: Arc<Matcher>,
    pub(crate) settler: Settler,
    /// How many wait, for the follower.
    pub(crate) count: Arc<AtomicUsize>,
    /// When the provider may be asked again, by entity.
    pub(crate) not_before: Mutex<HashMap<String, Timestamp>>,
}

impl Early {
    /// Looks again and again until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let pause = self.matcher.tuning.early_arrival_pause;
        while shutdown.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
            if let Err(error) = self.look().await {
                tracing::debug!(%error, "the view of early arrivals does not answer");
            }
        }
    }

    async fn look(&self) -> Result<(), DirectoryError> {
        let waiting = self.matcher.directory.early(self.matcher.tuning.early_arrivals_max)?;
        self.show(&waiting);
        let mut under_way = HashMap::<ConnectionId, bool>::new();
        let mut due = Vec::new();
        for one in waiting {
            let parked = &one.parked;
            let create = match under_way.get(&parked.connection) {
                Some(known) => *known,
                None => {
                    let known = self.matcher.directory.has_nameless(&parked.connection)?;
                    under_way.insert(parked.connection.clone(), known);
                    known
                }
            };
            let known = self.matcher.directory.by_provider_id(&parked.connection, &parked.provider_id)?;
            if known.is_some() || parked.named || !create || self.is_overdue(&one) {
                due.push(one);
            }
        }
        let looks = futures::stream::iter(due).map(|one: Waiting| async move {
            if let Err(trouble) = self.settle(&one).await {
                tracing::warn!(connection = %one.parked.connection, %trouble, "an early arrival still waits");
            }
        });
        looks.buffer_unordered(AT_ONCE).collect::<()>().await;
        Ok(())
    }

    fn show(&self, waiting: &[Waiting]) {
        self.count.store(waiting.len(), Ordering::Relaxed);
        let now = self.matcher.store.clock().now();
        let oldest = waiting.iter().map(|one| now.since(one.parked.at)).max().unwrap_or_default();
        metrics::gauge!("orchestrator_early_arrivals").set(u32::try_from(waiting.len()).unwrap_or(u32::MAX));
        metrics::gauge!("orchestrator_early_oldest_seconds").set(oldest.as_secs_f64());
        self.not_before.lock().retain(|entity, _| waiting.iter().any(|one| one.entity == *entity));
    }

    fn is_overdue(&self, one: &Waiting) -> bool {
        self.matcher.store.clock().now().since(one.parked.at) >= self.matcher.tuning.early_arrival_window
    }

    async fn settle(&self, one: &Waiting) -> Result<(), Trouble> {
        let entity = Entity::new(Category::Intake, &one.tenant, one.parked.intake_entity.clone());
        let entity = entity.map_err(DeskError::from)?;
        let Some(recorded) = self.settler.commit_at(&entity, one.parked.intake_position).await? else {
            return Ok(());
        };
        for event in &recorded.events {
            let Some(brought) = self.matcher.open(&recorded, event).await? else { continue };
            let mut fate = self.matcher.judge(&brought).await?;
            if matches!(fate, Fate::Early { .. }) && self.is_overdue(one) {
                fate = self.ask(one, &brought).await?;
            }
            settle(&self.matcher, &self.settler, &brought, fate).await?;
        }
        Ok(())
    }

    /// Asks the provider what the document is.
    async fn ask(&self, one: &Waiting, brought: &Brought<'_>) -> Result<Fate, Trouble> {
        let waits = Fate::Early { named: one.parked.named };
        let now = self.matcher.store.clock().now();
        if self.not_before.lock().get(&one.entity).is_some_and(|at| now < *at) {
            return Ok(waits);
        }
        let connection = &one.parked.connection;
        let Some(provider) = (self.matcher.providers)(connection) else {
            return Ok(unmatched(connection, "not_configured"));
        };
        match provider.snapshot(&one.parked.provider_id).await {
            Ok(snapshot) => match self.matcher.judge_late(brought, snapshot).await? {
                Fate::Settled(Settlement::Unmatched, reason) => Ok(unmatched(connection, reason)),
                fate @ (Fate::Settled(..) | Fate::Early { .. }) => Ok(fate),
            },
            Err(error) => match error.class {
                Class::NotFound => Ok(unmatched(connection, "gone")),
                // Asked again it would say the same; what we may not see was not made with our key.
                Class::Forbidden | Class::InvalidRequest | Class::TooLarge => {
                    Ok(unmatched(connection, "not_shown"))
                }
                Class::Unauthorized
                | Class::QuotaExhausted
                | Class::NotReady
                | Class::Locked
                | Class::Conflict
                | Class::RateLimited
                | Class::OutcomeUnknown
                | Class::Transient => {
                    tracing::warn!(%connection, %error, "an early arrival could not be looked up");
                    let again = now.after(self.matcher.tuning.early_lookup_pause);
                    self.not_before.lock().insert(one.entity.clone(), again);
                    Ok(waits)
                }
            },
        }
    }
}

/// The end of waiting that somebody should look at.
fn unmatched(connection: &ConnectionId, reason: &'static str) -> Fate {
    tracing::warn!(%connection, reason, "CS-ORCH-006: a signal waited for an envelope that never came to be known");
    metrics::counter!("orchestrator_early_unmatched_total", "connection" => connection.to_string(), "reason" => reason)
        .increment(1);
    Fate::Settled(Settlement::Unmatched, reason)
}
