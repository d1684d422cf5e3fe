//! crm-sync on an embedded log, a CRM and an orchestrator that do what the test says, a hand on the clock.

pub mod deals;
pub mod office;
mod tell;

use std::sync::Arc;
use std::time::Duration;

use contracts::wire::common::{DeadLetter, JobRun};
use contracts::wire::crmsync as wire;
use contracts::wire::crmsync::crm_sync_service_client::CrmSyncServiceClient;
use contracts::wire::crmsync::crm_sync_service_server::{CrmSyncService, CrmSyncServiceServer};
use crm_sync::{Adapters, CrmSync, Dependencies, Settings, Sweep};
use crms::Crm;
use domain::ids::EnvelopeId;
use domain::retry::Backoff;
use domain::sync::{SyncEvent, TriggerIgnored};
use domain::time::Timestamp;
use event_log::{Category, EmbeddedSettings, EventLog, Position, Tailed};
use futures::StreamExt as _;
use runtime::clock::Clock;
use runtime::config::{Environment, KindRule, Loaded, SharedConfiguration};
use runtime::grpc::{Client, ClientSettings};
use runtime::tasks::Tasks;
use tempfile::TempDir;

pub use deals::{Deals, Fault, fields};
pub use office::Office;
pub use tell::{adopted, completed, created, requested, sent};

/// When every test begins.
pub const START: Timestamp = Timestamp(1_800_000_000_000);

/// The longest a test waits for anything.
pub const SOON: Duration = Duration::from_secs(30);

const RULES: [KindRule; 2] = [
    KindRule { kind: "signer", call: "api_keys", verify: "api_keys", regions: &[] },
    KindRule { kind: "hubspot", call: "access_token", verify: "client_secrets", regions: &[] },
];

const CONFIGURATION: &str = include_str!("flows.yaml");

/// The follower that takes triggers, and the one that writes.
pub const TRIGGERS: &str = "crm-sync-triggers";
pub const WRITES: &str = "crm-sync-writes";

/// The world of one test.
pub struct World {
    pub deals: Deals,
    /// Another CRM, the second target of the flow `billed`.
    pub books: Deals,
    pub office: Office,
    pub clock: Clock,
    pub log: EventLog,
    dir: Arc<TempDir>,
    tasks: Tasks,
    service: CrmSync,
}

impl World {
    pub async fn new() -> World {
        let dir = Arc::new(TempDir::new().expect("a directory"));
        let clock = Clock::manual(START);
        let office = Office::open(clock.clone()).await;
        World::open(dir, Deals::new(), Deals::new(), office, clock).await
    }

    async fn open(dir: Arc<TempDir>, deals: Deals, books: Deals, office: Office, clock: Clock) -> World {
        testkit::ear::Ear::open();
        let log = EmbeddedSettings::in_dir(dir.path().join("log"));
        let log = EventLog::open(event_log::Settings::Embedded(log)).await.expect("the log opens");
        let environment = Environment::new(|_| Some("k".repeat(20)));
        let loaded = Loaded::new(CONFIGURATION, &RULES, &environment).expect("a good configuration");
        let configuration = SharedConfiguration::fixed(loaded);
        let crms: [(&str, Arc<dyn Crm>); 2] =
            [("crm", Arc::new(deals.clone())), ("books", Arc::new(books.clone()))];
        let crms = crms.map(|(name, crm)| (name.parse().expect("a name"), crm));
        let service = CrmSync::new(Dependencies {
            log: log.clone(),
            clock: clock.clone(),
            adapters: Adapters::new(configuration.clone(), clock.clone(), true).given(crms),
            configuration,
            orchestrator: Client::new(&office.endpoint(), ClientSettings::default()).expect("an address"),
            data_dir: dir.path().join("view"),
            settings: quick(),
        });
        let service = service.await.expect("crm-sync opens");
        let tasks = Tasks::new();
        service.run(&tasks);
        World { deals, books, office, clock, log, dir, tasks, service }
    }

    /// Stops everything and starts it again on the same data.
    pub async fn restart(self) -> World {
        let World { deals, books, office, clock, log, dir, tasks, service } = self;
        tasks.stop(SOON).await.expect("the tasks end well");
        drop((log, service));
        World::open(dir, deals, books, office, clock).await
    }

    pub fn client(&self) -> CrmSyncServiceClient<CrmSyncServiceServer<impl CrmSyncService>> {
        CrmSyncServiceClient::new(self.service.routes())
    }

    /// How the records of an envelope stand.
    pub async fn sync(&self, envelope: &EnvelopeId) -> Vec<wire::SyncState> {
        let request =
            wire::GetSyncRequest { envelope_id: envelope.to_string(), record: None, min_position: 0 };
        self.client().get_sync(request).await.expect("it is there").into_inner().states
    }

    /// Sweeps the CRM for what nobody told, now.
    pub async fn sweep(&self) -> JobRun {
        self.sweep_of("crm").await
    }

    /// Sweeps one of the CRMs.
    pub async fn sweep_of(&self, connection: &str) -> JobRun {
        let request = wire::RunJobRequest {
            request_id: hex::encode(runtime::random::new_id()),
            connection: connection.to_owned(),
            name: "lost-triggers".to_owned(),
            wait_ms: 20_000,
        };
        let answer = self.client().run_job(request).await.expect("there is such a job").into_inner();
        assert!(answer.ended, "the run does not end");
        answer.job.and_then(|job| job.last).expect("a run")
    }

    pub async fn dead_letters(&self) -> Vec<DeadLetter> {
        let request = wire::ListDeadLettersRequest::default();
        self.client().list_dead_letters(request).await.expect("a page").into_inner().dead_letters
    }

    /// Waits until a follower has finished everything up to here.
    pub async fn until_handled(&self, consumer: &str, position: Position) {
        let waited = tokio::time::timeout(SOON, async {
            while self.log.consumed(consumer).await.expect("the log answers") < position {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        if waited.await.is_err() {
            panic!("{consumer} does not finish; calls: {:#?}", self.deals.journal());
        }
    }

    /// Why each trigger that was not taken was not, in order.
    pub async fn ignored(&self) -> Vec<TriggerIgnored> {
        let mut reasons = Vec::new();
        for fact in self.facts().await {
            if let SyncEvent::TriggerIgnored { reason, .. } = fact {
                reasons.push(reason);
            }
        }
        reasons
    }

    /// Every fact of the category sync, in order.
    pub async fn facts(&self) -> Vec<SyncEvent> {
        let mut tail = self.log.tail(Category::Sync, Position::ZERO);
        let mut facts = Vec::new();
        while let Tailed::Commit(recorded) = tail.next().await.expect("the log goes on").expect("readable") {
            let decode = |event: &event_log::RecordedEvent| {
                contracts::sync::decode_plain(&event.kind, event.schema, &event.payload).expect("readable")
            };
            let of_stories = recorded.events.iter().filter(|event| event.kind.starts_with("sync."));
            facts.extend(of_stories.map(decode));
        }
        facts
    }
}

/// Pauses as short as a test needs them; the clock is moved by hand.
fn quick() -> Settings {
    Settings {
        backoff: Backoff {
            pause_min: Duration::from_millis(10),
            pause_max: Duration::from_secs(2),
            attempts_max: 300,
        },
        confirmation_look: Duration::from_millis(10),
        // Only when it is asked for.
        sweep: Sweep {
            every: Duration::from_secs(365 * 86_400),
            grace: Duration::from_millis(10),
            ..Sweep::default()
        },
        ..Settings::default()
    }
}
