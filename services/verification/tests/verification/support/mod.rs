//! Verification on a free port, a real configuration with keys from a test's own environment, a manual clock.

pub mod absentee;
pub mod vendors;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use absentee::Absentee;
use contracts::Encoded;
use contracts::intake::{IntakeEvent, key_group};
use contracts::seal::Opener;
use contracts::wire::common::JobRun;
use contracts::wire::verification as wire;
use contracts::wire::verification::verification_service_client::VerificationServiceClient;
use domain::envelope::Digest;
use domain::ids::{CommandId, EventId};
use domain::time::Timestamp;
use event_log::{
    Category, Commit, EmbeddedSettings, Entity, EventLog, Expected, NewEvent, Position, Tailed, TraceContext,
    event_id,
};
use futures::StreamExt as _;
use providers::Provider;
use runtime::clock::Clock;
use runtime::config::{Environment, KindRule, Loaded, SharedConfiguration};
use runtime::grpc::{Client, ClientSettings, Server, ServerSettings};
use runtime::tasks::Tasks;
use tempfile::TempDir;
use tokio::net::TcpListener;
use verification::{Dependencies, Providers, Tuning, Verification};
use wire::{Answer, Delivery, LedgerLine, Verdict};

/// When every test begins: 2027-01-15T08:00:00Z.
pub const START: Timestamp = Timestamp(1_800_000_000_000);

/// The longest a test waits for anything.
pub const SOON: Duration = Duration::from_secs(30);

const RULES: [KindRule; 3] = [
    KindRule { kind: "atlas", call: "api_keys", verify: "api_keys", regions: &[] },
    KindRule { kind: "pandadoc", call: "api_key", verify: "shared_keys", regions: &["us", "eu"] },
    KindRule { kind: "hubspot", call: "access_token", verify: "client_secrets", regions: &[] },
];

/// One connection of each kind.
pub const CONFIGURATION: &str = r#"
tenants: {acme: {}}
connections:
  atlas-main:
    kind: atlas
    tenant: acme
    base_url: http://127.0.0.1:9
    api_keys: [{id: k1, env: ATLAS}]
  pandadoc-sales:
    kind: pandadoc
    tenant: acme
    base_url: http://127.0.0.1:9
    api_key: {env: CALL}
    shared_keys: [{id: s1, env: PANDADOC}]
  hubspot-main:
    kind: hubspot
    tenant: acme
    base_url: http://127.0.0.1:9
    access_token: {env: CALL}
    client_secrets: [{id: c1, env: HUBSPOT}]
    webhook_url: https://hooks.esign.test/v1/triggers/hubspot
    portal_id: "44001122"
"#;

/// The secrets of the environment, all made up.
pub fn secret(name: &str) -> Option<String> {
    let known = BTreeMap::from([
        ("ATLAS", vendors::ATLAS_KEY),
        ("ATLAS_OLD", vendors::ATLAS_OLD_KEY),
        ("PANDADOC", vendors::PANDADOC_KEY),
        ("HUBSPOT", vendors::HUBSPOT_KEY),
        ("CALL", "a-key-for-calls-only-0001"),
    ]);
    known.get(name).map(|secret| (*secret).to_owned())
}

/// A configuration with these secrets.
pub fn loaded(text: &str) -> Loaded {
    Loaded::new(text, &RULES, &Environment::new(secret)).expect("a good configuration")
}

/// The world of one test.
pub struct World {
    pub log: EventLog,
    pub clock: Clock,
    pub configuration: SharedConfiguration,
    pub replica: Replica,
    pub tasks: Tasks,
    dir: TempDir,
}

/// One process of verification, as its callers see it.
#[derive(Clone)]
pub struct Replica {
    pub client: VerificationServiceClient<Client>,
    log: EventLog,
}

impl World {
    pub async fn new() -> World {
        World::with(CONFIGURATION).await
    }

    pub async fn with(configuration: &str) -> World {
        let dir = TempDir::new().expect("a directory");
        let log = EmbeddedSettings::in_dir(dir.path().join("log"));
        let log = EventLog::open(event_log::Settings::Embedded(log)).await.expect("the log opens");
        World::on(log, dir, configuration).await
    }

    /// A world whose provider connection `pandadoc-sales` is called at this vendor.
    pub async fn reconciling(configuration: &str, vendor: &Absentee) -> World {
        let dir = TempDir::new().expect("a directory");
        let log = EmbeddedSettings::in_dir(dir.path().join("log"));
        let log = EventLog::open(event_log::Settings::Embedded(log)).await.expect("the log opens");
        let vendor: Arc<dyn Provider> = Arc::new(vendor.clone());
        let providers: Providers =
            Arc::new(move |id| (id.as_str() == "pandadoc-sales").then(|| vendor.clone()));
        World::put_together(log, dir, configuration, Some(providers)).await
    }

