//! Every open envelope, one GET each: what a provider that lists nothing can be asked.

use std::sync::Arc;

use async_trait::async_trait;
use domain::ids::{ConnectionId, EnvelopeId};
use futures::StreamExt as _;
use jobs::{Failure, Report, Run, Work};
use tokio::time::Instant;

use super::{Look, Sweeper, Trouble, count, failed};
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
        let mut unseen = 0_u64;
        let mut after: Option<EnvelopeId> = run.cursor.as_deref().and_then(|text| text.parse().ok());
        loop {
            let (page, looks) = match self.page(after).await {
                Ok(done) => done,
                Err(trouble) => return Err(failed(report, &trouble)),
            };
            for look in looks {
                match look {
                    Ok(look) => {
                        unseen += u64::from(look == Look::Unseen);
                        count(&mut report, look);
                    }
                    Err(trouble) => return Err(failed(report, &trouble)),
                }
            }
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            run.keep(&last.id.to_string()).await?;
            if began.elapsed() >= self.sweeper.tuning.sweep_run_max {
                report.more = true;
                return Ok(report);
            }
        }
        // The next sweep begins at the beginning.
        run.keep("").await?;
        if unseen > 0 {
            report.note = format!("{unseen} not shown by the provider now");
        }
        Ok(report)
    }
}

type Page = (Vec<Subject>, Vec<Result<Look, Trouble>>);

impl Open {
    async fn page(&self, after: Option<EnvelopeId>) -> Result<Page, Trouble> {
        if after.is_none() {
            self.sweeper.catch_up().await?;
        }
        let page = self.sweeper.directory.open_of(&self.connection, after, PAGE)?;
        let mut looks = self.all(&page, true).await;
        let suspect = |look: &Result<Look, Trouble>| matches!(look, Ok(Look::Suspect));
        let suspects: Vec<Subject> = page
            .iter()
            .zip(&looks)
            .filter(|(_, look)| suspect(look))
            .map(|(subject, _)| subject.clone())
            .collect();
        if !suspects.is_empty() {
            self.sweeper.grace().await;
            looks.retain(|look| !suspect(look));
            looks.extend(self.all(&suspects, false).await);
        }
        Ok((page, looks))
    }

    async fn all(&self, page: &[Subject], glance: bool) -> Vec<Result<Look, Trouble>> {
        let looks: Vec<_> = page.iter().map(|subject| self.one(subject, glance)).collect();
        futures::stream::iter(looks).buffered(self.sweeper.tuning.sweep_concurrency).collect().await
    }

    async fn one(&self, subject: &Subject, glance: bool) -> Result<Look, Trouble> {
        let envelope = self.sweeper.store.load_sealed(subject).await?.envelope;
        let Some(id) = envelope.provider_id.filter(|_| !envelope.stage.is_closed()) else {
            return Ok(Look::Nothing);
        };
        let provider = self.sweeper.provider(&self.connection)?;
        self.sweeper.look(provider.as_ref(), subject, &id, glance).await
    }
}
