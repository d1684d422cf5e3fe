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

/// A delivery signed in an older version, which has no time.
fn older(name: &str, version: &str, signature: &str, body: &str, expected: Expected) -> Case {
    Case {
        name: format!("{version}: {name}"),
        connection: "hubspot",
        query: String::new(),
        method: "POST".to_owned(),
        headers: vec![(LEGACY_VERSION, version.to_owned()), (LEGACY, signature.to_owned())],
        body: body.as_bytes().to_vec(),
        at: 1_767_225_600_000,
        expected,
    }
}

#[tokio::test]
async fn the_older_versions_are_not_believed_unless_they_were_asked_for() {
    let (one, two) = (vector("hubspot-v1", "HS1-1"), vector("hubspot-v2", "HS2-1"));
    let refused = Quarantined("signature_missing");
    judge(vec![
        older("unasked", "v1", &one.signature, &one.body, refused.clone()),
        older("unasked", "v2", &two.signature, &two.body, refused),
    ])
    .await;
}

#[tokio::test]
async fn the_older_versions_are_believed_where_they_were_asked_for() {
    let (one, two) = (vector("hubspot-v1", "HS1-1"), vector("hubspot-v2", "HS2-1"));
    // A workflow sends the record itself: each of its properties may start a flow.
    let enrolled = Stored(vec![("deal.workflow", "record"), ("deal.workflow", "record")]);
    let kept = Stored(vec![("unreadable", "unreadable")]);
    let contact = "[{\"eventId\":1,\"subscriptionId\":12345,\"portalId\":62515,\"occurredAt\":1564113600000,\
                   \"subscriptionType\":\"contact.creation\",\"attemptNumber\":0,\"objectId\":123,\"changeSource\":\"CRM\",\
                   \"changeFlag\":\"NEW\",\"appId\":54321}]";
    let published = "hubspot-published-legacy";
    let get = "eee2dddcc73c94d699f5e395f4b9d454a069a6855fbfa152e91e88823087200e";
    judge(vec![
        Case { connection: "hubspot-legacy", ..older("HS1-1", "v1", &one.signature, &one.body, stored()) },
        Case { connection: "hubspot-workflow", ..older("HS2-1", "v2", &two.signature, &two.body, enrolled) },
        Case {
            connection: published,
            ..older(
                "published",
                "v1",
                "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de",
                contact,
                Stored(vec![("contact.creation", "record")]),
            )
        },
        Case {
            connection: published,
            ..older(
                "published",
                "v2",
                "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900",
                "{\"example_field\":\"example_value\"}",
                kept,
            )
        },
        Case {
            connection: published,
            method: "GET".to_owned(),
            ..older("published, GET", "v2", get, "", NoSuchMethod)
        },
    ])
    .await;
}

#[tokio::test]
async fn what_was_asked_for_opens_no_other_door() {
    let (one, two) = (vector("hubspot-v1", "HS1-1"), vector("hubspot-v2", "HS2-1"));
    let three = vector("hubspot-v3", "HS3-2");
    let mut beside =
        older("beside a wrong version 3", "v1", &one.signature, &one.body, Quarantined("signature_wrong"));
    beside.connection = "hubspot-legacy";
    beside.headers.push((TIMESTAMP, beside.at.to_string()));
    beside.headers.push((SIGNATURE, three.signature));
    let wrong = |name, connection, version, signature: &str, body: &str, reason| Case {
        connection,
        ..older(name, version, signature, body, Quarantined(reason))
    };
    let spoiled = one.body.replace("contractsent", "closedwon");
    judge(vec![
        beside,
        wrong("another body", "hubspot-legacy", "v1", &one.signature, &spoiled, "signature_wrong"),
        wrong(
            "version 2 was not asked for",
            "hubspot-legacy",
            "v2",
            &two.signature,
            &two.body,
            "signature_missing",
        ),
        wrong(
            "version 1 was not asked for",
            "hubspot-workflow",
            "v1",
            &one.signature,
            &one.body,
            "signature_missing",
        ),
        wrong("63 digits", "hubspot-legacy", "v1", &one.signature[1..], &one.body, "signature_malformed"),
        wrong(
            "another address",
            "hubspot-published-legacy",
            "v2",
            &two.signature,
            &two.body,
            "signature_wrong",
        ),
    ])
    .await;
}
