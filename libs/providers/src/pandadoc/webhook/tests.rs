use std::str::FromStr;

use domain::ids::ConnectionId;
use domain::intake::Standing;
use proptest::prelude::*;
use secrecy::SecretString;

use super::*;

const KEY: &str = "nK4wTz8QpR2vYb6LsXc9Hd";
const P1: &str = r#"[{"event":"document_state_changed","data":{"id":"eHCjT7fzWydzJnbq2nBbvA","name":"Order form 20417","status":"document.sent"}}]"#;
const P1_DIGEST: &str = "9a87b9395c6569e29b3bbeb17d53ea073befc29f3afb36a9706509de7700c097";
const P2: &str = r#"[{"event":"recipient_completed","data":{"id":"eHCjT7fzWydzJnbq2nBbvA","status":"document.viewed","action_date":"2026-11-02T10:15:30.123456Z","action_by":{"id":"7kqXgjFejB2toXxjcC5jfZ","email":"dana@buyer.test"}}},{"event":"document_state_changed","data":{"id":"eHCjT7fzWydzJnbq2nBbvA","status":"document.completed"}}]"#;
const P3: &str = r#"[{"event": "document_creation_failed", "data": {"id": "ptSNky6J4Q8yDh3QKwa7fZ", "error": {"type": "validation_error", "detail": "Role for form field 'Größe' is missing – añadir"}}}]"#;
const P5: &str = r#"[{"event":"document_completed_pdf_ready","data":{"id":"eHCjT7fzWydzJnbq2nBbvA","status":"document.completed"}}]"#;
const QH1: &str = r#"[{"event":"document_state_changed","data":{"id":"DocTest000000000000001","name":"Order form 7","status":"document.completed","date_modified":"2026-01-01T00:00:00.000000Z","metadata":{"envelope_id":"env_01JTEST0000000000000000001"}}}]"#;
const QH2: &str = r#"[{"event":"envelope.sent","data":{"id":"env_01JTEST0000000000000000002","name":"Vertrag Müller & Söhne – 契約"}},{"event":"envelope.signed","data":{"id":"env_01JTEST0000000000000000002","status":"envelope.signed"}}]"#;

fn delivery(body: &str, query: &str) -> RawDelivery {
    RawDelivery {
        connection: ConnectionId::from_str("pandadoc-sales").expect("a connection id"),
        method: "POST".into(),
        path_and_query: format!("/v1/hooks/pandadoc-sales{query}"),
        headers: Vec::new(),
        body: body.as_bytes().to_vec(),
        received_at: Timestamp(0),
    }
}

fn keys(secrets: &[&str]) -> Vec<VerifyKey> {
    let key = |secret: &&str| VerifyKey::new("s", SecretString::from((*secret).to_owned()));
    secrets.iter().map(key).collect::<Result<_, _>>().expect("well-formed keys")
}

fn verify(body: &str, query: &str, secret: &str) -> Result<usize, Refusal> {
    Scheme.verify(&delivery(body, query), &keys(&[secret]), Timestamp(0))
}

fn split(body: &str) -> Vec<Signal> {
    Scheme.split(&delivery(body, ""))
}

fn news(element: &str) -> EnvelopeNews {
    match split(element).remove(0).meaning {
        Meaning::Envelope(news) => news,
        other @ (Meaning::Nothing(_) | Meaning::Record(_)) => panic!("not news of an envelope: {other:?}"),
    }
}

