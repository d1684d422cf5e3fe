use std::str::FromStr;

use domain::ids::ConnectionId;
use domain::intake::Standing;
use proptest::prelude::*;
use secrecy::SecretString;

use super::*;

const LIVE: &str = "atlas_live_7Yq2mWkP0sZr4tVxB9dL";
const TEST: &str = "test_k3Jd82hQpLmN";
const A1: &str = r#"{"event":"envelope.sent","envelope_id":"6f1d2c3b-4a5e-4f60-8b7a-9c0d1e2f3a4b"}"#;
const A2: &str = r#"{"event":"envelope.signed","envelope_id":"6f1d2c3b-4a5e-4f60-8b7a-9c0d1e2f3a4b","status":"signed","parties":[{"email":"dana@buyer.test","name":"Dana Buyer","role":"Customer","order":1,"status":"signed"}],"metadata":{"client_reference_id":"deal-20417","external_id":"20417"}}"#;
const A3: &str = "{\n  \"event\": \"envelope.declined\",\n  \"envelope_id\": \"env_abc999\",\n  \"metadata\": {\"external_id\": \"Zürich-№7 ✍\"},\n  \"reason\": \"Preis zu hoch – 10 €\"\n}\n";
const A4: &str =
    r#"{"id":"evt_01JX8Z3V5T","type":"envelope.completed","data":{"envelopeId":"env_9","version":14}}"#;
const A6: &str = r#"{"event":"envelope.voided","envelope_id":"env_abc999"}"#;
const A6_DIGEST: &str = "cb46b021f637623be7c0e827b08cb37a97515f178a24ccf8118116aa8428176a";

fn delivery(body: &str, signatures: &[&str]) -> RawDelivery {
    RawDelivery {
        connection: ConnectionId::from_str("atlas-main").expect("a connection id"),
        method: "POST".into(),
        path_and_query: "/v1/hooks/atlas-main".into(),
        headers: signatures
            .iter()
            .map(|value| ("x-atlas-signature".into(), value.as_bytes().to_vec()))
            .collect(),
        body: body.as_bytes().to_vec(),
        received_at: Timestamp(0),
    }
}

fn keys(secrets: &[&str]) -> Vec<VerifyKey> {
    let key = |secret: &&str| VerifyKey::new("k", SecretString::from((*secret).to_owned()));
    secrets.iter().map(key).collect::<Result<_, _>>().expect("well-formed keys")
}

fn verify(body: &str, signatures: &[&str], secret: &str) -> Result<usize, Refusal> {
    Scheme::default().verify(&delivery(body, signatures), &keys(&[secret]), Timestamp(0))
}

fn only_signal(body: &str) -> Signal {
    let mut signals = Scheme::default().split(&delivery(body, &[]));
    assert_eq!(signals.len(), 1);
    signals.remove(0)
}

fn news(body: &str) -> EnvelopeNews {
    match only_signal(body).meaning {
        Meaning::Envelope(news) => news,
        other @ (Meaning::Nothing(_) | Meaning::Record(_)) => panic!("not news of an envelope: {other:?}"),
    }
}

#[test]
fn every_vector_of_the_contract_verifies() {
    let vectors = [
        (LIVE, A1, "af4f99e0a2ab966fceb869c7368d0ee06ac653335d986841138f88c966f589a4"),
        (LIVE, A2, "00b0883b613e9332205a6bcd49f54a58d396270632841bd6b9679c180d7b2327"),
        (TEST, A3, "65f993cd8b510d16d92fadeabcc267c83afa726931ac54e249aff8f70787891f"),
        ("whsec_5f0c2b9e1d7a4c38", A4, "a0f1cab712947bd555a8a018cb98d90df2e2c0e7bca7d9974208f1ad92d4db92"),
        (LIVE, "", "5f45d8a4eb2d71fbc22e5e57402cbb220bfd35c5cc5f2eebeed35d81d4b49b51"),
        (TEST, A6, A6_DIGEST),
    ];
    for (secret, body, digest) in vectors {
        assert_eq!(verify(body, &[&format!("sha256={digest}")], secret), Ok(0), "{body}");
    }
}

#[test]
fn bare_digits_upper_case_and_spaces_around_are_accepted() {
    let upper = format!("sha256={}", A6_DIGEST.to_uppercase());
    let spaced = format!("  sha256={A6_DIGEST}\t ");
    for header in [A6_DIGEST, &upper, &spaced] {
        assert_eq!(verify(A6, &[header], TEST), Ok(0), "{header:?}");
    }
}

