//! An orchestrator on an embedded log, a scripted provider beside it, and a hand on the clock.

#![allow(dead_code, clippy::allow_attributes, reason = "each test file uses another part of it")]

pub mod alarms;
mod drafts;
pub mod provider;
mod tuning;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use contracts::intake::{self, Accepted, IntakeEvent, Raw};
use contracts::seal::Sealer;
use contracts::wire::common::{Job, JobRun};
use contracts::wire::envelope as wire;
use contracts::wire::envelope::envelope_service_client::EnvelopeServiceClient;
use contracts::wire::envelope::envelope_service_server::{EnvelopeService, EnvelopeServiceServer};
use domain::envelope::Digest;
use domain::ids::{CommandId, ConnectionId};
use domain::intake::{Claim, EnvelopeNews, Meaning, PartyNews, Standing};
use domain::time::Timestamp;
use envelope_orchestrator::{Dependencies, Orchestrator, Providers, Tuning};
use event_log::{
    Category, Commit, EmbeddedSettings, Entity, EventLog, Expected, NewEvent, Position, Settings, Tailed,
    TraceContext, event_id,
};
use futures::StreamExt as _;
use providers::{ENVELOPE_ID_KEY, Provider};
use runtime::clock::Clock;
use runtime::config::{Environment, KindRule, Loaded, SharedConfiguration};
use runtime::tasks::Tasks;
use tempfile::TempDir;
use tonic::{Request, Status};

use provider::Scripted;
use tuning::tuning;

const RULES: [KindRule; 2] = [
    KindRule { kind: "scripted", call: "api_key", verify: "shared_keys", regions: &[] },
    KindRule { kind: "ledger", call: "access_token", verify: "client_secrets", regions: &[] },
];

const CONFIGURATION: &str = r#"
tenants: {acme: {}}
connections:
  main:
    kind: scripted
    tenant: acme
    base_url: http://127.0.0.1:1
    api_key: {env: KEY}
    shared_keys: [{id: s1, env: KEY}]
  crm:
    kind: ledger
    tenant: acme
    base_url: http://127.0.0.1:2
    access_token: {env: KEY}
    client_secrets: [{id: c1, env: KEY}]
flows:
  - name: sales
    when: {connection: main, event: "document.sent", if: 'metadata.deal is defined'}
    envelope: {provider: main, adopt: true}
    write:
      - {connection: crm, record: "{{ metadata.deal }}", on_completed: {status: Signed}}
"#;

/// A second connection, which draws on the credits of the first.
const BRANCH: &str = "    credit_pool: house
  branch:
    kind: scripted
    tenant: acme
    credit_pool: house
    base_url: http://127.0.0.1:1
    api_key: {env: KEY}
    shared_keys: [{id: s1, env: KEY}]
  crm:
";

/// The world of one test.
pub struct World {
    pub provider: Scripted,
    pub clock: Clock,
    pub log: EventLog,
    dir: Arc<TempDir>,
    tasks: Tasks,
    orchestrator: Orchestrator,
}

impl World {
    pub async fn new() -> World {
        World::with(Scripted::new(true)).await
    }

    pub async fn with(provider: Scripted) -> World {
        let dir = Arc::new(TempDir::new().expect("a directory"));
        let clock = Clock::manual(Timestamp(1_800_000_000_000));
        World::open(dir, provider, clock, tuning()).await
    }

    /// A world in which the connection `branch` shares the credits of `main`.
    pub async fn with_branch() -> World {
        let dir = Arc::new(TempDir::new().expect("a directory"));
        let clock = Clock::manual(Timestamp(1_800_000_000_000));
        let configuration = CONFIGURATION.replacen("  crm:\n", BRANCH, 1);
        World::configured(dir, Scripted::new(true), clock, tuning(), &configuration).await
    }

