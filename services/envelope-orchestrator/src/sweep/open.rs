//! Every open envelope, one GET each: what a provider that lists nothing can be asked.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use domain::ids::{ConnectionId, EnvelopeId};
use futures::StreamExt as _;
use jobs::{Failure, Report, Run, Work};
use tokio::time::Instant;

use super::asker::Asker;
use super::unread::{AGAIN_AT_ONCE, Unread};
use super::{Look, Sweeper, Trouble, failed};
use crate::store::Subject;

/// Envelopes between two places that are kept.
const PAGE: usize = 50;

/// The sweep of one connection.
pub struct Open {
    pub(super) sweeper: Arc<Sweeper>,
    pub(super) connection: ConnectionId,
}

#[async_trait]
impl Work for Open {
    async fn run(&self, run: &Run) -> Result<Report, Failure> {
        let began = Instant::now();
        let mut report = Report::default();
        let (at, mut unread) = Unread::read(run.cursor.as_deref());
        let mut after: Option<EnvelopeId> = at.parse().ok();
        let asker = self.sweeper.asker(&self.connection).map_err(|trouble| failed(&report, &trouble))?;
        match after {
            // Everything is asked for anyway.
            None => unread = Unread::default(),
            Some(_) => self.again(&asker, &BTreeSet::new(), &mut unread, &mut report).await?,
        }
        let stubborn = unread.names().clone();
        loop {
            let page = self.page(after).await.map_err(|trouble| failed(&report, &trouble))?;
            let Some(last) = page.last() else { break };
            let read = self.pass(&asker, &page, &mut unread, &mut report).await;
            let read = read.map_err(|trouble| failed(&report, &trouble))?;
            after = Some(last.id);
            // Also past a page of which nothing could be read: else what comes after it would never be asked for.
            run.keep(&unread.words(&last.id.to_string())).await?;
            if !read {
                return Err(unread.failed(report));
            }
            if began.elapsed() >= self.sweeper.tuning.sweep_run_max {
                report.more = true;
                unread.told(&mut report);
                return Ok(report);
            }
        }
        self.again(&asker, &stubborn, &mut unread, &mut report).await?;
        // The next sweep begins at the beginning.
        run.keep("").await?;
        if report.looked == 0 && !unread.names().is_empty() {
            return Err(unread.failed(report));
        }
        if unread.unseen() > 0 {
            report.note = format!("{} not shown by the provider now", unread.unseen());
        }
        unread.told(&mut report);
        Ok(report)
    }
}

impl Open {
    async fn page(&self, after: Option<EnvelopeId>) -> Result<Vec<Subject>, Trouble> {
        if after.is_none() {
            self.sweeper.catch_up().await?;
        }
        Ok(self.sweeper.directory.open_of(&self.connection, after, PAGE)?)
    }

    /// Asks again for what could not be read, but for these.
    async fn again(
        &self,
        asker: &Asker,
        but: &BTreeSet<String>,
        unread: &mut Unread,
        report: &mut Report,
    ) -> Result<(), Failure> {
        let tenant = self.sweeper.tenant(&self.connection).map_err(|trouble| failed(report, &trouble))?;
        let subject = |name: &String| Some(Subject { tenant: tenant.clone(), id: name.parse().ok()? });
        let subjects: Vec<Subject> = unread.names_but(but).iter().filter_map(subject).collect();
        for some in subjects.chunks(AGAIN_AT_ONCE) {
            let read = self.pass(asker, some, unread, report).await;
            if !read.map_err(|trouble| failed(report, &trouble))? {
                break;
            }
        }
        Ok(())
    }

    /// Looks at these, and once more at those that differ. Says whether anything could be read.
    async fn pass(
        &self,
        asker: &Asker,
        page: &[Subject],
        unread: &mut Unread,
        report: &mut Report,
    ) -> Result<bool, Trouble> {
        let (mut suspects, mut looks) = (Vec::new(), Vec::new());
        for (subject, look) in page.iter().zip(self.all(asker, page, true).await) {
            match look {
                Ok(Look::Suspect) => suspects.push(subject.clone()),
                look => looks.push((subject.id.to_string(), look)),
            }
        }
        let read = unread.take(report, looks)?;
        if suspects.is_empty() {
            return Ok(read);
        }
        self.sweeper.grace().await;
        let looks = self.all(asker, &suspects, false).await;
        unread.take(report, suspects.iter().map(|subject| subject.id.to_string()).zip(looks))?;
        Ok(true)
    }

    async fn all(&self, asker: &Asker, page: &[Subject], glance: bool) -> Vec<Result<Look, Trouble>> {
        let looks: Vec<_> = page.iter().map(|subject| self.one(asker, subject, glance)).collect();
        futures::stream::iter(looks).buffered(self.sweeper.tuning.sweep_concurrency).collect().await
    }

    async fn one(&self, asker: &Asker, subject: &Subject, glance: bool) -> Result<Look, Trouble> {
        let envelope = self.sweeper.store.load_sealed(subject).await?.envelope;
        let Some(id) = envelope.provider_id.filter(|_| !envelope.stage.is_closed()) else {
            return Ok(Look::Nothing);
        };
        self.sweeper.look(asker, subject, &id, glance).await
    }
}
