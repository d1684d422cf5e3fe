//! Reading and writing single records.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use domain::intake::RecordRef;
use domain::retry::Retry;
use domain::time::Timestamp;
use outbound::{Outbound, Rate, Request, Response, Settings};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::OBJECTS;
use super::error::{classify, unreadable};
use super::options::Options;
use crate::changes::{LastChanges, Listed, Place, Wanted};
use crate::connection::{ConnectError, ConnectionSettings, Tokens};
use crate::crm::{Capabilities, Crm, Record};
use crate::error::{Class, CrmError};

/// Time for one call, the wait for a place included.
const DEADLINE: Duration = Duration::from_secs(20);
/// Longest answer: a record with every property it can have stays far below.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Our share of the limit as a steady pace.
const PACE_SHARE: f64 = 0.9;
/// The limit is five, and the account's other apps search too (crm.md §2.8).
const SEARCHES_PER_SECOND: f64 = 3.0;
/// A tenth of the limit may go at once after a quiet time; with the pace it stays within the limit in any ten seconds.
const BURST_PART: u32 = 10;

/// One HubSpot account.
pub struct HubSpot {
    pub(super) outbound: Outbound,
    /// Searches have a limit of their own, far below the other one; who waits for them holds up nothing else.
    pub(super) searches: Outbound,
    base_url: Url,
    base_path: String,
    access_token: Tokens,
}

#[derive(Serialize)]
struct Update<'a> {
    properties: &'a BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    id: String,
    #[serde(default)]
    properties: BTreeMap<String, Option<String>>,
    updated_at: Option<String>,
}

impl HubSpot {
    /// Makes the client of one account; calls nobody yet.
    ///
    /// # Errors
    /// If an option cannot be used, or the base URL cannot carry a path.
    pub fn connect(settings: ConnectionSettings) -> Result<Self, ConnectError> {
        let options = Options::read(&settings.options)?;
        if settings.base_url.cannot_be_a_base() {
            return Err(ConnectError::Setting {
                setting: "base_url",
                problem: "must be an http or https address",
            });
        }
        let limit = f64::from(options.requests_per_ten_seconds);
        let rate = Rate {
            per_second: limit * PACE_SHARE / 10.0,
            burst: options.requests_per_ten_seconds / BURST_PART,
        };
        let client = |rate| {
            let client = Outbound::new(Settings {
                rate: Some(rate),
                body_bytes_max: BODY_BYTES_MAX,
                allow_private_addresses: settings.allow_private_addresses,
                ..Settings::new(settings.connection.as_str())
            });
            client.map_err(|_| ConnectError::Setting {
                setting: "base_url",
                problem: "TLS cannot be set up on this machine",
            })
        };
        Ok(Self {
            outbound: client(rate)?,
            searches: client(Rate { per_second: SEARCHES_PER_SECOND, burst: 1 })?,
            base_url: settings.base_url,
            base_path: options.base_path,
            access_token: settings.access_token,
        })
    }

    /// The address of one record.
    fn url(&self, record: &RecordRef) -> Url {
        self.address(&record.object_type, &[&record.object_id])
    }

    /// An address below the records of one kind.
    pub(super) fn address(&self, object_type: &str, further: &[&str]) -> Url {
        let known = OBJECTS.iter().find(|(name, ..)| *name == object_type);
        let path = self.base_path.replace("{type}", known.map_or(object_type, |(_, _, path)| path));
        let mut url = self.base_url.clone();
        url.path_segments_mut()
            .expect("invariant: checked in connect")
            .pop_if_empty()
            .extend(path.split('/').filter(|segment| !segment.is_empty()))
            .extend(further);
        url
    }

    /// One call over this client with the token in force; anything but 2xx is an error.
    pub(super) async fn call(&self, over: &Outbound, request: Request) -> Result<Response, CrmError> {
        let token = (self.access_token)();
        let response = over.send(request.bearer(&token).deadline(DEADLINE)).await?;
        keep_pace(over, &response);
        if response.is_success() {
            return Ok(response);
        }
        let error = classify(&response);
        Err(if error.class == Class::Reauth { self.replaced(&token, error) } else { error })
    }

    /// A refused token may have been replaced while the call was under way: then the next call will do.
    fn replaced(&self, refused: &SecretString, error: CrmError) -> CrmError {
        if (self.access_token)().expose_secret() == refused.expose_secret() {
            return error;
        }
        CrmError { class: Class::Refresh, retry: Retry::After(Duration::from_secs(1)), ..error }
    }
}

/// A limit that was met, or is about to be, is everybody's on this credential.
fn keep_pace(over: &Outbound, response: &Response) {
    if response.status == 429 {
        let error = classify(response);
        if let (Class::RetryAfter, Retry::After(pause)) = (error.class, error.retry) {
            over.pause(pause);
        }
    } else if response.header("x-hubspot-ratelimit-remaining") == Some("0") {
        over.pause(Duration::from_secs(1));
    }
}

#[async_trait]
impl Crm for HubSpot {
    fn capabilities(&self) -> Capabilities {
        Capabilities { unique_properties: true, echoes_writes: true, lists_changes: true }
    }

    async fn read(&self, record: &RecordRef, properties: &[String]) -> Result<Record, CrmError> {
        let mut url = self.url(record);
        if !properties.is_empty() {
            url.query_pairs_mut().append_pair("properties", &properties.join(","));
        }
        let response = self.call(&self.outbound, Request::get(url, "read_record")).await?;
        let object: Object = response.json().map_err(|_| unreadable(&response))?;
        let modified = object.properties.get("hs_lastmodifieddate").cloned().flatten();
        let modified_at = object.updated_at.or(modified).and_then(|text| parse_time(&text));
        Ok(Record { id: object.id, properties: object.properties, modified_at })
    }

    async fn write(&self, record: &RecordRef, properties: &BTreeMap<String, String>) -> Result<(), CrmError> {
        if properties.is_empty() {
            return Ok(());
        }
        let request = Request::patch_json(self.url(record), "write_record", &Update { properties });
        // 2xx is the fact; the answer's body is not needed
        self.call(&self.outbound, request).await.map(drop)
    }

    fn kind_changed_by(&self, event: &str) -> Option<String> {
        event.strip_suffix(".propertyChange").map(str::to_owned)
    }

    async fn changed_since(&self, wanted: &Wanted, place: &Place) -> Result<Listed, CrmError> {
        self.search(wanted, place).await
    }

    async fn last_changes(
        &self,
        object_type: &str,
        property: &str,
        ids: &[String],
    ) -> Result<LastChanges, CrmError> {
        self.histories(object_type, property, ids).await
    }
}

/// HubSpot writes times in ISO 8601 and, in some properties, as milliseconds.
pub(super) fn parse_time(text: &str) -> Option<Timestamp> {
    let milliseconds = text.parse().ok();
    milliseconds.or_else(|| Some(text.parse::<jiff::Timestamp>().ok()?.as_millisecond())).map(Timestamp)
}