    /// A world whose sweeps wait so long for a webhook.
    pub async fn with_grace(sweep_grace: Duration) -> World {
        let dir = Arc::new(TempDir::new().expect("a directory"));
        let clock = Clock::manual(Timestamp(1_800_000_000_000));
        World::open(dir, Scripted::new(true), clock, Tuning { sweep_grace, ..tuning() }).await
    }

    async fn open(dir: Arc<TempDir>, provider: Scripted, clock: Clock, tuning: Tuning) -> World {
        World::configured(dir, provider, clock, tuning, CONFIGURATION).await
    }

    async fn configured(
        dir: Arc<TempDir>,
        provider: Scripted,
        clock: Clock,
        tuning: Tuning,
        configuration: &str,
    ) -> World {
        let settings = Settings::Embedded(EmbeddedSettings::in_dir(dir.path().join("log")));
        let log = EventLog::open(settings).await.expect("the log opens");
        let environment = Environment::new(|_| Some("k".repeat(20)));
        let loaded = Loaded::new(configuration, &RULES, &environment).expect("a good configuration");
        let adapter: Arc<dyn Provider> = Arc::new(provider.clone());
        let providers: Providers =
            Arc::new(move |id| matches!(id.as_str(), "main" | "branch").then(|| adapter.clone()));
        let orchestrator = Orchestrator::new(Dependencies {
            log: log.clone(),
            clock: clock.clone(),
            configuration: SharedConfiguration::fixed(loaded),
            providers,
            data_dir: dir.path().join("view"),
            tuning,
        })
        .await
        .expect("the orchestrator opens");
        let tasks = Tasks::new();
        orchestrator.run(&tasks);
        World { provider, clock, log, dir, tasks, orchestrator }
    }

    /// Stops everything and starts it again on the same data.
    pub async fn restart(self) -> World {
        let World { provider, clock, log, dir, tasks, orchestrator } = self;
        tasks.stop(Duration::from_secs(20)).await.expect("the tasks end well");
        drop((orchestrator, log));
        World::open(dir, provider, clock, tuning()).await
    }

    /// The same, but the view is gone.
    pub async fn restart_without_view(self) -> World {
        let World { provider, clock, log, dir, tasks, orchestrator } = self;
        tasks.stop(Duration::from_secs(20)).await.expect("the tasks end well");
        drop((orchestrator, log));
        std::fs::remove_dir_all(dir.path().join("view")).expect("the view has a folder of its own");
        World::open(dir, provider, clock, tuning()).await
    }

    pub fn client(&self) -> EnvelopeServiceClient<EnvelopeServiceServer<impl EnvelopeService>> {
        EnvelopeServiceClient::new(self.orchestrator.service(self.tasks.shutdown_token()))
    }

    pub async fn create(&self, request: wire::CreateEnvelopeRequest) -> Result<wire::Envelope, Status> {
        let answer = self.client().create_envelope(Request::new(request)).await?;
        Ok(answer.into_inner().envelope.expect("an envelope"))
    }

    pub async fn get(&self, id: &str) -> wire::Envelope {
        let request = wire::GetEnvelopeRequest { envelope_id: id.to_owned(), min_position: 0 };
        let answer = self.client().get_envelope(Request::new(request)).await.expect("it is there");
        answer.into_inner().envelope.expect("an envelope")
    }

    /// Waits, commit by commit, until the envelope fits.
    pub async fn until(&self, id: &str, fits: impl Fn(&wire::Envelope) -> bool) -> wire::Envelope {
        let mut tail = self.log.tail(Category::Envelopes, Position::ZERO);
        let waited = tokio::time::timeout(Duration::from_secs(20), async {
            loop {
                let envelope = self.get(id).await;
                if fits(&envelope) {
                    return envelope;
                }
                tail.next().await.expect("the log goes on").expect("the log is readable");
            }
        });
        match waited.await {
            Ok(envelope) => envelope,
            Err(_) => panic!("{}", self.report(id).await),
        }
    }