    pub async fn on(log: EventLog, dir: TempDir, configuration: &str) -> World {
        World::put_together(log, dir, configuration, None).await
    }

    async fn put_together(
        log: EventLog,
        dir: TempDir,
        configuration: &str,
        providers: Option<Providers>,
    ) -> World {
        testkit::ear::Ear::open();
        let (clock, tasks) = (Clock::manual(START), Tasks::new());
        let configuration = SharedConfiguration::fixed(loaded(configuration));
        let view = dir.path().join("view-1");
        let replica = Replica::start(&log, &clock, &configuration, view, &tasks, providers).await;
        World { log, clock, configuration, replica, tasks, dir }
    }

    /// A second process on the same log.
    pub async fn another_replica(&self) -> Replica {
        let view = self.dir.path().join("view-2");
        Replica::start(&self.log, &self.clock, &self.configuration, view, &self.tasks, None).await
    }

    /// A process on the same log that lives longer than those before it.
    pub async fn another_process(&self, view: &str) -> Replica {
        let view = self.dir.path().join(view);
        Replica::start(&self.log, &self.clock, &self.configuration, view, &Tasks::new(), None).await
    }

    pub async fn accept(&self, delivery: Delivery) -> Answer {
        self.replica.accept(delivery).await
    }

    /// Runs a job of `pandadoc-sales` now and waits for its end.
    pub async fn run_job(&self, name: &str) -> JobRun {
        let request = wire::RunJobRequest {
            request_id: hex::encode(runtime::random::new_id()),
            connection: "pandadoc-sales".to_owned(),
            name: name.to_owned(),
            wait_ms: 20_000,
        };
        let answer = self.replica.client.clone().run_job(request).await.expect("an answer").into_inner();
        assert!(answer.ended, "{answer:?}");
        answer.job.expect("a job").last.expect("it has run")
    }

    /// Everything that waits in quarantine, newest first, with everything that was answered so far.
    pub async fn waiting(&self, connection: &str) -> Vec<wire::QuarantinedDelivery> {
        // The ledger is the same view: it has caught up once it answers.
        self.ledger(connection).await;
        let (mut found, mut page_token) = (Vec::new(), String::new());
        loop {
            let connection = connection.to_owned();
            let request = wire::ListQuarantineRequest { connection, page_size: 1_000, page_token };
            let page =
                self.replica.client.clone().list_quarantine(request).await.expect("a page").into_inner();
            found.extend(page.deliveries);
            if page.next_page_token.is_empty() {
                return found;
            }
            page_token = page.next_page_token;
        }
    }

    /// How many blobs lie in the embedded store.
    pub fn blobs(&self) -> usize {
        let folders = std::fs::read_dir(self.dir.path().join("log/blobs")).expect("the folder of blobs");
        let files = folders
            .map(|folder| std::fs::read_dir(folder.expect("a folder").path()).expect("a folder").count());
        files.sum()
    }

    /// Loses every blob of the embedded store.
    pub fn lose_blobs(&self) {
        for folder in std::fs::read_dir(self.dir.path().join("log/blobs")).expect("the folder of blobs") {
            for blob in std::fs::read_dir(folder.expect("a folder").path()).expect("a folder") {
                std::fs::remove_file(blob.expect("a blob").path()).expect("it can be removed");
            }
        }
    }

    /// One quarantined delivery with its content.
    pub async fn shown(&self, connection: &str, id: &str) -> wire::GetQuarantinedResponse {
        let request = wire::GetQuarantinedRequest { quarantine_id: id.into(), connection: connection.into() };
        self.replica.client.clone().get_quarantined(request).await.expect("it is there").into_inner()
    }

    /// The ledger of one connection, with everything that was answered so far.
    pub async fn ledger(&self, connection: &str) -> LedgerLine {
        self.replica.ledger(connection).await
    }

    /// Every accepted signal in the log with its opened content, in order.
    pub async fn accepted(&self) -> Vec<(event_log::RecordedEvent, contracts::intake::Accepted)> {
        let mut tail = self.log.tail(Category::Intake, Position::ZERO);
        let mut found = Vec::new();
        while let Tailed::Commit(recorded) = tail.next().await.expect("the log goes on").expect("readable") {
            for event in recorded.events {
                if let IntakeEvent::Accepted(accepted) = self.open(&event).await {
                    found.push((event, *accepted));
                }
            }
        }
        found
    }

    /// Appends one fact, which `encode` makes under the id it is given, to an entity of Acme's; its position.
    pub async fn append(
        &self,
        category: Category,
        entity: &str,
        encode: impl FnOnce(&EventId) -> Encoded,
    ) -> u64 {
        let entity = Entity::new(category, &"acme".parse().expect("a tenant"), entity).expect("an entity");
        let command_id = CommandId::from_bytes(runtime::random::new_id());
        let id = event_id(&command_id, 0);
        let encoded = encode(&id);
        let event = NewEvent {
            id,
            kind: encoded.kind.to_owned(),
            schema: encoded.schema,
            occurred_at: START,
            payload: encoded.payload.into(),
        };
        let commit = Commit {
            command_id,
            correlation_id: String::new(),
            causation_id: None,
            trace: TraceContext::default(),
            events: vec![event],
        };
        self.log.append(&entity, Expected::Any, commit).await.expect("it is kept").position.0
    }

