//! What changed at a provider that lists changes: documents that differ from what we know, closed ones included, and
//! documents that nobody here knows.
//!
//! The list is walked by the time of change and not by page numbers: a document that changes meanwhile moves to the
//! end of the list, and page numbers would skip the one that takes its place. The place that is kept is the newest
//! change that was seen, in the provider's time; each run begins a little before it.

use std::sync::Arc;

use async_trait::async_trait;
use domain::ids::{ConnectionId, EnvelopeId, TenantId};
use domain::intake::Claim;
use domain::time::Timestamp;
use futures::StreamExt as _;
use jobs::{Failure, Report, Run, Work};
use providers::{Changed as Item, ENVELOPE_ID_KEY, Provider, Snapshot};
use tokio::time::Instant;

use super::{JUDGED_MAX, Look, Sweeper, Trouble, ask, count, failed};
use crate::adopt::Found;
use crate::store::{Cause, Subject};

/// The sweep of one connection.
pub struct Changed {
    pub(super) sweeper: Arc<Sweeper>,
    pub(super) connection: ConnectionId,
}

/// A place in the list: changes at or after this time, from this page on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    since: Timestamp,
    page: u32,
}

impl Place {
    /// The place after a full page whose last entry changed at `newest`: at that time again, unless the page did not
    /// get beyond where it began.
    fn after(self, newest: Option<i64>) -> Place {
        match newest {
            Some(newest) if newest > self.since.0 => Place { since: Timestamp(newest), page: 1 },
            Some(_) | None => Place { page: self.page.saturating_add(1), ..self },
        }
    }
}

#[async_trait]
impl Work for Changed {
    async fn run(&self, run: &Run) -> Result<Report, Failure> {
        let (began, tuning) = (Instant::now(), &self.sweeper.tuning);
        let mut report = Report::default();
        let kept = run.cursor.as_deref().and_then(|text| text.parse::<i64>().ok());
        let mut newest = kept.unwrap_or_else(|| before(run.started_at, tuning.changed_first_window).0);
        let since = if kept.is_some() {
            before(Timestamp(newest), tuning.changed_overlap)
        } else {
            Timestamp(newest)
        };
        let mut place = Place { since, page: 1 };
        loop {
            let (last, more) = match self.page(place, &mut report).await {
                Ok(done) => done,
                Err(trouble) => return Err(failed(report, &trouble)),
            };
            newest = newest.max(last.unwrap_or(newest));
            run.keep(&newest.to_string()).await?;
            if !more {
                return Ok(report);
            }
            place = place.after(last);
            if began.elapsed() >= tuning.sweep_run_max {
                report.more = true;
                return Ok(report);
            }
        }
    }
}

impl Changed {
    /// Looks at one page; the newest change on it, and whether there is another.
    async fn page(&self, place: Place, report: &mut Report) -> Result<(Option<i64>, bool), Trouble> {
        let sweeper = &self.sweeper;
        let provider = sweeper.provider(&self.connection)?;
        let listed = provider.changed_since(place.since, place.page).await?;
        sweeper.catch_up().await?;
        let mut suspects = Vec::new();
        for (item, look) in listed.items.iter().zip(self.all(provider.as_ref(), &listed.items, true).await) {
            match look? {
                Look::Suspect => suspects.push(item.clone()),
                look @ (Look::Nothing | Look::Found | Look::Unseen) => count(report, look),
            }
        }
        if !suspects.is_empty() {
            sweeper.grace().await;
            sweeper.catch_up().await?;
            for look in self.all(provider.as_ref(), &suspects, false).await {
                count(report, look?);
            }
        }
        Ok((listed.items.iter().filter_map(|item| item.revision).max(), listed.more))
    }

    async fn all(&self, provider: &dyn Provider, items: &[Item], glance: bool) -> Vec<Result<Look, Trouble>> {
        let looks: Vec<_> = items.iter().map(|item| self.one(provider, item, glance)).collect();
        futures::stream::iter(looks).buffered(self.sweeper.tuning.sweep_concurrency).collect().await
    }

    async fn one(&self, provider: &dyn Provider, item: &Item, glance: bool) -> Result<Look, Trouble> {
        let sweeper = &self.sweeper;
        // It is made just now: there is nothing to see yet, and it will change once more.
        if item.claim == Claim::Processing || self.is_judged(item) {
            return Ok(Look::Nothing);
        }
        let look = match sweeper.directory.by_provider_id(&self.connection, &item.provider_id)? {
            Some(subject) => {
                let known = sweeper.store.load_sealed(&subject).await?.envelope.revision;
                match (known, item.revision) {
                    (Some(known), Some(listed)) if known >= listed => Look::Nothing,
                    (Some(_) | None, Some(_) | None) => {
                        sweeper.look(provider, &subject, &item.provider_id, glance).await?
                    }
                }
            }
            None => self.stranger(provider, item, glance).await?,
        };
        match look {
            Look::Nothing | Look::Found => self.remember(item),
            Look::Suspect | Look::Unseen => {}
        }
        Ok(look)
    }