#[test]
fn every_negative_vector_is_refused_for_its_reason() {
    let good = format!("sha256={A6_DIGEST}");
    let sha1 = format!("sha1={A6_DIGEST}");
    let upper_prefix = format!("SHA256 {A6_DIGEST}");
    let stripe_style = format!("t=1,v1={A6_DIGEST}");
    let with_line_end = format!("{A6}\n");
    let wrong_key = "sha256=6fb0bf9da50a360044f9223a7a10b125597f02ea0fb5f02b2673e7bc038245e7";
    let reserialised = "sha256=aec2ceed3b456d1d8c2487f363add3c94633126d0bd5241d911835e5ab4d3c3d";
    let cases: [(&str, &[&str], Refusal); 12] = [
        (&with_line_end, &[&good], Refusal::SignatureWrong),
        (A6, &[wrong_key], Refusal::SignatureWrong),
        (A3, &[reserialised], Refusal::SignatureWrong),
        (A6, &["y0awIfY3YjvnwOgnsIyzepdRXxeKJMz4EYEWqoQoF2o="], Refusal::SignatureMalformed),
        (A6, &[&A6_DIGEST[..32]], Refusal::SignatureMalformed),
        (A6, &[&sha1], Refusal::SignatureMalformed),
        (A6, &[&upper_prefix], Refusal::SignatureMalformed),
        (A6, &[&stripe_style], Refusal::SignatureMalformed),
        (A6, &[""], Refusal::SignatureMalformed),
        (A6, &[], Refusal::SignatureMissing),
        (A6, &[&good, wrong_key], Refusal::SignatureRepeated),
        (A6, &[&good, &good], Refusal::SignatureRepeated),
    ];
    for (body, headers, refusal) in cases {
        assert_eq!(verify(body, headers, TEST), Err(refusal), "{headers:?}");
    }
}

#[test]
fn a_retired_key_in_force_still_verifies_and_is_named() {
    let found = Scheme::default().verify(&delivery(A6, &[A6_DIGEST]), &keys(&[LIVE, TEST]), Timestamp(0));
    assert_eq!(found, Ok(1));
    assert_eq!(
        Scheme::default().verify(&delivery(A6, &[A6_DIGEST]), &[], Timestamp(0)),
        Err(Refusal::SignatureWrong)
    );
}

#[test]
fn the_headers_name_can_be_set_where_the_vendor_publishes_another() {
    let options = serde_json::json!({"signature_header": "X-Other-Signature", "dialect": "g2"});
    let scheme = Scheme::new(options.as_object().expect("an object"));
    let keys = keys(&[TEST]);
    let usual = delivery(A6, &[A6_DIGEST]);
    assert_eq!(scheme.verify(&usual, &keys, Timestamp(0)), Err(Refusal::SignatureMissing));
    let headers = vec![("x-other-signature".to_owned(), A6_DIGEST.as_bytes().to_vec())];
    assert_eq!(scheme.verify(&RawDelivery { headers, ..usual }, &keys, Timestamp(0)), Ok(0));
}

#[test]
fn a_signed_notice_completes_only_with_the_status_or_all_parties() {
    let body = |status: &str, second: &str| {
        format!(
            r#"{{"event":"envelope.signed","envelope_id":"e1","status":"{status}","parties":[
                {{"order":2,"status":"{second}"}},{{"order":1,"status":"signed"}}]}}"#
        )
    };
    assert_eq!(news(&body("pending", "pending")).claim, Claim::PartySigned);
    assert_eq!(news(&body("pending", "signed")).claim, Claim::Completed);
    assert_eq!(news(&body("pending", "delegated")).claim, Claim::PartySigned, "one of two has signed");
    assert_eq!(news(&body("signed", "pending")).claim, Claim::Completed);
    assert_eq!(
        news(r#"{"event":"envelope.signed","envelope_id":"e1","signed_at":"2026-01-01T00:00:00Z"}"#).claim,
        Claim::Hint,
        "too little is said: a GET must tell"
    );
    assert!(!news(&body("signed", "signed")).conclusive, "a completion is confirmed by a GET");
    let parties = news(&body("pending", "pending")).parties;
    let standings: Vec<_> = parties.iter().map(|party| (party.order, party.standing)).collect();
    assert_eq!(standings, [(1, Standing::Signed), (2, Standing::Pending)]);
}

