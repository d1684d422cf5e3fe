//! Every symmetric vector of the contract folder, computed with our primitives.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use signatures::{decode_base64_digest, decode_hex_digest, hmac_sha256, sha256_hex};

#[derive(serde::Deserialize)]
struct Vector {
    kind: String,
    name: String,
    #[serde(default)]
    secret: String,
    #[serde(default)]
    method: String,
    #[serde(default)]
    url: String,
    url_in_source: Option<String>,
    #[serde(default)]
    webhook_id: String,
    #[serde(default)]
    timestamp: u64,
    #[serde(default)]
    body: String,
    #[serde(default)]
    signature: String,
    #[serde(default)]
    body_sha256: String,
}

fn vectors(kind: &str) -> Vec<Vector> {
    let all: Vec<Vector> = serde_json::from_str(include_str!("vectors.json")).expect("vectors.json parses");
    let chosen: Vec<Vector> = all.into_iter().filter(|vector| vector.kind == kind).collect();
    assert!(!chosen.is_empty(), "no vector of kind {kind}");
    chosen
}

#[test]
fn every_body_has_the_hash_the_vectors_name() {
    for kind in ["hubspot-v3", "hubspot-v1", "hubspot-v2", "standard-webhooks", "query-hmac"] {
        for vector in vectors(kind) {
            assert_eq!(sha256_hex(vector.body.as_bytes()), vector.body_sha256, "{}", vector.name);
        }
    }
}

#[test]
fn base64_signatures_over_method_url_body_and_time_fit() {
    for vector in vectors("hubspot-v3") {
        let url = vector.url_in_source.as_ref().unwrap_or(&vector.url);
        let timestamp = vector.timestamp.to_string();
        let parts = [vector.method.as_bytes(), url.as_bytes(), vector.body.as_bytes(), timestamp.as_bytes()];
        let ours = hmac_sha256(vector.secret.as_bytes(), &parts);
        assert_eq!(decode_base64_digest(vector.signature.as_bytes()), Some(ours), "{}", vector.name);
    }
}

#[test]
fn plain_hashes_over_secret_and_body_fit() {
    for vector in vectors("hubspot-v1") {
        let source = format!("{}{}", vector.secret, vector.body);
        assert_eq!(sha256_hex(source.as_bytes()), vector.signature, "{}", vector.name);
    }
    for vector in vectors("hubspot-v2") {
        let source = format!("{}{}{}{}", vector.secret, vector.method, vector.url, vector.body);
        assert_eq!(sha256_hex(source.as_bytes()), vector.signature, "{}", vector.name);
    }
}

#[test]
fn hexadecimal_signatures_over_the_raw_body_fit() {
    for vector in vectors("query-hmac") {
        let ours = hmac_sha256(vector.secret.as_bytes(), &[vector.body.as_bytes()]);
        assert_eq!(decode_hex_digest(vector.signature.as_bytes()), Some(ours), "{}", vector.name);
    }
}

#[test]
fn the_newest_of_the_standard_webhooks_signatures_fits() {
    for vector in vectors("standard-webhooks") {
        let secret = STANDARD.decode(vector.secret.trim_start_matches("whsec_")).unwrap();
        let head = format!("{}.{}.", vector.webhook_id, vector.timestamp);
        let ours = hmac_sha256(&secret, &[head.as_bytes(), vector.body.as_bytes()]);
        let first = vector.signature.split(' ').next().and_then(|one| one.strip_prefix("v1,")).unwrap();
        assert_eq!(decode_base64_digest(first.as_bytes()), Some(ours), "{}", vector.name);
    }
}
