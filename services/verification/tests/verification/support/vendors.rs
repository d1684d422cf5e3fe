//! Deliveries, signed as each vendor signs them.

use base64::Engine as _;
use contracts::wire::verification::{Delivery, Header};
use domain::time::Timestamp;
use signatures::hmac_sha256;

use super::START;

/// Signs Atlas' webhooks: the key of the contract's vectors. Made up, as all keys here.
pub const ATLAS_KEY: &str = "atlas_live_7Yq2mWkP0sZr4tVxB9dL";
/// The key before that one.
pub const ATLAS_OLD_KEY: &str = "atlas_live_0ldOldOldOldOldOld00";
/// Signs PandaDoc's webhooks: the key of the vectors.
pub const PANDADOC_KEY: &str = "pd_shared_key_EXAMPLE_000";
/// Signs HubSpot's webhooks: the key of the vectors.
pub const HUBSPOT_KEY: &str = "c0ffee00-1111-4222-8333-444455556666";
/// The address HubSpot believes to call, which it signs.
pub const HUBSPOT_ADDRESS: &str = "https://hooks.esign.test/v1/triggers/hubspot";

pub fn header(name: &str, value: impl AsRef<[u8]>) -> Header {
    Header { name: name.to_owned(), value: value.as_ref().to_vec() }
}

fn delivery(connection: &str, path: &str, headers: Vec<Header>, body: &[u8], at: Timestamp) -> Delivery {
    Delivery {
        connection: connection.to_owned(),
        method: "POST".to_owned(),
        path_and_query: path.to_owned(),
        headers,
        body: body.to_vec(),
        received_at_ms: at.0,
        ..Delivery::default()
    }
}

pub fn atlas(body: &[u8]) -> Delivery {
    atlas_with(ATLAS_KEY, body, START)
}

pub fn atlas_with(key: &str, body: &[u8], at: Timestamp) -> Delivery {
    let signature = format!("sha256={}", hex::encode(hmac_sha256(key.as_bytes(), &[body])));
    delivery("atlas-main", "/v1/hooks/atlas-main", vec![header("x-atlas-signature", signature)], body, at)
}

pub fn pandadoc(body: &[u8]) -> Delivery {
    let signature = hex::encode(hmac_sha256(PANDADOC_KEY.as_bytes(), &[body]));
    let path = format!("/v1/hooks/pandadoc-sales?signature={signature}");
    delivery("pandadoc-sales", &path, Vec::new(), body, START)
}

/// The same with the header that names it.
pub fn pandadoc_named(id: &str, body: &[u8]) -> Delivery {
    let headers = vec![header("x-pandadoc-webhook-event-id", id)];
    Delivery { headers, ..pandadoc(body) }
}

pub fn hubspot(body: &[u8]) -> Delivery {
    hubspot_at(body, START.0)
}

pub fn hubspot_at(body: &[u8], signed_at_ms: i64) -> Delivery {
    let timestamp = signed_at_ms.to_string();
    let parts: [&[u8]; 4] = [b"POST", HUBSPOT_ADDRESS.as_bytes(), body, timestamp.as_bytes()];
    let signature = hmac_sha256(HUBSPOT_KEY.as_bytes(), &parts);
    let signature = base64::engine::general_purpose::STANDARD.encode(signature);
    let headers =
        vec![header("x-hubspot-request-timestamp", timestamp), header("x-hubspot-signature-v3", signature)];
    delivery("hubspot-main", "/v1/hooks/hubspot-main", headers, body, START)
}

/// One event of Atlas, told apart by its number.
pub fn atlas_event(number: u32) -> Vec<u8> {
    format!(r#"{{"id":"evt_{number}","event":"envelope.sent","envelope_id":"env_{number}"}}"#).into_bytes()
}

/// One event of HubSpot, in its `attempt`-th delivery.
pub fn hubspot_event(number: u32, attempt: u32, value: &str) -> String {
    format!(
        r#"{{"eventId":{number},"subscriptionId":7001,"portalId":44001122,"appId":9900,"occurredAt":1799999999000,"subscriptionType":"deal.propertyChange","attemptNumber":{attempt},"objectId":{number},"propertyName":"dealstage","propertyValue":"{value}","changeSource":"CRM_UI","sourceId":"userId:777"}}"#
    )
}

/// A batch of HubSpot's events.
pub fn batch(events: &[String]) -> Vec<u8> {
    format!("[{}]", events.join(",")).into_bytes()
}
