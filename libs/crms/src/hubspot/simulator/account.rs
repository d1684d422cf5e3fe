//! The running portal: state, switches, credentials, and the way from a change to an event.

use std::collections::VecDeque;
use std::sync::Arc;

use domain::time::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use secrecy::{ExposeSecret, SecretString};
use simulation::{Kit, clock};

use super::events::{Collector, Signer};
use super::state::{Author, Change, Portal, Refused, Values};
use super::{Settings, Switches};

/// A cheap handle on the portal.
#[derive(Clone)]
pub(super) struct Account(Arc<Inner>);

struct Inner {
    kit: Kit,
    settings: Settings,
    portal: Mutex<Portal>,
    switches: Mutex<Switches>,
    access_tokens: Mutex<Vec<SecretString>>,
    signer: Arc<Signer>,
    collector: Collector,
    calls: Mutex<Calls>,
}

/// Calls counted for the limits.
#[derive(Default)]
pub(super) struct Calls {
    pub(super) recent: VecDeque<Timestamp>,
    pub(super) searches: VecDeque<Timestamp>,
    pub(super) today: u32,
}

impl Account {
    pub(super) fn new(kit: Kit, settings: Settings) -> Self {
        let signer = Arc::new(Signer::new(&settings));
        Self(Arc::new(Inner {
            collector: Collector::new(kit.clone(), Arc::clone(&signer)),
            portal: Mutex::new(Portal::starting_at(settings.first_deal_id)),
            switches: Mutex::new(settings.switches.clone()),
            access_tokens: Mutex::new(settings.access_tokens.clone()),
            calls: Mutex::default(),
            kit,
            signer,
            settings,
        }))
    }

    pub(super) fn kit(&self) -> &Kit {
        &self.0.kit
    }

    pub(super) fn portal(&self) -> MutexGuard<'_, Portal> {
        self.0.portal.lock()
    }

    pub(super) fn calls(&self) -> MutexGuard<'_, Calls> {
        self.0.calls.lock()
    }

    pub(super) fn switches(&self) -> Switches {
        self.0.switches.lock().clone()
    }

    pub(super) fn set_switches(&self, switches: Switches) {
        *self.0.switches.lock() = switches;
    }

    /// Whether a bearer token is accepted.
    pub(super) fn accepts(&self, token: &str) -> bool {
        self.0.access_tokens.lock().iter().any(|known| known.expose_secret() == token)
    }

    pub(super) fn set_access_tokens(&self, tokens: Vec<SecretString>) {
        *self.0.access_tokens.lock() = tokens;
    }

    pub(super) fn set_client_secret(&self, secret: SecretString) {
        self.0.signer.set_secret(secret);
    }

    /// The author of writes over the API.
    pub(super) fn app(&self) -> Author {
        Author { source: "INTEGRATION".to_owned(), source_id: self.0.settings.app_id.to_string() }
    }

    /// Back to the start: no deals, the first switches and credentials.
    pub(super) fn reset(&self) {
        *self.portal() = Portal::starting_at(self.0.settings.first_deal_id);
        *self.calls() = Calls::default();
        self.set_switches(self.0.settings.switches.clone());
        self.set_access_tokens(self.0.settings.access_tokens.clone());
        self.set_client_secret(self.0.settings.client_secret.clone());
        self.0.collector.clear();
    }

    /// A new deal, with its events.
    pub(super) async fn create(&self, values: Values, author: Author) -> Result<u64, Refused> {
        let (id, changes) = self.portal().create(values, &author, clock::now())?;
        self.tell(changes).await;
        Ok(id)
    }

    /// An update, with its events. Returns how many properties changed.
    pub(super) async fn update(&self, id: u64, values: Values, author: Author) -> Result<usize, Refused> {
        let changes = self.portal().update(id, values, &author, clock::now())?;
        let changed = changes.len();
        self.tell(changes).await;
        Ok(changed)
    }

    /// Makes events of changes somebody has subscribed to. An echo may have to be delivered before we go on.
    async fn tell(&self, changes: Vec<Change>) {
        let switches = self.switches();
        let wanted: Vec<Change> = changes
            .into_iter()
            .filter(|change| match &change.property {
                None => switches.subscribed_to_creation,
                Some((name, _)) => switches.subscribed.iter().any(|known| known == "*" || known == name),
            })
            .collect();
        if wanted.is_empty() {
            return;
        }
        let own = wanted.iter().all(|change| change.author.source == "INTEGRATION");
        if own && self.0.kit.ids().chance(switches.echo_before_answer_percent) {
            self.0.collector.deliver_first(&wanted, &switches).await;
        } else {
            self.0.collector.collect(&wanted, &switches);
        }
    }
}
