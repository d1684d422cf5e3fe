//! Requests for envelopes, and envelopes as they are shown.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use contracts::envelope::{CreateEnvelope, FieldViolation, UPLOAD_BYTES_MAX, create_request, resource};
use contracts::wire::envelope as wire;
use contracts::wire::envelope::create_envelope_request::Document as WireDocument;
use domain::envelope::{Document, Envelope, Event, SendPolicy, replay};
use domain::ids::EnvelopeId;
use domain::personal::Personal;

fn party(name: &str, email: &str) -> wire::NewParty {
    wire::NewParty { role: "Customer".to_owned(), name: name.to_owned(), email: email.to_owned() }
}

fn request() -> wire::CreateEnvelopeRequest {
    wire::CreateEnvelopeRequest {
        request_id: "req-1".to_owned(),
        provider: "atlas-main".to_owned(),
        document: Some(WireDocument::Url("https://files.acme.test/a.pdf".to_owned())),
        parties: vec![party("Dana Buyer", "dana@buyer.test"), party("Sam Seller", "sam@acme.test")],
        title: "Order form".to_owned(),
        ..wire::CreateEnvelopeRequest::default()
    }
}

fn fields(result: Result<CreateEnvelope, Vec<FieldViolation>>) -> Vec<String> {
    result.unwrap_err().into_iter().map(|violation| violation.field).collect()
}

#[test]
fn a_small_request_is_completed_with_defaults() {
    let order = create_request(request()).unwrap().order;
    assert_eq!(order.flow.as_str(), "api");
    assert_eq!(order.operation_key.as_str(), "req-1");
    assert_eq!(order.send, SendPolicy::Review);
    assert_eq!(order.expires_after, None);
    assert_eq!(order.parties.total(), 2);
}

#[test]
fn every_mistake_is_named_at_once() {
    let wrong = wire::CreateEnvelopeRequest {
        request_id: String::new(),
        provider: "atlas main".to_owned(),
        document: None,
        parties: vec![party("Dana Buyer", "dana"), party("", "sam@acme.test")],
        title: String::new(),
        send: 77,
        remind_after_ms: vec![5, 5],
        ..request()
    };
    assert_eq!(
        fields(create_request(wrong)),
        [
            "request_id",
            "provider",
            "document",
            "parties[0].email",
            "parties[1].name",
            "send",
            "title",
            "remind_after_ms",
        ]
    );
}

#[test]
fn nobody_or_too_many_to_sign_is_refused() {
    let nobody = wire::CreateEnvelopeRequest { parties: Vec::new(), ..request() };
    assert_eq!(fields(create_request(nobody)), ["parties"]);
    let parties = vec![party("Dana Buyer", "dana@buyer.test"); 11];
    assert_eq!(fields(create_request(wire::CreateEnvelopeRequest { parties, ..request() })), ["parties"]);
}

#[test]
fn an_upload_is_named_by_its_digest_and_bounded() {
    let upload = wire::Upload {
        file_name: "order.pdf".to_owned(),
        content_type: "application/pdf".to_owned(),
        content: b"%PDF-1.7".to_vec(),
    };
    let with =
        |upload| wire::CreateEnvelopeRequest { document: Some(WireDocument::Upload(upload)), ..request() };
    let created = create_request(with(upload.clone())).unwrap();
    let Document::Upload { digest, .. } = created.order.document else { panic!("another document") };
    assert_eq!(digest.to_string(), "86edbaa24831badfa0a8b04bb410141e2ee4182b6d0014493fe262a7a331c20b");
    assert_eq!(created.upload.as_deref(), Some(&b"%PDF-1.7"[..]));

    let large = wire::Upload { content: vec![0; UPLOAD_BYTES_MAX + 1], ..upload.clone() };
    assert_eq!(fields(create_request(with(large))), ["upload.content"]);
    let text = wire::Upload { content_type: "text/plain".to_owned(), ..upload };
    assert_eq!(fields(create_request(with(text))), ["upload.content_type"]);
}