fn claim_of_status(status: &str) -> Claim {
    news(&format!(r#"{{"event":"document_state_changed","data":{{"id":"d1","status":"{status}"}}}}"#)).claim
}

#[test]
fn every_vector_of_the_contracts_verifies() {
    let example = "pd_shared_key_EXAMPLE_000";
    let vectors = [
        (KEY, P1, P1_DIGEST),
        (KEY, P2, "0916fddf7d1e8a9512de1d60d5a5bf39c6ccf310a397f4f8e3af42014d86e86b"),
        ("pQ9-shared.key+2026", P3, "8cf175fe920dd8cb948876c814118a3430cf25d5acfadf5758537c6e7e2ee8fc"),
        (KEY, "[]", "3dd83c2d956caf6ba45bd333c0a21e092faab517f573de8898fbafe551a24e76"),
        ("oldKey000000000000000A", P5, "d6afcd740a5bc1ce0b52fb93b401c52d85734411f46ad88a46b344b4b15da1ce"),
        (example, QH1, "b5e614c928c3ecd40bb1ec72af017aca176b7ef415e9826e32b7e4a6601fdf62"),
        (example, QH2, "0f977e6a2e4f0c9330fc8e70cd4a0c39788cf8fe4b9568dfc2bb4af5435cc682"),
        (example, "[]", "0a1cb0bada54c2e38a54b4f943bd01e330be1bb1c05aa4c3aaf7293c1b157a10"),
    ];
    for (secret, body, digest) in vectors {
        assert_eq!(verify(body, &format!("?signature={digest}"), secret), Ok(0), "{body}");
        assert_eq!(verify(body, &format!("?tenant=acme&signature={digest}"), secret), Ok(0), "{body}");
    }
}

#[test]
fn the_old_key_verifies_only_while_it_is_in_force() {
    let delivery =
        delivery(P5, "?signature=d6afcd740a5bc1ce0b52fb93b401c52d85734411f46ad88a46b344b4b15da1ce");
    let (both, current) = (keys(&[KEY, "oldKey000000000000000A"]), keys(&[KEY]));
    assert_eq!(Scheme.verify(&delivery, &both, Timestamp(0)), Ok(1));
    assert_eq!(Scheme.verify(&delivery, &current, Timestamp(0)), Err(Refusal::SignatureWrong));
}

#[test]
fn every_negative_vector_is_refused_for_its_reason() {
    let compact = "?signature=16789ade901b148842d33851e912f67b91f8c150c8280a4496f92031949a6650";
    let trailing_space_key = "?signature=37766205fef5dd5e75ecbf683a3644dde5542d6777eb6f59aeb268f2c7fb9f48";
    let prefixed = format!("?signature=sha256={P1_DIGEST}");
    let short = format!("?signature={}", &P1_DIGEST[1..]);
    let twice = format!("?signature={P1_DIGEST}&signature={P1_DIGEST}");
    let hidden_twin = format!("?signature={P1_DIGEST}&%73ignature=0");
    let in_fragment_of_another = format!("?x=signature={P1_DIGEST}");
    let cases = [
        (P3, compact, "pQ9-shared.key+2026", Refusal::SignatureWrong),
        (P1, trailing_space_key, KEY, Refusal::SignatureWrong),
        (P1, "", KEY, Refusal::SignatureMissing),
        (P1, "?", KEY, Refusal::SignatureMissing),
        (P1, &in_fragment_of_another, KEY, Refusal::SignatureMissing),
        (P1, &short, KEY, Refusal::SignatureMalformed),
        (P1, &prefixed, KEY, Refusal::SignatureMalformed),
        (P1, "?signature=", KEY, Refusal::SignatureMalformed),
        (P1, &twice, KEY, Refusal::SignatureRepeated),
        (P1, &hidden_twin, KEY, Refusal::SignatureRepeated),
    ];
    for (body, query, secret, refusal) in cases {
        assert_eq!(verify(body, query, secret), Err(refusal), "{query}");
    }
    assert!(
        VerifyKey::new("s", SecretString::from(format!("{KEY} "))).is_err(),
        "keys with spaces are refused"
    );
}

#[test]
fn every_element_of_a_batch_is_a_signal_of_its_own_with_its_exact_bytes() {
    let spaced = P2.replace("},{\"event\"", "} ,\n {\"event\"");
    let signals = split(&spaced);
    let raws: Vec<String> =
        signals.iter().map(|signal| String::from_utf8_lossy(&signal.raw).into_owned()).collect();
    assert_eq!(raws.len(), 2);
    assert!(
        raws.iter().all(|raw| spaced.contains(raw.as_str()) && raw.starts_with('{') && raw.ends_with('}'))
    );
    let hash = sha256_hex(spaced.as_bytes());
    let dedupes: Vec<&str> = signals.iter().map(|signal| signal.dedupe.as_str()).collect();
    assert_eq!(dedupes, [format!("{hash}:0"), format!("{hash}:1")]);
}

#[test]
fn the_event_id_header_dedupes_when_there_is_exactly_one() {
    let mut delivery = delivery(P1, "");
    delivery.headers.push((EVENT_ID_HEADER.into(), b"6680b700-cbb8-4ab9-bf99-15d1cb4ab9f2".to_vec()));
    let by_body = format!("{}:0", sha256_hex(P1.as_bytes()));
    let signal = Scheme.split(&delivery).remove(0);
    assert_eq!(signal.dedupe, "6680b700-cbb8-4ab9-bf99-15d1cb4ab9f2:0");
    assert_eq!(signal.also.as_deref(), Some(by_body.as_str()), "its body is its second name");
    delivery.headers.push((EVENT_ID_HEADER.into(), b"another".to_vec()));
    let signal = Scheme.split(&delivery).remove(0);
    assert_eq!((signal.dedupe, signal.also), (by_body.clone(), Some(by_body)));
}

#[test]
fn a_bare_object_is_a_batch_of_one_and_an_empty_array_of_none() {
    assert_eq!(split(P1.trim_matches(['[', ']'])).len(), 1);
    assert_eq!(split("[]"), Vec::new());
}

#[test]
fn every_status_of_the_vendor_has_its_claim() {
    let reason = domain::personal::Personal::new("no reason given");
    let cases = [
        ("uploaded", Claim::Processing),
        ("error", Claim::PreparationFailed { reason }),
        ("draft", Claim::Draft),
        ("scheduled", Claim::Scheduled),
        ("waiting_approval", Claim::ApprovalRequested),
        ("approved", Claim::ApprovalGranted),
        ("rejected", Claim::ApprovalRefused),
        ("sent", Claim::Sent),
        ("viewed", Claim::Viewed),
        ("external_review", Claim::ChangesSuggested),
        ("waiting_pay", Claim::PaymentDue),
        ("paid", Claim::Paid),
        ("completed", Claim::Completed),
        ("voided", Claim::Expired),
        ("cancelled", Claim::Voided),
        ("declined", Claim::Declined { reason: None }),
        ("brand_new", Claim::Hint),
    ];
    for (status, claim) in cases {
        assert_eq!(claim_of_status(&format!("document.{status}")), claim, "{status}");
    }
}

#[test]
fn what_the_audit_trail_knows_better_is_confirmed_before_it_counts() {
    let conclusive = |status: &str, more: &str| {
        let data = format!(r#"{{"id":"d1","status":"document.{status}"{more}}}"#);
        news(&format!(r#"{{"event":"document_state_changed","data":{data}}}"#)).conclusive
    };
    for status in ["completed", "paid", "draft", "voided", "declined", "brand_new"] {
        assert!(!conclusive(status, ""), "{status}: a GET tells more");
    }
    for status in ["sent", "viewed", "waiting_pay", "waiting_approval", "error"] {
        assert!(conclusive(status, ""), "{status}");
    }
    assert!(conclusive("declined", r#","decline_reason":"Too dear""#), "nothing more to ask");
}

#[test]
fn that_the_last_signer_is_done_is_no_completion_before_a_get_says_so() {
    let told = news(
        r#"{"event":"recipient_completed","data":{"id":"d1","status":"document.waiting_pay","recipients":[
        {"recipient_type":"signer","signing_order":1,"has_completed":true},
        {"recipient_type":"signer","signing_order":2,"has_completed":true}]}}"#,
    );
    assert_eq!((told.claim, told.conclusive), (Claim::PartySigned, false), "money may be due");
}

#[test]
fn every_event_of_the_vendor_has_its_meaning() {
    let meaning =
        |event: &str| split(&format!(r#"[{{"event":"{event}","data":{{"id":"d1"}}}}]"#)).remove(0).meaning;
    for event in [
        "document_section_added",
        "quote_updated",
        "template_created",
        "teamplate_created",
        "template_updated",
        "template_deleted",
        "content_library_item_created",
        "content_library_item_creation_failed",
    ] {
        assert_eq!(meaning(event), Meaning::Nothing(NoMeaning::NotOurs), "{event}");
    }
    for (event, name) in [
        ("document_state_changed", "hint"),
        ("document_completed_pdf_ready", "artifact_ready"),
        ("document_updated", "hint"),
        ("recipient_completed", "party_signed"),
        ("document_deleted", "deleted"),
        ("document_creation_failed", "preparation_failed"),
    ] {
        assert!(matches!(meaning(event), Meaning::Envelope(news) if news.claim.name() == name), "{event}");
    }
    assert_eq!(meaning("document_levitated"), Meaning::Nothing(NoMeaning::UnknownEvent));
    assert_eq!(split(QH2).len(), 2, "unknown events are kept, each for itself");
}

#[test]
fn old_and_new_names_of_the_action_time_are_read() {
    let body = |name: &str| {
        format!(
            r#"[{{"event":"recipient_completed","data":{{"id":"d","{name}":"1970-01-01T00:00:02.5Z"}}}}]"#
        )
    };
    for name in ["action_date", "action_on"] {
        assert_eq!(split(&body(name))[0].occurred_at, Some(Timestamp(2500)), "{name}");
    }
}

#[test]
fn revision_correlation_and_parties_are_read() {
    assert_eq!(news(QH1).revision, Some(1_767_225_600_000));
    assert_eq!(
        news(QH1).correlation.get("envelope_id").map(String::as_str),
        Some("env_01JTEST0000000000000000001")
    );
    let body = r#"{"event":"recipient_completed","data":{"id":"d","status":"document.viewed","template":null,"recipients":[
        {"recipient_type":"CC","has_completed":false},
        {"recipient_type":"signer","signing_order":3,"has_completed":false},
        {"recipient_type":"signer","signing_order":2,"has_completed":false},
        {"recipient_type":"signer","signing_order":1,"has_completed":true}]}}"#;
    let standings: Vec<_> = news(body).parties.iter().map(|party| (party.order, party.standing)).collect();
    assert_eq!(standings, [(1, Standing::Signed), (2, Standing::Pending), (3, Standing::Waiting)]);
}

#[test]
fn what_cannot_be_read_spoils_only_itself() {
    for body in ["", "{", "7", "\"text\"", "[1,2"] {
        let signals = split(body);
        assert_eq!(signals.len(), 1, "{body}");
        assert_eq!(signals[0].meaning, Meaning::Nothing(NoMeaning::Unreadable), "{body}");
        assert_eq!(signals[0].dedupe, format!("sha256:{}", sha256_hex(body.as_bytes())));
    }
    let mixed = format!(r#"[7,{{"event":"recipient_completed","data":{{}}}},{}"#, &P1[1..]);
    let signals = split(&mixed);
    assert_eq!(signals.len(), 3);
    assert_eq!(signals[0].meaning, Meaning::Nothing(NoMeaning::Unreadable));
    assert_eq!(signals[1].meaning, Meaning::Nothing(NoMeaning::Unreadable), "an event without its document");
    assert!(matches!(&signals[2].meaning, Meaning::Envelope(news) if news.claim == Claim::Sent));
}

proptest! {
    #[test]
    fn any_bytes_at_all_are_split_without_loss(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let delivery = RawDelivery { body: body.clone(), ..delivery("", "") };
        let signals = Scheme.split(&delivery);
        let batch = serde_json::from_slice::<Vec<Value>>(&body).map_or(1, |elements| elements.len());
        prop_assert_eq!(signals.len(), batch);
    }

    #[test]
    fn every_element_of_a_batch_of_any_values_is_kept(elements in prop::collection::vec("(null|7|\"x\"|\\{\\}|\\[1\\])", 0..20)) {
        let signals = split(&format!("[{}]", elements.join(" ,\n")));
        let raws: Vec<String> = signals.iter().map(|s| String::from_utf8_lossy(&s.raw).into_owned()).collect();
        prop_assert_eq!(raws, elements);
        prop_assert!(signals.iter().all(|s| s.meaning == Meaning::Nothing(NoMeaning::Unreadable)));
    }

    #[test]
    fn a_flipped_bit_of_the_body_never_verifies(place in any::<prop::sample::Index>()) {
        let mut body = P1.as_bytes().to_vec();
        let bit = place.index(body.len() * 8);
        body[bit / 8] ^= 1 << (bit % 8);
        let changed = RawDelivery { body, ..delivery("", &format!("?signature={P1_DIGEST}")) };
        prop_assert_eq!(Scheme.verify(&changed, &keys(&[KEY]), Timestamp(0)), Err(Refusal::SignatureWrong));
    }
}
