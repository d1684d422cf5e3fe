//! What the suites of both vendors share: the way to a simulator, and the orders that are made there.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::ids::{EnvelopeId, ProviderEnvelopeId};
use domain::parties::Parties;
use outbound::{Outbound, Request};
use providers::{CreateOrder, Provider, Snapshot, Source};
use secrecy::SecretString;
use serde_json::{Value, json};
use simulation::{Running, files};

/// Nothing here takes longer, unless it is broken.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

/// A simulated vendor, and the way to it.
pub struct Vendor {
    simulator: Running,
    client: Outbound,
}

impl Vendor {
    pub fn new(simulator: Running) -> Self {
        let mut client = outbound::Settings::new("test");
        client.allow_private_addresses = true;
        Self { simulator, client: Outbound::new(client).expect("a client") }
    }

    pub fn base_url(&self) -> url::Url {
        self.url("")
    }

    pub fn url(&self, path: &str) -> url::Url {
        format!("{}{path}", self.simulator.url()).parse().expect("an address")
    }

    pub async fn ask(&self, request: Request) -> Value {
        let answer = self.client.send(request).await.expect("the simulator answers");
        assert!(answer.status < 400, "{} {:?}", answer.status, String::from_utf8_lossy(&answer.body));
        answer.json().unwrap_or_default()
    }

    pub async fn get(&self, path: &str) -> Value {
        self.ask(Request::get(self.url(path), "test")).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Value {
        self.ask(Request::post_json(self.url(path), "test", &body)).await
    }

    /// The next `times` requests that fit go wrong.
    pub async fn spoil(&self, method: &str, path: &str, times: u32, action: Value) {
        let wanted = json!({"method": method, "path": path});
        self.post("/__sim/faults", json!({"match": wanted, "times": times, "hold_ms": 1, "action": action}))
            .await;
    }

    /// Requests of this method and exactly this path.
    pub async fn requests(&self, method: &str, path: &str) -> usize {
        let found = self.get(&format!("/__sim/requests?method={method}&path_prefix={path}")).await;
        found.as_array().into_iter().flatten().filter(|request| request["path"] == path).count()
    }
}

/// A document that the vendor fetches.
pub fn url_source(vendor: &Vendor) -> Source {
    Source::Url(vendor.url("/files/order-1.pdf").into())
}

/// Looks until it stands as wished.
pub async fn until(
    adapter: &impl Provider,
    id: &ProviderEnvelopeId,
    wanted: impl Fn(&Snapshot) -> bool,
) -> Snapshot {
    let look = async {
        loop {
            match adapter.snapshot(id).await {
                Ok(seen) if wanted(&seen) => return seen,
                Ok(_) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("it stands as wished in time")
}

pub fn ours(number: u8) -> EnvelopeId {
    EnvelopeId::from_bytes([number; 16])
}

/// Dana and then Sam, in these roles.
pub fn people(roles: [&str; 2]) -> Parties {
    let [first, second] = roles;
    let people = [(first, "Dana Buyer", "dana@buyer.test"), (second, "Sam Seller", "sam@acme.test")];
    let owned = people.map(|(role, name, email)| (role.to_owned(), name.to_owned(), email.to_owned()));
    Parties::sequential(owned).expect("well-formed parties")
}

pub fn template(id: &str, prefill: &[(&str, &str)]) -> Source {
    let prefill = prefill.iter().map(|(label, text)| ((*label).to_owned(), (*text).to_owned()));
    Source::Template { id: id.to_owned(), prefill: BTreeMap::from_iter(prefill) }
}

pub fn upload_source() -> Source {
    Source::Upload {
        file_name: "order.pdf".to_owned(),
        content_type: "application/pdf".to_owned(),
        bytes: files::order_pdf("1").into(),
    }
}

/// The order of envelope number `number`, all of the same external record.
pub fn order_of(number: u8, source: Source, parties: Parties) -> CreateOrder {
    let correlation = [
        (providers::ENVELOPE_ID_KEY, ours(number).to_string()),
        (providers::EXTERNAL_ID_KEY, "20417".to_owned()),
        (providers::CLIENT_REFERENCE_KEY, "deal-20417".to_owned()),
    ];
    CreateOrder {
        name: format!("Order form {number}"),
        source,
        parties,
        auto_send: false,
        correlation: correlation.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        webhook_url: None,
        way: None,
    }
}
