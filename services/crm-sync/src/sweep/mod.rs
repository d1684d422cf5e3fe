//! Asks the CRMs for triggers that nobody told us: the job `lost-triggers`.
//!
//! A CRM gives a webhook up after a day, and a deal whose webhook is lost for good would wait for its contract for ever.
//! So every CRM that lists what changed is asked for the records that stand where a flow waits for them and that changed
//! since the last time. What no story tells of and no envelope answers is looked at once more after a moment, which a
//! webhook on its way may use; then it is told in the log as found, and goes the ordinary way of a trigger: the same
//! story, the same key, so that a webhook that comes late after all meets its envelope.
//!
//! Nothing is taken up that happened before the flow was first seen here, but for a bounded time: whoever adds a flow
//! does not ask for contracts of last year. What cannot be dealt with now is kept beside the place and asked for again;
//! it holds up no other record.

mod lost;
mod place;
mod wanted;
mod work;

use std::sync::Arc;

use domain::ids::ConnectionId;
use jobs::{Job, Jobs};

use crate::trigger::Triggers;
use work::LostTriggers;

/// Name of the job.
const NAME: &str = "lost-triggers";
/// What the jobs' records are kept under.
const SERVICE: &str = "crm-sync";

/// The sweep of every CRM connection that lists what changed.
pub fn jobs(triggers: &Arc<Triggers>) -> Jobs {
    let (state, clock, settings) =
        (triggers.log.state(), triggers.clock.clone(), triggers.settings.sweep.jobs);
    let triggers = triggers.clone();
    Jobs::new(SERVICE, state, clock, Arc::new(move || table(&triggers)), settings)
}

fn table(triggers: &Arc<Triggers>) -> Vec<Job> {
    let loaded = triggers.configuration.current();
    let sweep = &triggers.settings.sweep;
    let connections = loaded.configuration().connections.keys();
    let swept = connections.filter(|connection| {
        let lists = |id| triggers.adapters.get(id).is_some_and(|crm| crm.capabilities().lists_changes);
        loaded.flows().iter().any(|flow| flow.when.connection == **connection) && lists(connection)
    });
    let job = |connection: &ConnectionId| Job {
        name: NAME,
        connection: connection.clone(),
        every: sweep.every,
        run_max: sweep.run_max.saturating_mul(2),
        work: Arc::new(LostTriggers { triggers: triggers.clone(), connection: connection.clone() }),
    };
    swept.map(job).collect()
}
