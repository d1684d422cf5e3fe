//! The three vendors' webhooks: who signed it, and what it says.

use std::sync::{Arc, LazyLock};

use crms::WebhookSettings;
use domain::intake::Refusal;
use domain::time::Timestamp;
use fuzz::{Input, seeds};
use serde_json::{Map, Value, json};
use signatures::{WebhookScheme, decode_base64_digest, decode_hex_digest, hmac_sha256, sha256_hex};

use crate::fuzz;
use crate::laws::{delivery, key, split};

const SECRET: &str = "a-secret-of-the-fuzz-targets-01";
const NOW: Timestamp = Timestamp(1_767_225_600_000);
const HUBSPOT_ADDRESS: &str = "https://hooks.esign.test/v1/triggers/hubspot";

static ATLAS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| seeds::examples("atlas.jsonl"));
static PANDADOC: LazyLock<Vec<Vec<u8>>> =
    LazyLock::new(|| [seeds::vectors(&["query-hmac"]), seeds::examples("pandadoc.jsonl")].concat());
static HUBSPOT: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let vectors = seeds::vectors(&["hubspot-v3", "hubspot-v1", "hubspot-v2"]);
    [vectors, seeds::examples("hubspot.jsonl")].concat()
});

static BY_ATLAS: LazyLock<Arc<dyn WebhookScheme>> = LazyLock::new(|| provider("atlas"));
static BY_PANDADOC: LazyLock<Arc<dyn WebhookScheme>> = LazyLock::new(|| provider("pandadoc"));
static BY_HUBSPOT: LazyLock<Arc<dyn WebhookScheme>> = LazyLock::new(|| hubspot(json!({})));
static BY_OLD_HUBSPOT: LazyLock<Arc<dyn WebhookScheme>> =
    LazyLock::new(|| hubspot(json!({"allow_legacy_v1": true, "allow_legacy_v2": true})));

fn provider(kind: &str) -> Arc<dyn WebhookScheme> {
    providers::scheme(kind, &Map::new()).expect("a known kind")
}

fn hubspot(options: Value) -> Arc<dyn WebhookScheme> {
    let settings = WebhookSettings {
        connection: "fuzzed".parse().expect("an id"),
        webhook_url: HUBSPOT_ADDRESS.parse().ok(),
        account: Some("44001122".to_owned()),
        options: options.as_object().cloned().unwrap_or_default(),
    };
    crms::scheme("hubspot", settings).expect("a scheme")
}

#[test]
fn atlas_bodies() {
    fuzz!(Input, |input| split(
        &**BY_ATLAS,
        &delivery("/v1/hooks/fuzzed".into(), vec![], input.bytes(&ATLAS))
    ));
}

#[test]
fn pandadoc_bodies() {
    fuzz!((Input, Option<Vec<u8>>), |(input, id)| {
        let headers = id.iter().map(|id| ("x-pandadoc-webhook-event-id".to_owned(), id.clone())).collect();
        split(&**BY_PANDADOC, &delivery("/v1/hooks/fuzzed".into(), headers, input.bytes(&PANDADOC)));
    });
}

#[test]
fn hubspot_bodies() {
    fuzz!(Input, |input| {
        split(&**BY_HUBSPOT, &delivery("/v1/hooks/fuzzed".into(), vec![], input.bytes(&HUBSPOT)));
    });
}

/// Whatever stands in the header: only the 64 digits of the right digest, bare or after `sha256=`, are believed.
#[test]
fn atlas_signatures() {
    let keys = [key("another-secret-0001"), key(SECRET)];
    let body = ATLAS[0].clone();
    let digest = hex::encode(hmac_sha256(SECRET.as_bytes(), &[&body]));
    let good = [digest.clone(), format!("sha256={digest}"), format!(" {} ", digest.to_uppercase())]
        .map(String::into_bytes);
    fuzz!((Input, bool), |(input, twice)| {
        let value = input.bytes(&good);
        let mut headers = vec![("x-atlas-signature".to_owned(), value.clone())];
        if *twice {
            headers.push(headers[0].clone());
        }
        let verdict =
            BY_ATLAS.verify(&delivery("/v1/hooks/fuzzed".into(), headers, body.clone()), &keys, NOW);
        let trimmed = value.trim_ascii();
        let digits = trimmed.strip_prefix(b"sha256=").unwrap_or(trimmed);
        let expected = match (twice, digits.eq_ignore_ascii_case(digest.as_bytes())) {
            (true, _) => Err(Refusal::SignatureRepeated),
            (false, true) => Ok(1),
            (false, false) if decode_hex_digest(digits).is_some() => Err(Refusal::SignatureWrong),
            (false, false) => Err(Refusal::SignatureMalformed),
        };
        assert_eq!(verdict, expected);
    });
}

