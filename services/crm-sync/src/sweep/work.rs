//! One run: every flow of the connection, page by page.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use crms::{Crm, CrmError, IDS_MAX, LastChange, LastChanges, Place, Wanted};
use domain::ids::ConnectionId;
use domain::intake::{RecordChange, RecordRef};
use domain::time::Timestamp;
use event_log::TraceContext;
use jobs::{Failure, Report, Run, Work};
use runtime::config::{Connection, Flow, Loaded};
use tokio::time::Instant;

use super::lost::same;
use super::place::{LEFT_MAX, Marks, before, key};
use super::wanted::wanted;
use crate::context;
use crate::fate::Fate;
use crate::fit::Fit;
use crate::stop::Stop;
use crate::story::Cause;
use crate::trigger::Triggers;

/// The sweep of one connection.
pub struct LostTriggers {
    pub(super) triggers: Arc<Triggers>,
    pub(super) connection: ConnectionId,
}

/// What one run knows all the time.
struct Round<'a> {
    triggers: &'a Triggers,
    loaded: &'a Loaded,
    connection: &'a Connection,
    id: &'a ConnectionId,
    account: &'a str,
    crm: &'a dyn Crm,
    correlation_id: String,
    report: Report,
    /// Why the first record that is left could not be dealt with.
    why: Option<String>,
    /// What the CRM said when it did not go on with a flow, and the flows.
    broken: BTreeMap<String, BTreeSet<&'a str>>,
}

/// What ends the walk of a line before its time.
enum Halt {
    /// The CRM does not go on with this line; what it says of another line, only asking it tells.
    Line(CrmError),
    /// The run cannot go on.
    Run(Failure),
}

impl From<CrmError> for Halt {
    fn from(error: CrmError) -> Self {
        Halt::Line(error)
    }
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Halt::Run(failure)
    }
}

/// One flow and what a CRM is asked for on its behalf.
struct Line<'a> {
    flow: &'a Flow,
    wanted: Wanted,
    key: String,
}

#[async_trait]
impl Work for LostTriggers {
    async fn run(&self, run: &Run) -> Result<Report, Failure> {
        let (began, sweep) = (Instant::now(), &self.triggers.settings.sweep);
        let loaded = self.triggers.configuration.current();
        let (Some(crm), Some(connection)) =
            (self.triggers.adapters.get(&self.connection), loaded.connection(&self.connection))
        else {
            return Err(Failure::new("the connection is not configured"));
        };
        let (lines, blind) = lines(&loaded, &self.connection, crm.as_ref());
        let account = connection.portal_id.as_deref().or(connection.account.as_deref());
        if account.is_none() && !lines.is_empty() {
            return Err(Failure::new(
                "the connection does not say its portal_id: it is part of every trigger's key",
            ));
        }
        let mut marks = Marks::read(run.cursor.as_deref());
        marks.keep_only(&lines.iter().map(|line| line.key.clone()).collect());
        let mut round = Round {
            triggers: &self.triggers,
            loaded: &loaded,
            connection,
            id: &self.connection,
            account: account.unwrap_or_default(),
            crm: crm.as_ref(),
            correlation_id: format!("sweep-{}", hex::encode(runtime::random::new_id())),
            report: Report::default(),
            why: None,
            broken: BTreeMap::new(),
        };
        // When a flow was first seen is kept before anything can fail.
        let fresh = before(run.started_at, sweep.first_window);
        for line in &lines {
            marks.first_seen(&line.key, fresh);
        }
        run.keep(&marks.words()).await?;
        let mut overfull = false;
        for line in &lines {
            match round.walk(line, &mut marks, run, began).await {
                Ok(full) => overfull |= full,
                // The other flows have no part in it.
                Err(Halt::Line(error)) => {
                    let flows = round.broken.entry(error.to_string()).or_default();
                    flows.insert(line.flow.name.as_str());
                }
                Err(Halt::Run(failure)) => return Err(Failure::after(round.report, failure)),
            }
        }
        run.keep(&marks.words()).await?;
        round.report.attention |= marks.left() > 0 || !blind.is_empty() || !round.broken.is_empty();
        let told = round.told(&marks, &blind);
        if overfull || !round.broken.is_empty() {
            return Err(Failure::after(round.report, told));
        }
        round.report.note = told;
        Ok(round.report)
    }
}