    /// Where everything stands, for a wait that was in vain.
    async fn report(&self, id: &str) -> String {
        let consumed = self.log.consumed("orchestrator-effects").await;
        let head = self.log.head(Category::Envelopes).await;
        let request = wire::GetEnvelopeRequest { envelope_id: id.to_owned(), min_position: 0 };
        let view = self
            .client()
            .get_envelope(Request::new(request))
            .await
            .map(|answer| answer.into_inner().position);
        let (stage, kinds) = (self.get(id).await.stage(), self.kinds(id).await);
        let failure = self.tasks.failure();
        format!(
            "{id} stays {stage:?} after {kinds:?}; head {head:?}, consumed {consumed:?}, view {view:?}, failure \
             {failure:?}; calls: {:#?}",
            self.provider.journal()
        )
    }

    pub async fn until_stage(&self, id: &str, stage: wire::Stage) -> wire::Envelope {
        self.until(id, |envelope| envelope.stage() == stage).await
    }

    /// The kinds of the envelope's events, in order.
    pub async fn kinds(&self, id: &str) -> Vec<String> {
        let request = wire::GetEvidenceRequest { envelope_id: id.to_owned() };
        let answer =
            self.client().get_evidence(Request::new(request)).await.expect("it is there").into_inner();
        assert!(answer.chain_intact);
        answer.entries.into_iter().map(|entry| entry.kind).collect()
    }

    pub async fn send(&self, id: &str) -> Result<(), Status> {
        let request =
            wire::SendEnvelopeRequest { request_id: format!("send-{id}"), envelope_id: id.to_owned() };
        self.client().send_envelope(Request::new(request)).await.map(|_| ())
    }

    pub async fn void(&self, id: &str) -> Result<(), Status> {
        let request =
            wire::VoidEnvelopeRequest { request_id: format!("void-{id}"), envelope_id: id.to_owned() };
        self.client().void_envelope(Request::new(request)).await.map(|_| ())
    }

    /// A verified webhook of the provider, as verification writes it. `number` makes it another one.
    pub async fn signal(&self, number: u32, event: &str, news: EnvelopeNews) -> Position {
        let connection: ConnectionId = "main".parse().expect("a name");
        let subject = news.provider_id.to_string();
        let accepted = IntakeEvent::Accepted(Box::new(Accepted {
            connection: connection.clone(),
            delivery_id: format!("delivery-{number}"),
            key_id: "s1".to_owned(),
            event: event.to_owned(),
            dedupe: Digest([0; 32]),
            subject: subject.clone(),
            occurred_at: None,
            received_at: self.clock.now(),
            meaning: Meaning::Envelope(news),
            replayed: false,
            raw: Raw::Inline(b"{}".to_vec()),
        }));
        let key = self.log.keys().key(&intake::key_group(&connection, &subject)).await.expect("a key");
        let command_id = CommandId::from_bytes(runtime::random::new_id());
        let id = event_id(&command_id, 0);
        let encoded = intake::encode(&accepted, &id, &Sealer::new(key.as_bytes()));
        let tenant = "acme".parse().expect("a name");
        let entity = Entity::new(Category::Intake, &tenant, format!("s-{number}")).expect("an entity");
        let event = NewEvent {
            id,
            kind: encoded.kind.to_owned(),
            schema: encoded.schema,
            occurred_at: self.clock.now(),
            payload: encoded.payload.into(),
        };
        let commit = Commit {
            command_id,
            correlation_id: format!("delivery-{number}"),
            causation_id: None,
            trace: TraceContext::default(),
            events: vec![event],
        };
        self.log.append(&entity, Expected::Absent, commit).await.expect("it is appended").position
    }

