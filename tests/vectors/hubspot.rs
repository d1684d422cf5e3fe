//! HubSpot: crm.md §2.2.4 and §2.2.5.

use serde_json::Value;

use crate::door::Expected::{self, NoSuchMethod, Quarantined, Stored};
use crate::door::{Case, judge};
use crate::tables::{Vector, vector, vectors};

const SIGNATURE: &str = "X-HubSpot-Signature-v3";
const TIMESTAMP: &str = "X-HubSpot-Request-Timestamp";
const LEGACY: &str = "X-HubSpot-Signature";
const LEGACY_VERSION: &str = "X-HubSpot-Signature-Version";
/// The edge of the replay window, in milliseconds.
const WINDOW_MS: i64 = 300_000;

/// The vector posted as it was signed, at the moment it was signed.
fn case(vector: &Vector, expected: Expected) -> Case {
    Case {
        name: vector.name.clone(),
        connection: "hubspot",
        query: vector.query(),
        method: vector.method.clone(),
        headers: vec![(TIMESTAMP, vector.timestamp.to_string()), (SIGNATURE, vector.signature.clone())],
        body: vector.body.clone().into_bytes(),
        at: vector.timestamp,
        expected,
    }
}

fn stored() -> Expected {
    Stored(vec![("deal.propertyChange", "record")])
}

/// HS3-1, changed in one way, which must be refused.
fn spoiled(name: &str, reason: &'static str, change: impl FnOnce(&mut Case)) -> Case {
    let mut case = case(&vector("hubspot-v3", "HS3-1"), Quarantined(reason));
    case.name = name.to_owned();
    change(&mut case);
    case
}

fn set(case: &mut Case, header: &'static str, value: impl Into<String>) {
    case.headers.retain(|(name, _)| *name != header);
    case.headers.push((header, value.into()));
}

fn without(case: &mut Case, header: &str) {
    case.headers.retain(|(name, _)| *name != header);
}

#[tokio::test]
async fn every_vector_of_version_3_is_believed_and_stored() {
    let case_of = |vector: Vector| {
        let expected = match vector.short() {
            "HS3-1" => stored(),
            "HS3-2" => Stored(vec![("deal.propertyChange", "record"), ("deal.propertyChange", "record")]),
            "HS3-3a" | "HS3-3b" => Stored(vec![]),
            // Signed for a card, which is asked for by GET: no delivery, so the door has no such method.
            "HS3-4" => NoSuchMethod,
            // It names no portal and no time: proven, kept for a person, without effect.
            "HS3-5" => Stored(vec![("unreadable", "unreadable")]),
            other => panic!("{other} has no case"),
        };
        case(&vector, expected)
    };
    judge(vectors("hubspot-v3").into_iter().map(case_of).collect()).await;
}

#[tokio::test]
async fn the_published_vectors_are_believed() {
    let published = |timestamp: i64, signature: &str| {
        let vector = Vector {
            name: format!("published, {timestamp}"),
            method: "POST".to_owned(),
            timestamp,
            body: "{'example_field':'example_value'}".to_owned(),
            signature: signature.to_owned(),
            ..Vector::default()
        };
        let expected = Stored(vec![("unreadable", "unreadable")]);
        Case { connection: "hubspot-published", ..case(&vector, expected) }
    };
    judge(vec![
        published(1_693_657_560_000, "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y="),
        published(1_700_000_300_000, "RnbPH7+UMKVkbV32P8bz450N4M56aPmcru1+D3kSDtw="),
    ])
    .await;
}

#[tokio::test]
async fn every_negative_case_is_refused_for_its_reason() {
    let good = vector("hubspot-v3", "HS3-1");
    let at = good.timestamp;
    let foreign_alphabet = good.signature.replace('+', "-").replace('/', "_");
    let cases = vec![
        spoiled("one byte of the body changed", "signature_wrong", |case| case.body[20] ^= 1),
        spoiled("http instead of https", "signature_wrong", |case| case.connection = "hubspot-plain"),
        spoiled("timestamp + 1", "signature_wrong", |case| set(case, TIMESTAMP, (at + 1).to_string())),
        spoiled("too late", "timestamp_out_of_window", |case| case.at = at + WINDOW_MS + 1),
        spoiled("too early", "timestamp_out_of_window", |case| case.at = at - WINDOW_MS - 1),
        spoiled("another secret", "signature_wrong", |case| case.connection = "hubspot-other-secret"),
        spoiled("base64url", "signature_malformed", |case| set(case, SIGNATURE, &*foreign_alphabet)),
        spoiled("no signature", "signature_missing", |case| without(case, SIGNATURE)),
        spoiled("no timestamp", "timestamp_malformed", |case| without(case, TIMESTAMP)),
        spoiled("timestamp abc", "timestamp_malformed", |case| set(case, TIMESTAMP, "abc")),
        spoiled("seconds", "timestamp_out_of_window", |case| set(case, TIMESTAMP, (at / 1000).to_string())),
        spoiled("two signatures", "signature_repeated", |case| {
            case.headers.push((SIGNATURE, good.signature.clone()));
        }),
        spoiled("two timestamps", "timestamp_malformed", |case| {
            case.headers.push((TIMESTAMP, at.to_string()));
        }),
        spoiled("a query that was not signed", "signature_wrong", |case| case.query = "?a=b".to_owned()),
        spoiled("version 3 wrong, version 1 right", "signature_wrong", |case| {
            set(case, SIGNATURE, vector("hubspot-v3", "HS3-2").signature);
            set(case, LEGACY_VERSION, "v1");
            set(case, LEGACY, vector("hubspot-v1", "HS1-1").signature);
        }),
        spoiled("HS3-5 printed again", "signature_wrong", |case| {
            let spaced = vector("hubspot-v3", "HS3-5");
            let parsed: Value = serde_json::from_str(&spaced.body).expect("JSON");
            case.body = parsed.to_string().into_bytes();
            set(case, SIGNATURE, spaced.signature);
        }),
    ];
    judge(cases).await;
}

#[tokio::test]
async fn the_edge_of_the_window_belongs_to_it() {
    let vector = vector("hubspot-v3", "HS3-1");
    let cases = [-WINDOW_MS, WINDOW_MS].map(|offset| Case {
        name: format!("{offset} ms beside"),
        at: vector.timestamp + offset,
        ..case(&vector, stored())
    });
    judge(cases.into()).await;
}

#[tokio::test]
async fn the_older_versions_are_not_believed_unless_they_were_asked_for() {
    let older = |kind: &str, version: &str, short: &str| {
        let vector = vector(kind, short);
        let mut case = case(&vector, Quarantined("signature_missing"));
        case.at = 1_767_225_600_000;
        case.headers = vec![(LEGACY_VERSION, version.to_owned()), (LEGACY, vector.signature)];
        case
    };
    judge(vec![older("hubspot-v1", "v1", "HS1-1"), older("hubspot-v2", "v2", "HS2-1")]).await;
}