    /// A document nobody here knows: one of ours whose create call never came back, or one that a flow wants.
    async fn stranger(&self, provider: &dyn Provider, item: &Item, glance: bool) -> Result<Look, Trouble> {
        let sweeper = &self.sweeper;
        let awaited = sweeper.directory.has_nameless(&self.connection)?;
        if !awaited && !sweeper.adopter.wants_any(&self.connection) {
            return Ok(Look::Nothing);
        }
        let Some(tenant) = self.tenant() else { return Err(Trouble::NotConfigured) };
        let Some(snapshot) = ask(provider, &item.provider_id).await? else { return Ok(Look::Unseen) };
        if snapshot.claim == Claim::Processing {
            return Ok(Look::Unseen);
        }
        let named = snapshot.correlation.get(ENVELOPE_ID_KEY).and_then(|text| text.parse().ok());
        let subject = match named {
            Some(id) => self.ours(tenant, id, &snapshot).await?,
            None if glance => {
                let wanted = sweeper.adopter.wants(&self.found(&tenant, &snapshot));
                return Ok(if wanted { Look::Suspect } else { Look::Nothing });
            }
            None => self.adopted(&tenant, &snapshot).await?,
        };
        match subject {
            Some(_) if glance => Ok(Look::Suspect),
            Some(subject) => sweeper.see(provider, &subject, snapshot).await,
            None => Ok(Look::Nothing),
        }
    }

    /// The envelope whose id the document carries, if it waits for one.
    async fn ours(
        &self,
        tenant: TenantId,
        id: EnvelopeId,
        snapshot: &Snapshot,
    ) -> Result<Option<Subject>, Trouble> {
        let subject = Subject { tenant, id };
        let envelope = self.sweeper.store.load_sealed(&subject).await?.envelope;
        let ours = envelope.provider() == Some(&self.connection);
        let same = envelope.provider_id.as_ref().is_none_or(|known| *known == snapshot.provider_id);
        Ok((ours && same).then_some(subject))
    }

    fn found<'a>(&'a self, tenant: &'a TenantId, snapshot: &'a Snapshot) -> Found<'a> {
        Found {
            tenant,
            connection: &self.connection,
            event: None,
            provider_id: &snapshot.provider_id,
            claim: &snapshot.claim,
            correlation: &snapshot.correlation,
        }
    }

    async fn adopted(&self, tenant: &TenantId, snapshot: &Snapshot) -> Result<Option<Subject>, Trouble> {
        let correlation_id = format!("sweep-{}", hex::encode(runtime::random::new_id()));
        let cause = Cause::fresh(&correlation_id);
        Ok(self.sweeper.adopter.take_up(&self.found(tenant, snapshot), &cause).await?)
    }

    fn tenant(&self) -> Option<TenantId> {
        let loaded = self.sweeper.configuration.current();
        Some(loaded.configuration().connections.get(&self.connection)?.tenant.clone())
    }

    fn is_judged(&self, item: &Item) -> bool {
        let key = (self.connection.clone(), item.provider_id.clone());
        item.revision.is_some_and(|listed| {
            self.sweeper.judged.lock().get(&key).is_some_and(|judged| *judged >= listed)
        })
    }

    fn remember(&self, item: &Item) {
        let Some(revision) = item.revision else { return };
        let mut judged = self.sweeper.judged.lock();
        if judged.len() >= JUDGED_MAX {
            judged.clear();
        }
        judged.insert((self.connection.clone(), item.provider_id.clone()), revision);
    }
}

fn before(at: Timestamp, by: std::time::Duration) -> Timestamp {
    Timestamp(at.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_walked_by_time_and_by_page_only_where_time_stands_still() {
        let place = Place { since: Timestamp(100), page: 1 };
        assert_eq!(place.after(Some(140)), Place { since: Timestamp(140), page: 1 });
        let still = place.after(Some(100));
        assert_eq!(still, Place { since: Timestamp(100), page: 2 });
        assert_eq!(still.after(Some(101)), Place { since: Timestamp(101), page: 1 });
        assert_eq!(place.after(None).page, 2);
    }
}
