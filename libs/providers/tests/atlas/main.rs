//! Our adapter for Atlas against its simulator, in both dialects: what becomes of every write that goes wrong, what
//! every refusal means, and what only this vendor has.

mod catalogue;
mod platform;
mod templates;
mod writes;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::ids::{EnvelopeId, ProviderEnvelopeId};
use domain::intake::Claim;
use domain::parties::Parties;
use outbound::{Outbound, Request};
use providers::atlas::Adapter;
use providers::atlas::simulator::{Settings, Switches, start};
use providers::{ConnectError, ConnectionSettings, CreateOrder, Detection, Provider, Snapshot, Source};
use secrecy::SecretString;
use serde_json::{Value, json};
use simulation::{Running, files};
use tokio::net::TcpListener;

const API_KEY: &str = "atlas_live_matrix_1";
const PLATFORM_KEY: &str = "atlas_live_platform_1";
const TEMPLATE: &str = "tmpl_of_01";
const CREDITS: u64 = 5;
/// Nothing here takes longer, unless it is broken.
const PATIENCE: Duration = Duration::from_secs(30);

fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

/// A simulated account, and the way to it.
struct Desk {
    simulator: Running,
    client: Outbound,
}

impl Desk {
    async fn open() -> Self {
        let settings = Settings {
            api_keys: vec![secret(API_KEY)],
            platform_keys: vec![secret(PLATFORM_KEY)],
            credits: CREDITS,
            switches: Switches { detection_delay_ms: 0, pdf_delay_ms: 0, ..Switches::default() },
            ..Settings::default()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let mut client = outbound::Settings::new("test");
        client.allow_private_addresses = true;
        Self {
            simulator: start(listener, settings).expect("the simulator starts"),
            client: Outbound::new(client).expect("a client"),
        }
    }

    /// An adapter that goes as fast as it can.
    fn adapter(&self, options: Value) -> Adapter {
        self.adapter_with(API_KEY, options).expect("an adapter")
    }

    fn adapter_with(&self, key: &'static str, mut options: Value) -> Result<Adapter, ConnectError> {
        options["pace"] = json!({"per_second": 10_000.0, "burst": 1_000, "deadline_ms": 4_000});
        Adapter::new(ConnectionSettings {
            connection: "atlas-main".parse().expect("a connection id"),
            base_url: self.simulator.url().parse().expect("an address"),
            key: Arc::new(move || secret(key)),
            oauth: None,
            webhook_url: None,
            options: options.as_object().cloned().unwrap_or_default(),
            allow_private_addresses: true,
        })
    }

    fn url(&self, path: &str) -> url::Url {
        format!("{}{path}", self.simulator.url()).parse().expect("an address")
    }

    async fn ask(&self, request: Request) -> Value {
        let answer = self.client.send(request).await.expect("the simulator answers");
        assert!(answer.status < 400, "{} {:?}", answer.status, String::from_utf8_lossy(&answer.body));
        answer.json().unwrap_or_default()
    }

    async fn get(&self, path: &str) -> Value {
        self.ask(Request::get(self.url(path), "test")).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.ask(Request::post_json(self.url(path), "test", &body)).await
    }

    /// The next `times` requests that fit go wrong.
    async fn spoil(&self, method: &str, path: &str, times: u32, action: Value) {
        let wanted = json!({"method": method, "path": path});
        self.post("/__sim/faults", json!({"match": wanted, "times": times, "hold_ms": 1, "action": action}))
            .await;
    }

    /// Requests of this method and exactly this path.
    async fn requests(&self, method: &str, path: &str) -> usize {
        let found = self.get(&format!("/__sim/requests?method={method}&path_prefix={path}")).await;
        found.as_array().into_iter().flatten().filter(|request| request["path"] == path).count()
    }

    /// Envelopes at the vendor that carry our id.
    async fn envelopes(&self, number: u8) -> Vec<Value> {
        let all = self.get("/__sim/envelopes").await;
        let ours = json!(ours(number).to_string());
        let own = |envelope: &&Value| envelope["metadata"][providers::ENVELOPE_ID_KEY] == ours;
        all.as_array().into_iter().flatten().filter(own).cloned().collect()
    }

    async fn credits(&self) -> u64 {
        self.get("/__sim/credits").await["credits"].as_u64().expect("a number")
    }

    /// Mails of a kind that went out.
    async fn mails(&self, kind: &str) -> usize {
        let mails = self.get("/__sim/inbox").await;
        mails.as_array().into_iter().flatten().filter(|mail| mail["kind"] == kind).count()
    }

    /// An envelope that can be sent, and its version.
    async fn draft(&self, adapter: &Adapter, number: u8) -> (ProviderEnvelopeId, Option<u64>) {
        let made = adapter.create(&order(number, url_source(self)), &format!("draft-{number}")).await;
        let id = made.expect("created").provider_id;
        let ready = until(adapter, &id, |seen| seen.detection == Some(Detection::Ready)).await;
        assert_eq!(ready.claim, Claim::Draft);
        (id, ready.fields_version)
    }

    async fn sent(&self, adapter: &Adapter, number: u8) -> ProviderEnvelopeId {
        let (id, version) = self.draft(adapter, number).await;
        adapter.send(&id, &parties(), version, &format!("sent-{number}")).await.expect("sent");
        id
    }
}

async fn until(adapter: &Adapter, id: &ProviderEnvelopeId, wanted: impl Fn(&Snapshot) -> bool) -> Snapshot {
    let look = async {
        loop {
            let seen = adapter.snapshot(id).await.expect("a snapshot");
            if wanted(&seen) {
                return seen;
            }
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("it stands as wished in time")
}

fn ours(number: u8) -> EnvelopeId {
    EnvelopeId::from_bytes([number; 16])
}

fn parties() -> Parties {
    let people = [("Customer", "Dana Buyer", "dana@buyer.test"), ("Company", "Sam Seller", "sam@acme.test")];
    let owned = people.map(|(role, name, email)| (role.to_owned(), name.to_owned(), email.to_owned()));
    Parties::sequential(owned).expect("well-formed parties")
}

fn url_source(desk: &Desk) -> Source {
    Source::Url(format!("{}/files/order-1.pdf", desk.simulator.url()))
}

fn template_source(prefill: &[(&str, &str)]) -> Source {
    let prefill = prefill.iter().map(|(label, text)| ((*label).to_owned(), (*text).to_owned()));
    Source::Template { id: TEMPLATE.to_owned(), prefill: BTreeMap::from_iter(prefill) }
}

fn upload_source() -> Source {
    Source::Upload {
        file_name: "order.pdf".to_owned(),
        content_type: "application/pdf".to_owned(),
        bytes: files::order_pdf("1").into(),
    }
}

fn order(number: u8, source: Source) -> CreateOrder {
    let correlation = [
        (providers::ENVELOPE_ID_KEY, ours(number).to_string()),
        (providers::EXTERNAL_ID_KEY, "20417".to_owned()),
        (providers::CLIENT_REFERENCE_KEY, "deal-20417".to_owned()),
    ];
    CreateOrder {
        name: format!("Order form {number}"),
        source,
        parties: parties(),
        auto_send: false,
        correlation: correlation.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        webhook_url: None,
    }
}