/// What is asked for, and the flows of whose triggers none can be found.
fn lines<'a>(loaded: &'a Loaded, connection: &ConnectionId, crm: &dyn Crm) -> (Vec<Line<'a>>, Vec<&'a str>) {
    let (mut lines, mut blind) = (Vec::new(), Vec::new());
    for flow in loaded.flows().iter().filter(|flow| flow.when.connection == *connection) {
        // Only what a record is now can be asked for, not that it was made or went away.
        let Some(object_type) = crm.kind_changed_by(&flow.when.event) else { continue };
        let asked = wanted(&object_type, flow.when.condition.as_deref().unwrap_or_default());
        if asked.is_empty() {
            blind.push(flow.name.as_str());
        }
        lines.extend(asked.into_iter().map(|wanted| Line { flow, key: key(flow, &wanted), wanted }));
    }
    (lines, blind)
}

impl<'a> Round<'a> {
    /// Walks the list of one line, page by page, after what was left of it. Says whether more is left than is kept.
    async fn walk(
        &mut self,
        line: &Line<'a>,
        marks: &mut Marks,
        run: &Run,
        began: Instant,
    ) -> Result<bool, Halt> {
        let Some(mut mark) = marks.get(&line.key) else { return Ok(false) };
        let sweep = &self.triggers.settings.sweep;
        let since = before(mark.at, sweep.overlap).max(mark.from);
        let bound = mark.walk.map_or(since, |began| began.min(since));
        let left: Vec<String> = mark.left.iter().cloned().collect();
        for ids in left.chunks(IDS_MAX) {
            self.judge(line, ids, mark.from, &mut mark.left).await?;
        }
        let mut place = Some(Place::since(since));
        while let Some(at) = place {
            let listed = self.crm.changed_since(&line.wanted, &at).await?;
            self.judge(line, &listed.ids, bound, &mut mark.left).await?;
            if mark.left.len() > LEFT_MAX {
                // Their place stays: they are listed again. The other flows' records have no part in it.
                return Ok(true);
            }
            mark.at = mark.at.max(listed.newest.unwrap_or(mark.at));
            mark.walk = listed.next.is_some().then_some(bound);
            marks.set(&line.key, mark.clone());
            run.keep(&marks.words()).await?;
            place = listed.next;
            if place.is_some() && began.elapsed() >= sweep.run_max {
                self.report.more = true;
                break;
            }
        }
        Ok(false)
    }

    /// Looks at these records, and once more at those whose trigger seems lost; then takes them up.
    async fn judge(
        &mut self,
        line: &Line<'_>,
        ids: &[String],
        bound: Timestamp,
        left: &mut BTreeSet<String>,
    ) -> Result<(), Halt> {
        let LastChanges { found, failed } = self.changes(line, ids).await?;
        for gone in ids.iter().filter(|id| !found.iter().any(|change| change.object_id == **id)) {
            left.remove(gone);
        }
        self.leave_unread(left, failed);
        let mut suspects = Vec::new();
        for change in found.into_iter().filter(|change| change.changed_at >= bound) {
            self.report.looked += 1;
            let id = change.object_id.clone();
            let change = self.change(line, change);
            match self.triggers.is_lost(&self.fit(line, &change)).await {
                Ok(true) => suspects.push(id),
                Ok(false) => {
                    left.remove(&id);
                }
                Err(stop) => self.leave(left, id, stop),
            }
        }
        if suspects.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(self.triggers.settings.sweep.grace).await;
        let LastChanges { found, failed } = self.changes(line, &suspects).await?;
        self.leave_unread(left, failed);
        let told = self.triggers.told(self.id).await?;
        for change in found {
            let id = change.object_id.clone();
            let change = self.change(line, change);
            if told.iter().any(|told| same(told, &change)) {
                // A webhook told it: it is tried again, or waits for a person, and either is none of a sweep's business.
                left.remove(&id);
                continue;
            }
            match self.take_up(&self.fit(line, &change)).await {
                Ok(found) => {
                    self.report.found += u64::from(found);
                    left.remove(&id);
                }
                Err(stop) => self.leave(left, id, stop),
            }
        }
        Ok(())
    }

