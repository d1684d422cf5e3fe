//! Ingress and verification as they are wired in one process, over loopback HTTP and gRPC, at a time of our choosing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use contracts::intake::{IntakeEvent, Raw};
use contracts::seal::Opener;
use contracts::wire::verification::Delivery;
use countersign::compose::adapters::RULES;
use domain::intake::Meaning;
use domain::time::Timestamp;
use event_log::{Category, EmbeddedSettings, EventLog, Position, Tailed};
use futures::StreamExt as _;
use runtime::clock::Clock;
use runtime::config::{Environment, Loaded, SharedConfiguration};
use runtime::grpc::{Client, ClientSettings, Server, ServerSettings};
use runtime::tasks::Tasks;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use verification::Verification;

/// Nothing here takes longer, unless it is broken.
const SOON: Duration = Duration::from_secs(30);

/// Every secret of the vectors under the name it has in the configuration. All made up by the contracts.
const SECRETS: [(&str, &str); 11] = [
    ("ATLAS_LIVE", "atlas_live_7Yq2mWkP0sZr4tVxB9dL"),
    ("ATLAS_TEST", "test_k3Jd82hQpLmN"),
    ("ATLAS_ENDPOINT", "whsec_5f0c2b9e1d7a4c38"),
    ("PANDADOC", "nK4wTz8QpR2vYb6LsXc9Hd"),
    ("PANDADOC_SPECIAL", "pQ9-shared.key+2026"),
    ("PANDADOC_OLD", "oldKey000000000000000A"),
    ("PANDADOC_QUERY", "pd_shared_key_EXAMPLE_000"),
    ("HUBSPOT", "c0ffee00-1111-4222-8333-444455556666"),
    ("HUBSPOT_OTHER", "c0ffee00-1111-4222-8333-444455556667"),
    ("HUBSPOT_PUBLISHED", "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"),
    ("CALL", "a-key-for-calls-only-0001"),
];

/// When the retired key's window ends.
pub const OVERLAP_ENDS: &str = "2026-11-01T00:30:00Z";

