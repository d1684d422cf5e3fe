//! Every open envelope, one GET each: what a provider that lists nothing can be asked.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use domain::ids::{ConnectionId, EnvelopeId};
use jobs::{Failure, Report, Run, Work};
use tokio::time::Instant;

use super::asker::Asker;
use super::unread::Unread;
use super::walk::{Walk, again, pass};
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
            Some(_) => again(self, &asker, &BTreeSet::new(), &mut unread, &mut report).await?,
        }
        let stubborn = unread.names().clone();
        loop {
            let page = self.page(after).await.map_err(|trouble| failed(&report, &trouble))?;
            let Some(last) = page.last() else { break };
            let passed = pass(self, &asker, &page, &mut unread, &mut report).await;
            passed.map_err(|trouble| failed(&report, &trouble))?;
            after = Some(last.id);
            run.keep(&unread.words(&last.id.to_string())).await?;
            if began.elapsed() >= self.sweeper.tuning.sweep_run_max {
                report.more = true;
                unread.told(&mut report);
                return Ok(report);
            }
        }
        again(self, &asker, &stubborn, &mut unread, &mut report).await?;
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
}

#[async_trait]
impl Walk for Open {
    type Item = Subject;

    fn sweeper(&self) -> &Sweeper {
        &self.sweeper
    }

    fn name(&self, subject: &Subject) -> String {
        subject.id.to_string()
    }

    fn named(&self, name: &str) -> Option<Subject> {
        let tenant = self.sweeper.tenant(&self.connection).ok()?;
        Some(Subject { tenant, id: name.parse().ok()? })
    }

    async fn look(&self, asker: &Asker, subject: &Subject, glance: bool) -> Result<Look, Trouble> {
        let envelope = self.sweeper.store.load_sealed(subject).await?.envelope;
        let Some(id) = envelope.provider_id.filter(|_| !envelope.stage.is_closed()) else {
            return Ok(Look::Nothing);
        };
        self.sweeper.look(asker, subject, &id, glance).await
    }
}