    /// Waits until there is an envelope that was adopted.
    pub async fn until_adopted(&self) -> wire::Envelope {
        let mut tail = self.log.tail(Category::Envelopes, Position::ZERO);
        let waited = tokio::time::timeout(Duration::from_secs(20), async {
            loop {
                if let Tailed::Commit(recorded) =
                    tail.next().await.expect("the log goes on").expect("readable")
                {
                    let envelope = self.get(recorded.entity.id()).await;
                    if envelope.adopted {
                        return envelope;
                    }
                }
            }
        });
        waited.await.expect("an envelope is adopted")
    }

    /// Lets half hours go by until the envelope is there.
    pub async fn advance_until_stage(&self, id: &str, stage: wire::Stage) {
        let waited = tokio::time::timeout(Duration::from_secs(20), async {
            while self.get(id).await.stage() != stage {
                self.clock.advance(Duration::from_secs(1800));
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        assert!(waited.await.is_ok(), "{}", self.report(id).await);
    }

    /// Runs a job of the connection now and waits for its end.
    pub async fn run_job(&self, name: &str) -> JobRun {
        let request = wire::RunJobRequest {
            request_id: format!("run-{}", hex::encode(runtime::random::new_id())),
            connection: "main".to_owned(),
            name: name.to_owned(),
            wait_ms: 20_000,
        };
        let answer = self.client().run_job(Request::new(request)).await.expect("there is such a job");
        let answer = answer.into_inner();
        assert!(answer.ended, "{answer:?}");
        answer.job.expect("a job").last.expect("it has run")
    }

    /// The jobs as they stand.
    pub async fn jobs(&self) -> Vec<Job> {
        let request = wire::ListJobsRequest::default();
        self.client().list_jobs(Request::new(request)).await.expect("they are listed").into_inner().jobs
    }

    /// Waits until the signals up to here are handled.
    pub async fn until_handled(&self, position: Position) {
        let waited = tokio::time::timeout(Duration::from_secs(20), async {
            while self.log.consumed("orchestrator-signals").await.expect("the log answers") < position {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        waited.await.expect("the signals are handled");
    }

    pub async fn stop(self) {
        self.tasks.stop(Duration::from_secs(20)).await.expect("the tasks end well");
    }
}

/// A request for an envelope with two signers.
pub fn request(request_id: &str) -> wire::CreateEnvelopeRequest {
    let party = |role: &str, name: &str, email: &str| wire::NewParty {
        role: role.to_owned(),
        name: name.to_owned(),
        email: email.to_owned(),
    };
    wire::CreateEnvelopeRequest {
        request_id: request_id.to_owned(),
        provider: "main".to_owned(),
        flow: String::new(),
        record: None,
        document: Some(wire::create_envelope_request::Document::Url("https://files.test/1.pdf".to_owned())),
        parties: vec![
            party("Customer", "Dana Buyer", "dana@buyer.test"),
            party("Company", "Sam Seller", "sam@acme.test"),
        ],
        send: wire::SendPolicy::Review.into(),
        title: "Order form".to_owned(),
        expires_after_ms: 0,
        remind_after_ms: Vec::new(),
        correlation: None,
    }
}

/// The same, sent without a look.
pub fn auto(request_id: &str) -> wire::CreateEnvelopeRequest {
    wire::CreateEnvelopeRequest { send: wire::SendPolicy::Auto.into(), ..request(request_id) }
}

/// News of a provider's envelope; `envelope` is what its correlation says.
pub fn news(provider_id: &str, claim: Claim, envelope: Option<&str>) -> EnvelopeNews {
    let named = envelope.map(|id| (ENVELOPE_ID_KEY.to_owned(), id.to_owned()));
    EnvelopeNews {
        provider_id: provider_id.parse().expect("a short id"),
        claim,
        correlation: named.into_iter().collect::<BTreeMap<_, _>>(),
        revision: None,
        parties: Vec::new(),
        conclusive: false,
    }
}

/// That a party has signed.
pub fn signed(order: u32) -> PartyNews {
    PartyNews { order, standing: Standing::Signed }
}