/// Whatever stands in the query: one `signature` that is the digest, or it is not believed.
#[test]
fn pandadoc_signatures() {
    let keys = [key("another-secret-0001"), key(SECRET)];
    let body = PANDADOC[0].clone();
    let digest = hex::encode(hmac_sha256(SECRET.as_bytes(), &[&body]));
    let good = [
        format!("/v1/hooks/fuzzed?signature={digest}"),
        format!("/v1/hooks/fuzzed?tenant=acme&signature={digest}"),
        format!("/v1/hooks/fuzzed?a=%20%26c&signature={}&b=1", digest.to_uppercase()),
        format!("/v1/hooks/fuzzed?signature={digest}&signature={digest}"),
    ]
    .map(String::into_bytes);
    fuzz!(Input, |input| {
        let path = input.text(&good);
        let verdict = BY_PANDADOC.verify(&delivery(path.clone(), vec![], body.clone()), &keys, NOW);
        let query = path.split_once('?').map_or("", |(_, query)| query);
        let named: Vec<String> = url::form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| name == "signature")
            .map(|(_, value)| value.into_owned())
            .collect();
        match named.as_slice() {
            [] => assert_eq!(verdict, Err(Refusal::SignatureMissing)),
            [value] if value.eq_ignore_ascii_case(&digest) => assert_eq!(verdict, Ok(1)),
            [_] => assert!(matches!(verdict, Err(Refusal::SignatureWrong | Refusal::SignatureMalformed))),
            [_, _, ..] => assert_eq!(verdict, Err(Refusal::SignatureRepeated)),
        }
    });
}

/// Whatever stands in path, header and time: believed is only what was signed, within the window.
#[test]
fn hubspot_signatures() {
    let keys = [key("another-secret-0001"), key(SECRET)];
    let body = HUBSPOT[0].clone();
    let good_path = "/v1/hooks/fuzzed?src=deal%3Astage%2Fsent&ret=a%20b%26c";
    let address = format!("{HUBSPOT_ADDRESS}?src=deal:stage/sent&ret=a%20b%26c");
    let time = NOW.0.to_string();
    let mac = hmac_sha256(SECRET.as_bytes(), &[b"POST", address.as_bytes(), &body, time.as_bytes()]);
    let digest = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, mac);
    let (paths, digests, times) =
        ([good_path.into()], [digest.clone().into_bytes()], [time.clone().into_bytes()]);
    fuzz!((Input, Input, Input, u8), |(path, signature, signed_at, what)| {
        // Mostly one part is spoiled at a time; the rest is good.
        let path = if what & 1 == 0 { good_path.to_owned() } else { path.text(&paths) };
        let signature = if what & 2 == 0 { digest.clone().into_bytes() } else { signature.bytes(&digests) };
        let signed_at = if what & 4 == 0 { time.clone().into_bytes() } else { signed_at.bytes(&times) };
        let headers = vec![
            ("x-hubspot-signature-v3".to_owned(), signature.clone()),
            ("x-hubspot-request-timestamp".to_owned(), signed_at.clone()),
        ];
        let verdict = BY_HUBSPOT.verify(&delivery(path.clone(), headers, body.clone()), &keys, NOW);
        let as_signed = path.eq_ignore_ascii_case(good_path)
            || path.eq_ignore_ascii_case("/v1/hooks/fuzzed?src=deal:stage/sent&ret=a%20b%26c")
            || !path.starts_with("/v1/hooks/fuzzed?src=deal%3Astage%2Fsent&ret=a%20b%26c");
        if verdict == Ok(1) {
            assert_eq!(decode_base64_digest(&signature), Some(mac), "another signature is believed");
            assert_eq!(signed_at, time.as_bytes(), "another time is believed");
            assert!(as_signed, "another address is believed: {path}");
        } else {
            let untouched =
                path == good_path && signature == digest.as_bytes() && signed_at == time.as_bytes();
            assert!(!untouched, "the good one is refused: {verdict:?}");
        }
    });
}

/// The older versions, where they were asked for: only the plain hash of what they sign, in a version they name.
#[test]
fn old_hubspot_signatures() {
    let keys = [key("another-secret-0001"), key(SECRET)];
    let body = HUBSPOT[0].clone();
    let (one, two) = (
        sha256_hex(&[SECRET.as_bytes(), &body].concat()),
        sha256_hex(&[SECRET.as_bytes(), b"POST", HUBSPOT_ADDRESS.as_bytes(), &body].concat()),
    );
    let digests = [one.clone(), two.clone(), one.to_uppercase()].map(String::into_bytes);
    let versions = [b"v1".to_vec(), b"v2".to_vec()];
    fuzz!((Input, Input, Option<Vec<u8>>), |(signature, version, third)| {
        let (signature, version) = (signature.bytes(&digests), version.bytes(&versions));
        let mut headers = vec![
            ("x-hubspot-signature".to_owned(), signature.clone()),
            ("x-hubspot-signature-version".to_owned(), version.clone()),
        ];
        // Noise in the place of version 3: then nothing older counts.
        headers.extend(third.iter().map(|noise| ("x-hubspot-signature-v3".to_owned(), noise.clone())));
        let verdict =
            BY_OLD_HUBSPOT.verify(&delivery("/v1/hooks/fuzzed".into(), headers, body.clone()), &keys, NOW);
        let right = match version.as_slice() {
            b"v1" => signature.eq_ignore_ascii_case(one.as_bytes()),
            b"v2" => signature.eq_ignore_ascii_case(two.as_bytes()),
            _ => false,
        };
        assert_eq!(verdict == Ok(1), right && third.is_none(), "{verdict:?}");
    });
}
