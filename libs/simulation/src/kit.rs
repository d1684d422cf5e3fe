//! One handle on everything a simulator is made of.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use outbound::{Outbound, OutboundError};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::webhooks::{Policy, WebhookSender};
use crate::{Faults, Ids, Journal, Running, control, files, observe, server};

/// What a simulator needs to know about itself.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name in spans and metrics of outgoing calls.
    pub name: String,
    /// Seed of ids and dice.
    pub seed: u64,
    /// The vendor's schedules are divided by it: 3600 turns an hour into a second. At least 0.001.
    pub time_factor: f64,
    /// How webhooks are delivered.
    pub webhooks: Policy,
}

type ResetHook = Box<dyn Fn(u64) + Send + Sync>;

/// Journal, faults, webhooks, ids and background work of one simulator. A cheap handle.
#[derive(Clone)]
pub struct Kit(Arc<Inner>);

struct Inner {
    journal: Journal,
    faults: Faults,
    ids: Ids,
    webhooks: WebhookSender,
    outbound: Outbound,
    background: Background,
    reset_hooks: Mutex<Vec<ResetHook>>,
    time_factor: f64,
    seed: u64,
}

impl Kit {
    /// A kit without a port; [`Kit::serve`] opens it.
    pub fn new(settings: Settings) -> Result<Self, OutboundError> {
        let Settings { name, seed, time_factor, webhooks } = settings;
        let time_factor = time_factor.max(0.001);
        let outbound = Outbound::new(server::calls(name, webhooks.answer_within))?;
        let background = Background::default();
        let webhooks = WebhookSender::new(webhooks, time_factor, outbound.clone(), background.clone(), seed);
        Ok(Self(Arc::new(Inner {
            journal: Journal::default(),
            faults: Faults::default(),
            ids: Ids::new(seed),
            webhooks,
            outbound,
            background,
            reset_hooks: Mutex::default(),
            time_factor,
            seed,
        })))
    }

    /// Every request received.
    pub fn journal(&self) -> &Journal {
        &self.0.journal
    }

    /// The orders to misbehave.
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// The seeded source of identifiers.
    pub fn ids(&self) -> &Ids {
        &self.0.ids
    }

    /// The outgoing webhooks.
    pub fn webhooks(&self) -> &WebhookSender {
        &self.0.webhooks
    }

    /// The client for calls of the simulator's own, such as fetching a document; private addresses allowed.
    pub fn outbound(&self) -> &Outbound {
        &self.0.outbound
    }

    /// A vendor's pause, divided by the time factor.
    pub fn scaled(&self, pause: Duration) -> Duration {
        pause.div_f64(self.0.time_factor)
    }

    /// Runs work beside the requests; it ends with the simulator.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.background.spawn(work);
    }

    /// Runs work to its end even if nobody waits for it any more.
    pub(crate) fn detached<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.0.background.tracker.spawn(work)
    }

    /// Has `hook` called with the new seed on every `POST /__sim/reset`, to clear the vendor's state.
    pub fn on_reset(&self, hook: impl Fn(u64) + Send + Sync + 'static) {
        self.0.reset_hooks.lock().push(Box::new(hook));
    }

    /// Clean state. `seed`: the one of the start if absent.
    pub fn reset(&self, seed: Option<u64>) {
        let seed = seed.unwrap_or(self.0.seed);
        self.0.webhooks.clear();
        self.0.faults.clear();
        self.0.journal.clear();
        self.0.ids.reset(seed);
        self.0.reset_hooks.lock().iter().for_each(|hook| hook(seed));
    }

    /// Opens for business: `router` (the vendor's routes, also its own under `/__sim`) plus the kit's control calls and `/files`,
    /// all of it journaled and under the fault orders.
    pub fn serve(&self, listener: TcpListener, router: axum::Router) -> std::io::Result<Running> {
        let router = router.merge(control::router(self.clone())).merge(files::router());
        let router = router.layer(axum::middleware::from_fn_with_state(self.clone(), observe::observe));
        server::serve(listener, router, self.0.background.clone())
    }
}

/// Where background work runs: tracked, and ended by one token.
#[derive(Clone, Debug, Default)]
pub(crate) struct Background {
    pub(crate) tracker: TaskTracker,
    pub(crate) end: CancellationToken,
}

impl Background {
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let end = self.end.clone();
        self.tracker.spawn(async move { end.run_until_cancelled(work).await });
    }
}
