//! An ingress on a free port, a scripted verification behind it, a log in a folder of its own.

pub mod http;
pub mod verifier;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use contracts::parked::ParkedEvent;
use contracts::seal::Opener;
use domain::time::Timestamp;
use event_log::{Category, EmbeddedSettings, EventLog, Position, Tailed};
use futures::StreamExt as _;
use ingress::{Dependencies, Ingress, Settings};
use runtime::clock::Clock;
use runtime::config::{Environment, KindRule, Loaded, SharedConfiguration};
use runtime::grpc::{Client, ClientSettings};
use runtime::tasks::Tasks;
use tempfile::TempDir;
use tokio::net::TcpListener;

pub use http::{Answer, post, request};
pub use verifier::{Mode, Verifier};

const RULES: [KindRule; 1] =
    [KindRule { kind: "scripted", call: "api_key", verify: "shared_keys", regions: &[] }];

pub const CONFIGURATION: &str = r#"
tenants: {acme: {}}
connections:
  main: {kind: scripted, tenant: acme, base_url: "http://127.0.0.1:1", api_key: {env: KEY}, shared_keys: [{id: s1, env: KEY}]}
  other: {kind: scripted, tenant: acme, base_url: "http://127.0.0.1:2", api_key: {env: KEY}, shared_keys: [{id: s1, env: KEY}]}
"#;

pub fn loaded(text: &str) -> Loaded {
    let environment = Environment::new(|_| Some("k".repeat(20)));
    Loaded::new(text, &RULES, &environment).expect("a good configuration")
}

/// When every test begins.
pub const START: Timestamp = Timestamp(1_800_000_000_000);

/// The longest a test waits for anything.
pub const SOON: Duration = Duration::from_secs(30);

/// The world of one test.
pub struct World {
    pub address: SocketAddr,
    pub clock: Clock,
    pub log: EventLog,
    pub verifier: Verifier,
    pub configuration: SharedConfiguration,
    settings: Settings,
    dir: Arc<TempDir>,
    tasks: Tasks,
}

impl World {
    /// Verification is up and accepts everything.
    pub async fn new() -> World {
        World::with(quick()).await
    }

    /// With a configuration of the test's own.
    pub async fn configured(configuration: &str) -> World {
        let world = World::new().await;
        world.configuration.replace(loaded(configuration));
        world
    }

    pub async fn with(settings: Settings) -> World {
        let verifier = Verifier::new();
        verifier.start(verifier::patient()).await;
        World::beside(verifier, settings).await
    }

    /// Verification is as the test left it.
    pub async fn beside(verifier: Verifier, settings: Settings) -> World {
        let dir = Arc::new(TempDir::new().expect("a directory"));
        World::open(dir, verifier, settings, Clock::manual(START)).await
    }

    async fn open(dir: Arc<TempDir>, verifier: Verifier, settings: Settings, clock: Clock) -> World {
        let log = EmbeddedSettings::in_dir(dir.path().join("log"));
        let log = EventLog::open(event_log::Settings::Embedded(log)).await.expect("the log opens");
        let configuration = SharedConfiguration::fixed(loaded(CONFIGURATION));
        let tasks = Tasks::new();
        let ingress = Ingress::new(
            Dependencies {
                log: log.clone(),
                clock: clock.clone(),
                configuration: configuration.clone(),
                verification: Client::new(&verifier.endpoint(), ClientSettings::default())
                    .expect("an address"),
                settings: settings.clone(),
            },
            &tasks,
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        ingress.run(listener, &tasks);
        World { address, clock, log, verifier, configuration, settings, dir, tasks }
    }

    /// Stops ingress and starts it again on the same log.
    pub async fn restart(self) -> World {
        let World { clock, log, verifier, settings, dir, tasks, .. } = self;
        tasks.stop(SOON).await.expect("the tasks end well");
        drop(log);
        World::open(dir, verifier, settings, clock).await
    }

    /// Posts a body to the connection `main`.
    pub async fn post(&self, body: &[u8]) -> Answer {
        post(self.address, "/v1/hooks/main", body).await
    }

    /// How many commits of the category parked are of this kind.
    pub async fn parked(&self, kind: &str) -> usize {
        let mut tail = self.log.tail(Category::Parked, Position::ZERO);
        let mut found = 0;
        while let Tailed::Commit(recorded) = tail.next().await.expect("the log goes on").expect("readable") {
            found += recorded.events.iter().filter(|event| event.kind == kind).count();
        }
        found
    }

    /// The verdicts on what was handed over, in order.
    pub async fn verdicts(&self) -> Vec<String> {
        let mut tail = self.log.tail(Category::Parked, Position::ZERO);
        let mut found = Vec::new();
        while let Tailed::Commit(recorded) = tail.next().await.expect("the log goes on").expect("readable") {
            for event in &recorded.events {
                let (kind, payload, opener) = (&event.kind, &event.payload, Opener::new(None));
                let fact = contracts::parked::decode(kind, event.schema, payload, &event.id, &opener);
                if let ParkedEvent::HandedOver { verdict, .. } = fact.expect("readable") {
                    found.push(verdict);
                }
            }
        }
        found
    }

    /// Waits until so many parked deliveries are handed over.
    pub async fn until_handed_over(&self, wanted: usize) {
        let mut tail = self.log.tail(Category::Parked, Position::ZERO);
        let waited = tokio::time::timeout(SOON, async {
            let mut found = 0;
            while found < wanted {
                if let Tailed::Commit(recorded) = tail.next().await.expect("it goes on").expect("readable") {
                    found += recorded.events.iter().filter(|event| event.kind == HANDED_OVER).count();
                }
            }
        });
        waited.await.expect("they are handed over");
    }
}

pub const PARKED: &str = "parked.delivery_parked";
pub const HANDED_OVER: &str = "parked.delivery_handed_over";

/// Pauses as short as a test needs them, patience as long as a loaded machine needs it.
pub fn quick() -> Settings {
    Settings {
        verdict_deadline: SOON,
        reconnect_pause: Duration::from_millis(10),
        handover_pause: Duration::from_millis(20),
        ..Settings::default()
    }
}

/// The same, but a verdict that does not come is not waited for.
pub fn impatient() -> Settings {
    Settings { verdict_deadline: Duration::from_millis(100), ..quick() }
}
