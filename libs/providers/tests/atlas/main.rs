//! Our adapter for Atlas against its simulator, in both dialects: what becomes of every write that goes wrong, what
//! every refusal means, and what only this vendor has.

mod catalogue;
#[path = "../common/mod.rs"]
mod common;
mod platform;
mod reviewed;
mod templates;
mod uploads;
mod writes;

use std::ops::Deref;
use std::sync::Arc;

use common::{Vendor, order_of, ours, people, secret, template, until, upload_source, url_source};
use domain::ids::ProviderEnvelopeId;
use domain::intake::Claim;
use domain::parties::Parties;
use providers::atlas::Adapter;
use providers::atlas::simulator::{Settings, Switches, start};
use providers::{ConnectError, ConnectionSettings, CreateOrder, Detection, Provider, Source};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const API_KEY: &str = "atlas_live_matrix_1";
const PLATFORM_KEY: &str = "atlas_live_platform_1";
const TEMPLATE: &str = "tmpl_of_01";
const CREDITS: u64 = 5;

/// A simulated account, and the way to it.
struct Desk(Vendor);

impl Deref for Desk {
    type Target = Vendor;

    fn deref(&self) -> &Vendor {
        &self.0
    }
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
        Self(Vendor::new(start(listener, settings).expect("the simulator starts")))
    }

    /// An adapter that goes as fast as it can.
    fn adapter(&self, options: Value) -> Adapter {
        self.adapter_with(API_KEY, options).expect("an adapter")
    }

    fn adapter_with(&self, key: &'static str, mut options: Value) -> Result<Adapter, ConnectError> {
        options["pace"] = json!({"per_second": 10_000.0, "burst": 1_000, "deadline_ms": 4_000});
        Adapter::new(ConnectionSettings {
            connection: "atlas-main".parse().expect("a connection id"),
            base_url: self.base_url(),
            key: Arc::new(move || secret(key)),
            oauth: None,
            webhook_url: None,
            options: options.as_object().cloned().unwrap_or_default(),
            allow_private_addresses: true,
        })
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

fn parties() -> Parties {
    people(["Customer", "Company"])
}

fn template_source(prefill: &[(&str, &str)]) -> Source {
    template(TEMPLATE, prefill)
}

fn order(number: u8, source: Source) -> CreateOrder {
    order_of(number, source, parties())
}
