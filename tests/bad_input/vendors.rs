//! A process with one connection of each kind, and requests signed as each vendor signs them.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use base64::Engine as _;
use contracts::wire::verification::verification_service_client::VerificationServiceClient;
use contracts::wire::verification::{
    GetLedgerRequest, GetQuarantinedRequest, GetQuarantinedResponse, LedgerLine, ListQuarantineRequest,
};
use reqwest::{Client, Response, StatusCode};
use signatures::hmac_sha256;
use system_tests::condition::eventually;
use system_tests::http::{client, metric};
use system_tests::process::{Countersign, Options};
use tonic::transport::Channel;

/// Signs Atlas' webhooks. Made up, as all keys here.
pub const ATLAS_KEY: &str = "atlas_live_BadInputKey0000000001";
/// Signs PandaDoc's webhooks.
pub const PANDADOC_KEY: &str = "bad-input-shared-key-01";
/// Signs HubSpot's webhooks.
pub const HUBSPOT_KEY: &str = "bad-input-client-secret-01";
/// The address HubSpot believes to call, which it signs.
pub const HUBSPOT_ADDRESS: &str = "https://hooks.acme.test/v1/hooks/hubspot-main";
/// Longest wait for a view to follow.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// The process under test.
pub struct Door {
    pub http: Client,
    pub process: Countersign,
    pub options: Options,
    _directory: tempfile::TempDir,
}

impl Door {
    pub async fn open() -> Result<Door> {
        let directory = tempfile::tempdir()?;
        let configuration = directory.path().join("countersign.yaml");
        std::fs::write(&configuration, configuration_text())?;
        let options = Options {
            simulators: false,
            arguments: vec!["--config".to_owned(), configuration.display().to_string()],
            environment: secrets(),
            ..Options::embedded(directory.path())
        };
        let process = Countersign::up(&options).await?;
        Ok(Door { http: client(), process, options, _directory: directory })
    }

    /// The address of a connection.
    pub fn hook(&self, connection: &str) -> Result<String> {
        Ok(format!("{}/v1/hooks/{connection}", self.process.address("ingress")?))
    }

    /// Posts a body with these headers.
    pub async fn post(&self, connection: &str, body: &[u8], headers: &[(&str, &str)]) -> Result<Response> {
        let request = self.http.post(self.hook(connection)?).body(body.to_vec());
        Ok(headers
            .iter()
            .fold(request, |request, (name, value)| request.header(*name, *value))
            .send()
            .await?)
    }

    /// Posts a body signed as Atlas does.
    pub async fn atlas(&self, body: &[u8]) -> Result<Response> {
        self.post("atlas-main", body, &[("x-atlas-signature", &atlas_signature(body))]).await
    }

    /// Posts a body signed as PandaDoc does.
    pub async fn pandadoc(&self, body: &[u8]) -> Result<Response> {
        let signature = hex::encode(hmac_sha256(PANDADOC_KEY.as_bytes(), &[body]));
        self.post(&format!("pandadoc-sales?signature={signature}"), body, &[]).await
    }