/// One request and what must come of it.
pub struct Case {
    /// What a failure is called by.
    pub name: String,
    /// The connection it is posted to.
    pub connection: &'static str,
    /// The query with its question mark, or nothing.
    pub query: String,
    /// The HTTP method.
    pub method: String,
    /// Headers byte for byte, repeated ones repeated.
    pub headers: Vec<(&'static str, String)>,
    /// The body, byte for byte.
    pub body: Vec<u8>,
    /// When it arrives: milliseconds since the Unix epoch, UTC.
    pub at: i64,
    /// What must come of it.
    pub expected: Expected,
}

/// What must come of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// 200, and these signals are stored, `(the event's name, what becomes of it)`.
    Stored(Vec<(&'static str, &'static str)>),
    /// 401 with an empty body, and the delivery is in quarantine for this reason.
    Quarantined(&'static str),
    /// 405: nothing is delivered by such a method.
    NoSuchMethod,
}

/// The door, open at one moment.
struct Door {
    address: SocketAddr,
    log: EventLog,
    tasks: Tasks,
    _directory: TempDir,
}

/// Posts every case and compares answer and log with what is expected. Cases of one moment share a door.
pub async fn judge(cases: Vec<Case>) {
    let mut moments: BTreeMap<i64, Vec<Case>> = BTreeMap::new();
    for case in cases {
        moments.entry(case.at).or_default().push(case);
    }
    for (at, cases) in moments {
        let door = Door::open(Timestamp(at)).await;
        for case in cases {
            door.try_one(case).await;
        }
        door.tasks.stop(SOON).await.expect("everything ends well");
    }
}

impl Door {
    async fn open(at: Timestamp) -> Self {
        testkit::ear::Ear::open();
        let directory = TempDir::new().expect("a directory");
        let log = EmbeddedSettings::in_dir(directory.path().join("log"));
        let log = EventLog::open(event_log::Settings::Embedded(log)).await.expect("the log opens");
        let secret = |name: &str| {
            SECRETS.iter().find(|(known, _)| *known == name).map(|(_, secret)| (*secret).to_owned())
        };
        let text = include_str!("connections.yaml").replace("$OVERLAP_ENDS", OVERLAP_ENDS);
        let loaded = Loaded::new(&text, &RULES, &Environment::new(secret)).expect("a good configuration");
        let (clock, tasks) = (Clock::manual(at), Tasks::new());
        let configuration = SharedConfiguration::fixed(loaded);

        let verification = Verification::new(verification::Dependencies {
            log: log.clone(),
            clock: clock.clone(),
            configuration: configuration.clone(),
            data_dir: directory.path().join("views"),
        });
        let verification = verification.await.expect("verification opens");
        verification.run(&tasks);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let server = Server::new().service(verification.routes(tasks.shutdown_token()));
        let serving = server.serve(listener, ServerSettings::default(), tasks.shutdown_token());
        tasks.spawn_fallible("verification", serving);

        let dependencies = ingress::Dependencies {
            log: log.clone(),
            clock,
            configuration,
            verification: Client::new(&endpoint, ClientSettings::default()).expect("an address"),
            settings: ingress::Settings { verdict_deadline: SOON, ..ingress::Settings::default() },
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        ingress::Ingress::new(dependencies, &tasks).run(listener, &tasks);
        Self { address, log, tasks, _directory: directory }
    }

    async fn try_one(&self, case: Case) {
        let before = self.facts().await.len();
        let (status, body) = self.post(&case).await;
        let facts = self.facts().await.split_off(before);
        let name = &case.name;
        match &case.expected {
            Expected::Stored(signals) => {
                assert_eq!((status, body.as_str()), (200, ""), "{name}");
                let found: Vec<(&str, &str)> = facts.iter().map(|fact| accepted(fact, &case)).collect();
                // Signals of one delivery are appended side by side: their order in the log is free.
                let (mut found, mut signals) = (found, signals.clone());
                found.sort_unstable();
                signals.sort_unstable();
                assert_eq!(found, signals, "{name}");
            }
            Expected::Quarantined(reason) => {
                assert_eq!((status, body.as_str()), (401, ""), "{name}: a stranger learns nothing");
                let [IntakeEvent::Quarantined(kept)] = facts.as_slice() else {
                    panic!("{name}: one delivery in quarantine, not {facts:?}")
                };
                assert_eq!(kept.reason.code(), *reason, "{name}");
                let Some(Raw::Inline(content)) = &kept.delivery else {
                    panic!("{name}: its content is not kept")
                };
                let content: Delivery = contracts::wire::decode(content).expect("a delivery");
                assert!(content.body == case.body, "{name}: kept byte for byte");
            }
            Expected::NoSuchMethod => {
                assert_eq!(status, 405, "{name}");
                assert_eq!(facts, [], "{name}: nothing came in");
            }
        }
    }

    /// Writes the request by hand, so that the case decides over every byte; gives status and body.
    async fn post(&self, case: &Case) -> (u16, String) {
        let mut head =
            format!("{} /v1/hooks/{}{} HTTP/1.1\r\n", case.method, case.connection, case.query).into_bytes();
        for (name, value) in &case.headers {
            head.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        let length = case.body.len();
        head.extend_from_slice(
            format!("host: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n").as_bytes(),
        );
        let mut stream = TcpStream::connect(self.address).await.expect("the door is open");
        stream.write_all(&[head, case.body.clone()].concat()).await.expect("it is read");
        let mut answer = Vec::new();
        let reading = tokio::time::timeout(SOON, stream.read_to_end(&mut answer));
        reading.await.expect("an answer in time").expect("an answer");
        let text = String::from_utf8(answer).expect("answers are text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a whole head");
        (head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status"), body.to_owned())
    }

    /// Everything in the category intake, opened.
    async fn facts(&self) -> Vec<IntakeEvent> {
        let mut tail = self.log.tail(Category::Intake, Position::ZERO);
        let mut found = Vec::new();
        while let Tailed::Commit(recorded) = tail.next().await.expect("the log goes on").expect("readable") {
            for event in recorded.events {
                let group = contracts::intake::group(&event.kind, event.schema, &event.payload);
                let key = match group.expect("readable") {
                    Some(group) => self.log.keys().find(&group).await.expect("the keys answer"),
                    None => None,
                };
                let opener = Opener::new(key.as_ref().map(event_log::DataKey::as_bytes));
                let decoded =
                    contracts::intake::decode(&event.kind, event.schema, &event.payload, &event.id, &opener);
                found.push(decoded.expect("it opens"));
            }
        }
        found
    }
}

/// A stored signal's name and fate. Its bytes must be bytes of the body.
fn accepted<'a>(fact: &'a IntakeEvent, case: &Case) -> (&'a str, &'static str) {
    let IntakeEvent::Accepted(accepted) = fact else { panic!("{}: {fact:?}", case.name) };
    let Raw::Inline(raw) = &accepted.raw else { panic!("{}: its bytes are not kept", case.name) };
    let is_part = raw.is_empty() || case.body.windows(raw.len()).any(|part| part == raw.as_slice());
    assert!(is_part, "{}: the stored bytes are those that came", case.name);
    let fate = match &accepted.meaning {
        Meaning::Envelope(_) => "envelope",
        Meaning::Record(_) => "record",
        Meaning::Nothing(why) => why.code(),
    };
    (&accepted.event, fate)
}
