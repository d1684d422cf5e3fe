//! What changed at a provider that lists changes: documents that differ from what we know, closed ones included, and
//! documents that nobody here knows.
//!
//! The list is walked by the time of change and not by page numbers: a document that changes meanwhile moves to the
//! end of the list, and page numbers would skip the one that takes its place. The place that is kept is the newest
//! change that was seen, in the provider's time; each run begins a little before it.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use domain::ids::{ConnectionId, EnvelopeId, TenantId};
use domain::intake::Claim;
use domain::time::Timestamp;
use jobs::{Failure, Report, Run, Work};
use providers::{Changed as Item, ENVELOPE_ID_KEY, Snapshot};
use tokio::time::Instant;

use super::asker::Asker;
use super::unread::Unread;
use super::walk::{Walk, again, pass};
use super::{JUDGED_MAX, Look, Sweeper, Trouble, failed};
use crate::adopt::Found;
use crate::alarms;
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
        let (at, mut unread) = Unread::read(run.cursor.as_deref());
        let kept = at.parse::<i64>().ok();
        let mut newest = kept.unwrap_or_else(|| before(run.started_at, tuning.changed_first_window).0);
        let since = if kept.is_some() {
            before(Timestamp(newest), tuning.changed_overlap)
        } else {
            Timestamp(newest)
        };
        let asker = self.sweeper.asker(&self.connection).map_err(|trouble| failed(&report, &trouble))?;
        again(self, &asker, &BTreeSet::new(), &mut unread, &mut report).await?;
        let stubborn = unread.names().clone();
        let mut place = Place { since, page: 1 };
        loop {
            let page = self.page(&asker, place, &mut unread, &mut report).await;
            let page = page.map_err(|trouble| failed(&report, &trouble))?;
            // What this page holds is listed again.
            if unread.overflows() {
                return Err(unread.failed(report));
            }
            newest = newest.max(page.newest.unwrap_or(newest));
            run.keep(&unread.words(&newest.to_string())).await?;
            if !page.more {
                break;
            }
            place = place.after(page.newest);
            if began.elapsed() >= tuning.sweep_run_max {
                report.more = true;
                unread.told(&mut report);
                return Ok(report);
            }
        }
        again(self, &asker, &stubborn, &mut unread, &mut report).await?;
        run.keep(&unread.words(&newest.to_string())).await?;
        unread.told(&mut report);
        Ok(report)
    }
}

/// What came of a page.
struct Seen {
    newest: Option<i64>,
    more: bool,
}

impl Changed {
    async fn page(
        &self,
        asker: &Asker,
        place: Place,
        unread: &mut Unread,
        report: &mut Report,
    ) -> Result<Seen, Trouble> {
        let listed = asker.changed_since(place.since, place.page).await?;
        self.sweeper.catch_up().await?;
        pass(self, asker, &listed.items, unread, report).await?;
        let newest = listed.items.iter().filter_map(|item| item.revision).max();
        Ok(Seen { newest, more: listed.more })
    }

    /// A document nobody here knows: one of ours whose create call never came back, or one that a flow wants.
    async fn stranger(&self, asker: &Asker, item: &Item, glance: bool) -> Result<Look, Trouble> {
        let sweeper = &self.sweeper;
        let awaited = sweeper.directory.has_nameless(&self.connection)?;
        if !awaited && !sweeper.adopter.wants_any(&self.connection) {
            return Ok(Look::Nothing);
        }
        let tenant = sweeper.tenant(&self.connection)?;
        let Some(snapshot) = asker.snapshot(&item.provider_id).await? else { return Ok(Look::Unseen) };
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
            Some(subject) => sweeper.see(asker, &subject, snapshot).await,
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
        if ours && !same {
            alarms::twin(&subject, &snapshot.provider_id);
        }
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

#[async_trait]
impl Walk for Changed {
    type Item = Item;

    fn sweeper(&self) -> &Sweeper {
        &self.sweeper
    }

    fn name(&self, item: &Item) -> String {
        item.provider_id.to_string()
    }

    /// Without a revision it is looked at whatever we know; the claim only says that it is not made just now.
    fn named(&self, name: &str) -> Option<Item> {
        Some(Item { provider_id: name.parse().ok()?, claim: Claim::Draft, revision: None })
    }

    async fn look(&self, asker: &Asker, item: &Item, glance: bool) -> Result<Look, Trouble> {
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
                        sweeper.look(asker, &subject, &item.provider_id, glance).await?
                    }
                }
            }
            None => self.stranger(asker, item, glance).await?,
        };
        match look {
            Look::Nothing | Look::Found => self.remember(item),
            Look::Suspect | Look::Unseen => {}
        }
        Ok(look)
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