    /// Takes a lost trigger up. Says whether that led to an envelope, and nobody was faster.
    async fn take_up(&self, fit: &Fit<'_>) -> Result<bool, Stop> {
        if !self.triggers.is_lost(fit).await? {
            return Ok(false);
        }
        let fate = self.triggers.take(fit).await?;
        Ok(fate == Fate::Taken && self.triggers.is_reconciled(fit).await?)
    }

    async fn changes(&self, line: &Line<'_>, ids: &[String]) -> Result<LastChanges, CrmError> {
        let Wanted { object_type, property, .. } = &line.wanted;
        self.crm.last_changes(object_type, property, ids).await
    }

    fn change(&self, line: &Line<'_>, last: LastChange) -> RecordChange {
        let LastChange { object_id, value, changed_at, actor, actor_id } = last;
        RecordChange {
            account: self.account.to_owned(),
            object_type: line.wanted.object_type.clone(),
            object_id,
            property: line.wanted.property.clone(),
            value,
            changed_at,
            actor,
            actor_id,
        }
    }

    fn fit<'b>(&'b self, line: &'b Line<'_>, change: &'b RecordChange) -> Fit<'b> {
        Fit {
            loaded: self.loaded,
            flow: line.flow,
            tenant: self.connection.tenant.clone(),
            kind: &self.connection.kind,
            record: RecordRef {
                connection: self.id.clone(),
                object_type: change.object_type.clone(),
                object_id: change.object_id.clone(),
            },
            change,
            context: context::of_change(&line.flow.when.event, change),
            heard_at: self.triggers.clock.now(),
            found: true,
            cause: Cause {
                event: None,
                correlation_id: self.correlation_id.clone(),
                trace: TraceContext::current(),
            },
        }
    }

    /// What the CRM could not tell about now may be a trigger all the same.
    fn leave_unread(&mut self, left: &mut BTreeSet<String>, failed: Vec<String>) {
        for id in failed {
            self.leave(left, id, Stop::Look("the CRM could not read it".to_owned()));
        }
    }

    fn leave(&mut self, left: &mut BTreeSet<String>, id: String, stop: Stop) {
        let reason = match stop {
            Stop::Later(reason, _) | Stop::Look(reason) | Stop::Never(reason) => reason,
        };
        tracing::warn!(connection = %self.id, reason, "a trigger that nobody told cannot be taken now");
        self.why.get_or_insert(reason);
        left.insert(id);
    }

    /// What an operator reads of the run. No personal data.
    fn told(&self, marks: &Marks, blind: &[&str]) -> String {
        let mut said = Vec::new();
        let left = marks.left();
        if left > 0 || self.why.is_some() {
            let why = self.why.as_deref().unwrap_or("not asked again yet");
            said.push(format!("{left} could not be taken and are asked for again: {why}"));
        }
        for (error, flows) in &self.broken {
            let flows: Vec<&str> = flows.iter().copied().collect();
            said.push(format!("not swept to the end, {}: {error}", flows.join(", ")));
        }
        if !blind.is_empty() {
            let flows = blind.join(", ");
            said.push(format!("not swept, because the condition compares `property` with no text: {flows}"));
        }
        said.join("; ")
    }
}