    /// Posts a body signed as HubSpot does, as if it were `age` old.
    pub async fn hubspot(&self, body: &[u8], age: Duration) -> Result<Response> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the vendor signs with its own clock, which is the system's"
        )]
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let timestamp = (now - age).as_millis().to_string();
        let parts: [&[u8]; 4] = [b"POST", HUBSPOT_ADDRESS.as_bytes(), body, timestamp.as_bytes()];
        let signature =
            base64::engine::general_purpose::STANDARD.encode(hmac_sha256(HUBSPOT_KEY.as_bytes(), &parts));
        let headers = [("x-hubspot-signature-v3", &*signature), ("x-hubspot-request-timestamp", &timestamp)];
        self.post("hubspot-main", body, &headers).await
    }

    pub async fn verification(&self) -> Result<VerificationServiceClient<Channel>> {
        Ok(VerificationServiceClient::connect(self.process.address("verification")?.to_owned()).await?)
    }

    /// The ledger once `received` signals and refused deliveries of the connection are in it.
    pub async fn ledger(&self, connection: &str, received: u64) -> Result<LedgerLine> {
        let verification = self.verification().await?;
        let line = eventually("the ledger", DEADLINE, || {
            let mut verification = verification.clone();
            async move {
                let request =
                    GetLedgerRequest { connection: connection.to_owned(), min_position: 0, since_ms: None };
                let lines = verification.get_ledger(request).await?.into_inner().lines;
                Ok(lines.into_iter().next().filter(|line| line.received >= received))
            }
        });
        let line = line.await?;
        ensure!(
            line.received == line.accepted + line.duplicate + line.quarantined,
            "it does not balance: {line:?}"
        );
        ensure!(line.received == received, "{received} were sent: {line:?}");
        Ok(line)
    }

    /// What is in quarantine, reason → one delivery with its content.
    pub async fn quarantine(&self, connection: &str) -> Result<BTreeMap<String, GetQuarantinedResponse>> {
        let mut verification = self.verification().await?;
        let request = ListQuarantineRequest { connection: connection.to_owned(), ..Default::default() };
        let mut found = BTreeMap::new();
        for listed in verification.list_quarantine(request).await?.into_inner().deliveries {
            let request = GetQuarantinedRequest {
                quarantine_id: listed.quarantine_id,
                connection: connection.to_owned(),
            };
            found.insert(listed.reason, verification.get_quarantined(request).await?.into_inner());
        }
        Ok(found)
    }

    /// A number of `/metrics`.
    pub async fn metric(&self, series: &str) -> Result<f64> {
        metric(&self.http, self.process.address("admin")?, series).await
    }

    /// The process is alive, panicked nowhere, ends well when asked to.
    pub async fn close(self) -> Result<()> {
        let alive = self.http.get(format!("{}/livez", self.process.address("admin")?)).send().await?;
        ensure!(alive.status() == StatusCode::OK, "it is not alive: {}", alive.status());
        self.process.stop().await?;
        let output = std::fs::read_to_string(self.options.output())?;
        ensure!(!output.contains("panicked"), "something panicked:\n{output}");
        Ok(())
    }
}

/// Atlas' signature header.
pub fn atlas_signature(body: &[u8]) -> String {
    format!("sha256={}", hex::encode(hmac_sha256(ATLAS_KEY.as_bytes(), &[body])))
}

pub fn secrets() -> Vec<(String, String)> {
    let all = [
        ("BAD_INPUT_ATLAS", ATLAS_KEY),
        ("BAD_INPUT_PANDADOC", PANDADOC_KEY),
        ("BAD_INPUT_HUBSPOT", HUBSPOT_KEY),
        ("BAD_INPUT_CALL", "bad-input-call-key-01"),
    ];
    all.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

pub fn configuration_text() -> String {
    format!(
        "tenants:\n  acme: {{}}\nconnections:\n\
         \x20 atlas-main:\n    kind: atlas\n    tenant: acme\n    base_url: http://127.0.0.1:9\n\
         \x20   api_keys:\n      - {{id: k1, env: BAD_INPUT_ATLAS}}\n\
         \x20 pandadoc-sales:\n    kind: pandadoc\n    tenant: acme\n    base_url: http://127.0.0.1:9\n\
         \x20   api_key: {{env: BAD_INPUT_CALL}}\n    shared_keys:\n      - {{id: s1, env: BAD_INPUT_PANDADOC}}\n\
         \x20 hubspot-main:\n    kind: hubspot\n    tenant: acme\n    base_url: http://127.0.0.1:9\n\
         \x20   access_token: {{env: BAD_INPUT_CALL}}\n    client_secrets:\n      - {{id: c1, env: BAD_INPUT_HUBSPOT}}\n\
         \x20   webhook_url: {HUBSPOT_ADDRESS}\n    portal_id: \"44001122\"\nflows: []\n"
    )
}
