//! PandaDoc: pandadoc.md §7 and the vectors signed in the query.

use crate::door::Expected::{self, Quarantined, Stored};
use crate::door::{Case, judge};
use crate::tables::{Text, Vector, text, texts, vectors};

/// 2026-11-01T00:00:00Z: half an hour before the retired key's window ends.
const AT: i64 = 1_793_491_200_000;
/// How long after [`AT`] the window ends, in milliseconds.
const OVERLAP_MS: i64 = 30 * 60 * 1000;

fn case(name: &str, connection: &'static str, query: &str, body: Vec<u8>, expected: Expected) -> Case {
    Case {
        name: name.to_owned(),
        connection,
        query: query.to_owned(),
        method: "POST".to_owned(),
        headers: Vec::new(),
        body,
        at: AT,
        expected,
    }
}

fn signed(digest: &str) -> String {
    format!("?signature={digest}")
}

#[tokio::test]
async fn every_vector_of_the_text_is_believed_and_stored() {
    let state_changed = ("document_state_changed", "envelope");
    let case_of = |text: Text| {
        let (connection, signals) = match text.name.as_str() {
            "P1" => ("pandadoc", vec![state_changed]),
            "P2" => ("pandadoc", vec![("recipient_completed", "envelope"), state_changed]),
            "P3" => ("pandadoc-special", vec![("document_creation_failed", "envelope")]),
            "P4" => ("pandadoc", vec![]),
            "P5" => ("pandadoc-rotating", vec![("document_completed_pdf_ready", "envelope")]),
            other => panic!("{other} has no case"),
        };
        case(&text.name, connection, &signed(&text.digest), text.body(), Stored(signals))
    };
    judge(texts("pandadoc").into_iter().map(case_of).collect()).await;
}

#[tokio::test]
async fn every_vector_signed_in_the_query_is_believed_and_stored() {
    let case_of = |vector: Vector| {
        let signals = match vector.short() {
            "QH-1" => vec![("document_state_changed", "envelope")],
            // Events of another vendor's: proven, and nothing we know.
            "QH-2" => vec![("envelope.sent", "unknown_event"), ("envelope.signed", "unknown_event")],
            "QH-3" => vec![],
            other => panic!("{other} has no case"),
        };
        let body = vector.body.clone().into_bytes();
        case(&vector.name, "pandadoc-query", &vector.query(), body, Stored(signals))
    };
    judge(vectors("query-hmac").into_iter().map(case_of).collect()).await;
}

#[tokio::test]
async fn the_old_key_passes_only_while_the_windows_overlap() {
    let p5 = text("P5");
    let case_at = |name, at, expected| Case {
        at,
        ..case(name, "pandadoc-rotating", &signed(&p5.digest), p5.body(), expected)
    };
    let stored = Stored(vec![("document_completed_pdf_ready", "envelope")]);
    judge(vec![
        case_at("a second before the end", AT + OVERLAP_MS - 1000, stored),
        case_at("a second after the end", AT + OVERLAP_MS + 1000, Quarantined("signature_wrong")),
        Case { connection: "pandadoc", ..case_at("without the old key", AT, Quarantined("signature_wrong")) },
    ])
    .await;
}

#[tokio::test]
async fn every_negative_vector_is_refused_for_its_reason() {
    let (p1, p3) = (text("P1"), text("P3"));
    let printed_again = signed("16789ade901b148842d33851e912f67b91f8c150c8280a4496f92031949a6650");
    let spaced_key = signed("37766205fef5dd5e75ecbf683a3644dde5542d6777eb6f59aeb268f2c7fb9f48");
    let good = signed(&p1.digest);
    let refused = |name, connection, query: &str, text: &Text, reason| {
        case(name, connection, query, text.body(), Quarantined(reason))
    };
    judge(vec![
        refused("P3 printed again", "pandadoc-special", &printed_again, &p3, "signature_wrong"),
        refused("a key with a space behind", "pandadoc", &spaced_key, &p1, "signature_wrong"),
        refused("no parameter", "pandadoc", "", &p1, "signature_missing"),
        refused("another parameter", "pandadoc", "?tenant=acme", &p1, "signature_missing"),
        refused("63 digits", "pandadoc", &signed(&p1.digest[..63]), &p1, "signature_malformed"),
        refused(
            "sha256= before it",
            "pandadoc",
            &signed(&format!("sha256={}", p1.digest)),
            &p1,
            "signature_malformed",
        ),
        refused("twice", "pandadoc", &format!("{good}&signature={}", p1.digest), &p1, "signature_repeated"),
    ])
    .await;
}

#[tokio::test]
async fn digits_of_either_case_are_one_signature() {
    let p1 = text("P1");
    let expected = Stored(vec![("document_state_changed", "envelope")]);
    let query = signed(&p1.digest.to_uppercase());
    judge(vec![case("upper case", "pandadoc", &query, p1.body(), expected)]).await;
}
