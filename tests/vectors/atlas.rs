//! Atlas: atlas.md §11.6.

use crate::door::Expected::{self, Quarantined, Stored};
use crate::door::{Case, judge};
use crate::tables::{Text, text, texts};

/// Any moment: the scheme signs no time.
const AT: i64 = 1_793_527_200_000;
const HEADER: &str = "X-Atlas-Signature";
const TEST_CONNECTION: &str = "atlas-test";

fn case(name: &str, connection: &'static str, signatures: &[&str], body: &[u8], expected: Expected) -> Case {
    Case {
        name: name.to_owned(),
        connection,
        query: String::new(),
        method: "POST".to_owned(),
        headers: signatures.iter().map(|value| (HEADER, (*value).to_owned())).collect(),
        body: body.to_vec(),
        at: AT,
        expected,
    }
}

/// The connection that holds the vector's key.
fn connection(text: &Text) -> &'static str {
    match text.key.as_str() {
        "test_k3Jd82hQpLmN" => TEST_CONNECTION,
        key if key.starts_with("whsec_") => "atlas-endpoint",
        _ => "atlas-live",
    }
}

#[tokio::test]
async fn every_vector_of_the_text_is_believed_and_stored() {
    let case_of = |text: Text| {
        let signals = match text.name.as_str() {
            "A1" => vec![("envelope.sent", "envelope")],
            "A2" => vec![("envelope.signed", "envelope")],
            "A3" => vec![("envelope.declined", "envelope")],
            "A4" => vec![("envelope.completed", "envelope")],
            // It verifies, and cannot be read: kept for a person, answered 200, because coming again would not help.
            "A5" => vec![("unreadable", "unreadable")],
            "A6" => vec![("envelope.voided", "envelope")],
            other => panic!("{other} has no case"),
        };
        let signature = format!("sha256={}", text.digest);
        case(&text.name, connection(&text), &[&signature], &text.body(), Stored(signals))
    };
    judge(texts("atlas").into_iter().map(case_of).collect()).await;
}

#[tokio::test]
async fn every_form_of_the_header_that_must_pass_does() {
    let a6 = text("A6");
    let digest = &a6.digest;
    let forms = [
        ("bare digits", digest.clone()),
        ("upper case", format!("sha256={}", digest.to_uppercase())),
        ("spaces around", format!("   sha256={digest} \t")),
    ];
    // The same signal three times in one world would be one signal: each form gets a world of its own.
    for (name, header) in forms {
        let expected = Stored(vec![("envelope.voided", "envelope")]);
        judge(vec![case(name, TEST_CONNECTION, &[&header], &a6.body(), expected)]).await;
    }
}

#[tokio::test]
async fn every_negative_vector_is_refused_for_its_reason() {
    let (a3, a6) = (text("A3"), text("A6"));
    let good = format!("sha256={}", a6.digest);
    let wrong_key = "sha256=6fb0bf9da50a360044f9223a7a10b125597f02ea0fb5f02b2673e7bc038245e7";
    let printed_again = "sha256=aec2ceed3b456d1d8c2487f363add3c94633126d0bd5241d911835e5ab4d3c3d";
    let with_line_end = [a6.body(), b"\n".to_vec()].concat();
    let (sha1, shouted) = (format!("sha1={}", a6.digest), format!("SHA256 {}", a6.digest));
    let dated = format!("t=1793527200,v1={}", a6.digest);
    let refused = |name, signatures: &[&str], body: &[u8], reason| {
        case(name, TEST_CONNECTION, signatures, body, Quarantined(reason))
    };
    judge(vec![
        refused("one more line end", &[&good], &with_line_end, "signature_wrong"),
        refused("another key", &[wrong_key], &a6.body(), "signature_wrong"),
        refused("A3 printed again", &[printed_again], &a3.body(), "signature_wrong"),
        refused(
            "base64",
            &["y0awIfY3YjvnwOgnsIyzepdRXxeKJMz4EYEWqoQoF2o="],
            &a6.body(),
            "signature_malformed",
        ),
        refused("32 digits", &[&a6.digest[..32]], &a6.body(), "signature_malformed"),
        refused("sha1=", &[&sha1], &a6.body(), "signature_malformed"),
        refused("SHA256 and a space", &[&shouted], &a6.body(), "signature_malformed"),
        refused("t=…,v1=…", &[&dated], &a6.body(), "signature_malformed"),
        refused("twice, one good", &[&good, wrong_key], &a6.body(), "signature_repeated"),
        refused("twice the good one", &[&good, &good], &a6.body(), "signature_repeated"),
        refused("none", &[], &a6.body(), "signature_missing"),
    ])
    .await;
}

#[tokio::test]
async fn a_signature_of_one_connection_opens_no_other() {
    let a1 = text("A1");
    let signature = format!("sha256={}", a1.digest);
    let cases = [TEST_CONNECTION, "atlas-endpoint"]
        .map(|other| case(other, other, &[&signature], &a1.body(), Quarantined("signature_wrong")));
    judge(cases.into()).await;
}