#[test]
fn no_mistake_repeats_what_was_sent() {
    let wrong = wire::CreateEnvelopeRequest { parties: vec![party("Dana", "dana-at-buyer")], ..request() };
    let violations = create_request(wrong).unwrap_err();
    assert!(violations.iter().all(|violation| !violation.description.contains("dana")), "{violations:?}");
}

#[test]
fn the_record_serves_as_correlation_when_none_is_given() {
    let record = contracts::wire::common::RecordRef {
        connection: "hubspot-main".to_owned(),
        object_type: "deal".to_owned(),
        object_id: "20417".to_owned(),
    };
    let order =
        create_request(wire::CreateEnvelopeRequest { record: Some(record), ..request() }).unwrap().order;
    assert_eq!(order.correlation.external_id, "20417");
    assert_eq!(order.correlation.client_reference_id, "deal-20417");
}

#[test]
fn an_order_that_is_about_no_record_can_be_found_at_the_provider_by_its_key() {
    let of = |external_id: &str, client_reference_id: &str| wire::Correlation {
        external_id: external_id.to_owned(),
        client_reference_id: client_reference_id.to_owned(),
    };
    for (given, expected) in [
        (None, ("order-1", "order-1")),
        (Some(of("", "")), ("order-1", "order-1")),
        (Some(of("20417", "")), ("20417", "20417")),
        (Some(of("", "deal-20417")), ("order-1", "deal-20417")),
        (Some(of("20417", "deal-20417")), ("20417", "deal-20417")),
    ] {
        let request = wire::CreateEnvelopeRequest {
            request_id: "order-1".to_owned(),
            correlation: given,
            record: None,
            ..request()
        };
        let found = create_request(request).unwrap().order.correlation;
        assert_eq!((found.external_id.as_str(), found.client_reference_id.as_str()), expected);
    }
}

fn shown(events: &[Event]) -> wire::Envelope {
    resource(&EnvelopeId::from_bytes([1; 16]), &"acme".parse().unwrap(), 12, &replay(events))
}

#[test]
fn an_envelope_is_shown_with_its_parties_and_link() {
    let events: Vec<Event> = support::envelope_events()
        .into_iter()
        .filter(|(name, _)| ["requested-url", "created", "parties_progressed"].contains(name))
        .map(|(_, event)| event)
        .collect();
    let shown = shown(&events);
    assert_eq!(shown.provider_id, "env_4f2a");
    assert_eq!(shown.review_url, "https://atlas.test/review/s3cret");
    assert_eq!(shown.parties.iter().map(|party| party.order).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(shown.parties[0].email, "dana@buyer.test");
    assert_eq!((shown.signed_count, shown.version, shown.erased), (1, 12, false));
}

#[test]
fn an_erased_envelope_says_so_and_shows_nothing_personal() {
    let mut envelope: Envelope = replay(&[]);
    envelope.review_link = Some(Personal::Erased);
    let shown = resource(&EnvelopeId::from_bytes([1; 16]), &"acme".parse().unwrap(), 1, &envelope);
    assert!(shown.erased);
    assert_eq!(shown.review_url, "");
}

#[test]
fn printing_a_request_or_an_envelope_shows_nobody() {
    let mut envelope = replay(&[]);
    envelope.review_link = Some(Personal::new("https://atlas.test/review/s3cret"));
    let shown = resource(&EnvelopeId::from_bytes([1; 16]), &"acme".parse().unwrap(), 1, &envelope);
    let response = wire::GetEnvelopeResponse { envelope: Some(shown), position: 1 };
    let delivery = contracts::wire::verification::Delivery {
        connection: "atlas-main".to_owned(),
        body: b"dana@buyer.test".to_vec(),
        ..Default::default()
    };
    let printed = format!("{:?} {response:?} {delivery:?}", request());
    for secret in ["dana", "Dana", "s3cret", "files.acme.test", "100, 97, 110, 97"] {
        assert!(!printed.contains(secret), "{secret} is in {printed}");
    }
    assert!(printed.contains("atlas-main"));
}