#[test]
fn both_vocabularies_mean_the_same() {
    let cases = [
        ("envelope.created", Claim::Processing),
        ("envelope.sent", Claim::Sent),
        ("envelope.viewed", Claim::Viewed),
        ("participant.signed", Claim::PartySigned),
        ("envelope.completed", Claim::Completed),
        ("envelope.declined", Claim::Declined { reason: None }),
        ("envelope.voided", Claim::Voided),
        ("envelope.cancelled", Claim::Voided),
        ("envelope.canceled", Claim::Voided),
        ("envelope.expired", Claim::Expired),
        ("contract.extracted", Claim::DataExtracted),
    ];
    for (event, claim) in cases {
        let shapes = [
            format!(r#"{{"event":"{event}","envelope_id":"e1"}}"#),
            format!(r#"{{"type":"{event}","envelopeId":"e1"}}"#),
            format!(r#"{{"event_type":"{event}","data":{{"envelope_id":"e1"}}}}"#),
            format!(r#"{{"type":"{event}","data":{{"id":"e1"}}}}"#),
        ];
        for shape in shapes {
            assert_eq!(news(&shape).claim, claim, "{shape}");
            assert_eq!(news(&shape).provider_id.as_str(), "e1");
        }
    }
}

#[test]
fn the_vectors_carry_their_correlation_reason_and_version() {
    assert_eq!(news(A2).correlation.get("external_id").map(String::as_str), Some("20417"));
    let declined = news(A3);
    assert_eq!(
        declined.claim,
        Claim::Declined { reason: Some(domain::personal::Personal::new("Preis zu hoch – 10 €")) }
    );
    assert_eq!(declined.correlation.get("external_id").map(String::as_str), Some("Zürich-№7 ✍"));
    assert_eq!(news(A4).revision, Some(14));
    assert_eq!(only_signal(A3).raw, A3.as_bytes());
}

#[test]
fn the_events_own_id_dedupes_and_else_the_body_does() {
    assert_eq!(only_signal(A4).dedupe, "id:evt_01JX8Z3V5T");
    assert_eq!(only_signal(A1).dedupe, format!("sha256:{}", sha256_hex(A1.as_bytes())));
    let repeats_envelope = r#"{"event":"envelope.sent","envelope_id":"e1","id":"e1"}"#;
    assert!(only_signal(repeats_envelope).dedupe.starts_with("sha256:"));
}

#[test]
fn what_cannot_be_read_is_one_signal_and_what_is_unknown_is_counted() {
    let long_id = format!(r#"{{"event":"envelope.sent","envelope_id":"{}"}}"#, "x".repeat(200));
    let bodies = ["", "{", "[]", "7", r#"{"event":"envelope.sent"}"#, r#"{"envelope_id":"e"}"#, &long_id];
    for body in bodies {
        let signal = only_signal(body);
        assert_eq!(signal.meaning, Meaning::Nothing(NoMeaning::Unreadable), "{body}");
        assert_eq!(signal.dedupe, format!("sha256:{}", sha256_hex(body.as_bytes())));
    }
    let unknown = r#"{"event":"envelope.teleported","envelope_id":"e1"}"#;
    assert_eq!(only_signal(unknown).meaning, Meaning::Nothing(NoMeaning::UnknownEvent));
    let issued = r#"{"type":"participant.link_issued","data":{"envelopeId":"e1"}}"#;
    assert_eq!(only_signal(issued).meaning, Meaning::Nothing(NoMeaning::NotOurs));
}

proptest! {
    #[test]
    fn any_bytes_at_all_are_one_signal_with_those_very_bytes(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let delivery = RawDelivery { body: body.clone(), ..delivery("", &[]) };
        let signals = Scheme::default().split(&delivery);
        prop_assert_eq!(signals.len(), 1);
        prop_assert_eq!(&signals[0].raw, &body);
    }

    #[test]
    fn a_flipped_bit_in_body_or_header_never_verifies(place in any::<prop::sample::Index>()) {
        let mut body = A6.as_bytes().to_vec();
        let bit = place.index(body.len() * 8);
        body[bit / 8] ^= 1 << (bit % 8);
        let changed = RawDelivery { body, ..delivery("", &[A6_DIGEST]) };
        prop_assert_eq!(Scheme::default().verify(&changed, &keys(&[TEST]), Timestamp(0)), Err(Refusal::SignatureWrong));

        let mut digits = A6_DIGEST.as_bytes().to_vec();
        let place = place.index(digits.len());
        digits[place] = if digits[place] == b'0' { b'1' } else { b'0' };
        let changed = String::from_utf8_lossy(&digits).into_owned();
        prop_assert_eq!(verify(A6, &[&changed], TEST), Err(Refusal::SignatureWrong));
    }

    #[test]
    fn unknown_members_change_nothing(name in "[a-z]{3,8}_x", value in "[ -~]{0,20}") {
        let mut known: Value = serde_json::from_str(A2).unwrap();
        let before = news(A2);
        known[&name] = serde_json::json!({"nested": [value]});
        prop_assert_eq!(news(&known.to_string()), before);
    }
}
