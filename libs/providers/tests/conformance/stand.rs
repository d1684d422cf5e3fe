//! A provider at a simulator, with the people who sign there.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use domain::ids::{ConnectionId, EnvelopeId, ProviderEnvelopeId};
use domain::intake::Claim;
use domain::parties::Parties;
use outbound::{Outbound, Request};
use providers::{
    ConnectionSettings, CreateOrder, Created, Detection, Provider, ProviderError, Snapshot, Source,
};
use secrecy::SecretString;
use serde_json::{Value, json};
use simulation::{Running, files};
use tokio::net::TcpListener;

/// The API key of the simulated account.
pub const API_KEY: &str = "test_conformance_1";
/// The key that signs the simulated webhooks where it is another than the API key.
pub const SHARED_KEY: &str = "shared_conformance_1";
/// The media type of Word documents.
const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
/// Nothing here takes longer, unless it is broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// One vendor: its simulator, and our adapter connected to it.
pub struct Stand {
    /// The kind of connection.
    pub kind: &'static str,
    options: Value,
    /// The adapter under test.
    pub provider: Arc<dyn Provider>,
    simulator: Running,
    client: Outbound,
    people: People,
    template: &'static str,
    roles: [&'static str; 2],
}

/// How people act at the vendor.
#[derive(Clone, Copy)]
enum People {
    /// They follow the links in their mail.
    Mail,
    /// They are played by the simulator's control calls.
    Buttons,
}

/// Every kind of provider there is, each with every set of options under which it is another vendor to us.
pub fn variants() -> Vec<(&'static str, Value)> {
    let dialects = |kind: &str| match kind {
        "atlas" => vec![json!({}), json!({"dialect": "g2"}), json!({"uploads": "inline"})],
        _ => vec![json!({})],
    };
    providers::kinds()
        .iter()
        .flat_map(|kind| dialects(kind).into_iter().map(|options| (*kind, options)))
        .collect()
}

/// A stand for every kind of provider there is.
pub async fn stands() -> Vec<Stand> {
    let mut stands = Vec::new();
    for (kind, options) in variants() {
        stands.push(Stand::open(kind, options, None).await);
    }
    stands
}

impl Stand {
    /// A stand of one kind; `webhook_url` is where its webhooks go. The only place in this suite that knows vendors.
    pub async fn open(kind: &'static str, options: Value, webhook_url: Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let api_keys = vec![SecretString::from(API_KEY.to_owned())];
        let (simulator, people, template, roles) = match kind {
            "atlas" => {
                use providers::atlas::simulator::{Settings, start};
                // the second generation reports to one address, the first to each envelope's
                let shared_key = SecretString::from(SHARED_KEY.to_owned());
                let endpoint = webhook_url.map(|url| (url.parse().expect("an address"), shared_key));
                let settings = Settings { api_keys, endpoint, ..Settings::default() };
                (start(listener, settings), People::Mail, "tmpl_of_01", ["Customer", "Company"])
            }
            "pandadoc" => {
                use providers::pandadoc::simulator::{Settings, start};
                let shared_key = SecretString::from(SHARED_KEY.to_owned());
                let subscription = webhook_url.map(|url| (url.parse().expect("an address"), shared_key));
                let settings = Settings { api_keys, subscription, ..Settings::default() };
                (start(listener, settings), People::Buttons, "hryKLmY9qYZHjQCYQuSjRQ", ["Client", "Sender"])
            }
            other => panic!("the conformance suite knows no simulator of kind {other}"),
        };
        let simulator = simulator.expect("the simulator starts");
        let mut settings = outbound::Settings::new("control");
        settings.allow_private_addresses = true;
        let client = Outbound::new(settings).expect("a client");
        let provider = connect(kind, &options, &simulator.url(), API_KEY, webhook_url);
        Self { kind, options, provider, simulator, client, people, template, roles }
    }

    /// An adapter to the same simulator with another key.
    pub fn with_key(&self, key: &str) -> Arc<dyn Provider> {
        connect(self.kind, &self.options, &self.simulator.url(), key, None)
    }

    /// An adapter to the same simulator whose webhooks shall go elsewhere.
    pub fn reporting_to(&self, webhook_url: &str) -> Arc<dyn Provider> {
        connect(self.kind, &self.options, &self.simulator.url(), API_KEY, Some(webhook_url))
    }

    /// Every way of handing a document over that the vendor declares.
    pub fn sources(&self) -> Vec<Source> {
        let can = self.provider.capabilities();
        let upload = |file_name: &str, content_type: &str, bytes: Vec<u8>| Source::Upload {
            file_name: file_name.to_owned(),
            content_type: content_type.to_owned(),
            bytes: bytes.into(),
        };
        let prefill = BTreeMap::from([("company_name".to_owned(), "Buyer GmbH".to_owned())]);
        let all = [
            (can.document_urls, self.url_source()),
            (can.uploads, upload("order-7.pdf", "application/pdf", files::order_pdf("7"))),
            (can.docx_uploads, upload("order-7.docx", DOCX, files::order_docx("7"))),
            (can.templates, Source::Template { id: self.template.into(), prefill }),
        ];
        all.into_iter().filter(|(can, _)| *can).map(|(_, source)| source).collect()
    }

    /// A document behind an address.
    pub fn url_source(&self) -> Source {
        Source::Url(format!("{}/files/order-7.pdf", self.simulator.url()))
    }