    async fn open(&self, event: &event_log::RecordedEvent) -> IntakeEvent {
        let group = contracts::intake::group(&event.kind, event.schema, &event.payload).expect("readable");
        let key = match group {
            Some(group) => self.log.keys().find(&group).await.expect("the keys answer"),
            None => None,
        };
        let opener = Opener::new(key.as_ref().map(event_log::DataKey::as_bytes));
        contracts::intake::decode(&event.kind, event.schema, &event.payload, &event.id, &opener)
            .expect("it opens")
    }

    /// The bytes of a signal that lies in the blob store.
    pub async fn blob(
        &self,
        event: &event_log::RecordedEvent,
        accepted: &contracts::intake::Accepted,
        digest: &Digest,
    ) -> Vec<u8> {
        let blob = self.log.blobs().get(digest).await.expect("an answer");
        let group = key_group(&accepted.connection, &accepted.subject);
        let key = self.log.keys().find(&group).await.expect("an answer").expect("a key");
        let opened = Opener::new(Some(key.as_bytes())).open_blob(&event.id, &blob.expect("a blob"));
        opened.expect("it opens").expect("the key is there")
    }
}

impl Replica {
    async fn start(
        log: &EventLog,
        clock: &Clock,
        configuration: &SharedConfiguration,
        data_dir: std::path::PathBuf,
        tasks: &Tasks,
        providers: Option<Providers>,
    ) -> Replica {
        let verification = Verification::new(Dependencies {
            log: log.clone(),
            clock: clock.clone(),
            configuration: configuration.clone(),
            data_dir,
        });
        let mut verification = verification.await.expect("verification opens");
        if let Some(providers) = providers {
            verification = verification.reconciling(providers, Tuning::default());
        }
        verification.run(tasks);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let shutdown = tasks.shutdown_token();
        let server = Server::new().service(verification.routes(shutdown.clone()));
        tasks.spawn_fallible("server", server.serve(listener, ServerSettings::default(), shutdown));
        let client = Client::new(&endpoint, ClientSettings { timeout: SOON, ..ClientSettings::default() });
        let client = VerificationServiceClient::new(client.expect("an address"))
            .max_decoding_message_size(runtime::grpc::MESSAGE_BYTES_MAX);
        Replica { client, log: log.clone() }
    }

    pub async fn accept(&self, delivery: Delivery) -> Answer {
        let request = wire::AcceptRequest { delivery: Some(delivery) };
        let answer = self.client.clone().accept(request).await.expect("an answer").into_inner();
        answer.answer.expect("a verdict")
    }

    /// Hands deliveries over on one stream; the answers in the order of the deliveries.
    pub async fn accept_all(&self, deliveries: Vec<Delivery>) -> Vec<Answer> {
        let count = deliveries.len();
        let requests = deliveries.into_iter().zip(0..);
        let requests = requests
            .map(|(delivery, sequence)| wire::AcceptStreamRequest { sequence, delivery: Some(delivery) });
        let requests = futures::stream::iter(requests.collect::<Vec<_>>());
        let mut answers = self.client.clone().accept_stream(requests).await.expect("a stream").into_inner();
        let mut found = BTreeMap::new();
        while let Some(answer) = answers.message().await.expect("the stream goes on") {
            assert!(found.insert(answer.sequence, answer.answer.expect("a verdict")).is_none(), "one each");
        }
        assert_eq!(found.len(), count);
        found.into_values().collect()
    }

    pub async fn ledger(&self, connection: &str) -> LedgerLine {
        let head = self.log.head(Category::Intake).await.expect("the log answers");
        let request = wire::GetLedgerRequest {
            connection: connection.to_owned(),
            min_position: head.0,
            since_ms: None,
        };
        let answer = self.client.clone().get_ledger(request).await.expect("an answer").into_inner();
        let line = answer.lines.into_iter().next().unwrap_or_default();
        assert_eq!(line.received, line.accepted + line.duplicate + line.quarantined, "{line:?}");
        line
    }
}

/// Waits until `holds`.
pub async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let begun = std::time::Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < SOON, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What an answer says, for comparison: verdict, new signals, known signals.
pub fn said(answer: &Answer) -> (Verdict, u32, u32) {
    (answer.verdict(), answer.accepted, answer.duplicates)
}

pub const fn accepted(new: u32, known: u32) -> (Verdict, u32, u32) {
    (Verdict::Accepted, new, known)
}

pub const fn duplicate(known: u32) -> (Verdict, u32, u32) {
    (Verdict::Duplicate, 0, known)
}