    /// Two people who sign one after the other.
    pub fn parties(&self) -> Parties {
        let [first, second] = self.roles;
        let people = [(first, "Dana Buyer", "dana@buyer.test"), (second, "Sam Seller", "sam@acme.test")];
        let owned = people.map(|(role, name, email)| (role.to_owned(), name.to_owned(), email.to_owned()));
        Parties::sequential(owned).expect("well-formed parties")
    }

    /// An order of envelope number `number`, all of the same external record.
    pub fn order(&self, number: u8, source: Source) -> CreateOrder {
        let correlation = [
            (providers::ENVELOPE_ID_KEY, envelope_id(number).to_string()),
            (providers::EXTERNAL_ID_KEY, "20417".to_owned()),
            (providers::CLIENT_REFERENCE_KEY, "deal-20417".to_owned()),
        ];
        CreateOrder {
            name: format!("Order form {number}"),
            source,
            parties: self.parties(),
            auto_send: false,
            correlation: correlation.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            webhook_url: None,
            way: None,
        }
    }

    /// Creates an envelope of two parties and waits until it can be sent.
    pub async fn draft(&self, number: u8, source: Source) -> (Created, Snapshot) {
        let created = self
            .provider
            .create(&self.order(number, source), &format!("key-{number}"))
            .await
            .expect("created");
        let ready = self
            .until(&created.provider_id, |found| {
                found.claim == Claim::Draft && found.detection.is_none_or(|found| found != Detection::Pending)
            })
            .await;
        (created, ready)
    }

    /// Creates an envelope of two parties and sends it.
    pub async fn sent(&self, number: u8) -> ProviderEnvelopeId {
        let (created, ready) = self.draft(number, self.url_source()).await;
        let key = format!("send-{number}");
        self.provider
            .send(&created.provider_id, &self.parties(), ready.fields_version, &key)
            .await
            .expect("sent");
        created.provider_id
    }

    /// Reads the envelope until it stands as wished.
    pub async fn until(&self, id: &ProviderEnvelopeId, wished: impl Fn(&Snapshot) -> bool) -> Snapshot {
        let look = async {
            loop {
                let found = self.provider.snapshot(id).await.expect("a snapshot");
                if wished(&found) {
                    return found;
                }
            }
        };
        tokio::time::timeout(PATIENCE, look).await.expect("the envelope stands as wished in time")
    }

    /// Downloads until the vendor has the document.
    pub async fn downloaded(&self, id: &ProviderEnvelopeId) -> Result<bytes::Bytes, ProviderError> {
        let look = async {
            loop {
                match self.provider.download(id).await {
                    Err(error) if error.class == providers::Class::NotReady => {}
                    answer => return answer,
                }
            }
        };
        tokio::time::timeout(PATIENCE, look).await.expect("the document is there in time")
    }

    /// The person whose turn it is signs or declines.
    pub async fn decide(&self, id: &ProviderEnvelopeId, action: &'static str) {
        match self.people {
            People::Mail => {
                let mails = self.get("/__sim/inbox").await;
                let mail =
                    mails.as_array().into_iter().flatten().find(|mail| mail["envelope_id"] == id.as_str());
                let link = mail.and_then(|mail| mail["sign_url"].as_str()).expect("an invitation");
                let form = vec![
                    ("action".to_owned(), action.to_owned()),
                    ("reason".to_owned(), "Terms not acceptable".to_owned()),
                ];
                self.control(Request::post_form(link.parse().expect("a link"), "sign", form)).await;
            }
            People::Buttons => {
                self.post(&format!("/__sim/ui/documents/{id}/{action}"), json!({})).await;
            }
        }
    }

    /// The next `times` requests that fit go wrong.
    pub async fn spoil(&self, method: &str, path: &str, action: Value) {
        let rule =
            json!({"match": {"method": method, "path": path}, "times": 1, "hold_ms": 1, "action": action});
        self.post("/__sim/faults", rule).await;
    }

    /// Requests of a method and path prefix that the simulator has received.
    pub async fn requests(&self, method: &str, prefix: &str) -> usize {
        let found = self.get(&format!("/__sim/requests?method={method}&path_prefix={prefix}")).await;
        found.as_array().map_or(0, Vec::len)
    }

    /// A control call of the simulator.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.simulator.url()).parse().expect("an address");
        self.control(Request::post_json(url, "control", &body)).await
    }

    /// A read control call of the simulator.
    pub async fn get(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.simulator.url()).parse().expect("an address");
        self.control(Request::get(url, "control")).await
    }

    async fn control(&self, request: Request) -> Value {
        let answer = self.client.send(request).await.expect("the simulator answers");
        assert!(
            answer.status < 400,
            "control call refused: {} {:?}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        answer.json().unwrap_or_default()
    }
}

fn connect(
    kind: &str,
    options: &Value,
    base_url: &str,
    key: &str,
    webhook_url: Option<&str>,
) -> Arc<dyn Provider> {
    let key = key.to_owned();
    let mut options = options.as_object().cloned().unwrap_or_default();
    options.insert("pace".to_owned(), json!({"per_second": 10_000.0, "burst": 1_000, "deadline_ms": 5_000}));
    let settings = ConnectionSettings {
        connection: ConnectionId::from_str("under-test").expect("a connection id"),
        base_url: base_url.parse().expect("an address"),
        key: Arc::new(move || SecretString::from(key.clone())),
        oauth: None,
        webhook_url: webhook_url.map(|url| url.parse().expect("an address")),
        options,
        allow_private_addresses: true,
    };
    providers::connect(kind, settings).expect("a provider")
}

/// Our id of envelope number `number`.
pub fn envelope_id(number: u8) -> EnvelopeId {
    EnvelopeId::from_bytes([number; 16])
}
