//! What holds for every event: it reads back, it opens only where it was sealed, and no bytes make a panic.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::future::ready;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use contracts::intake::{RAW_INLINE_BYTES_MAX, Raw};
use contracts::seal::{Opener, Sealer};
use contracts::{DecodeError, envelope, intake, parked, sync};
use domain::envelope::{Digest, Document, Event};
use domain::ids::EventId;
use domain::personal::Personal;
use proptest::prelude::*;
use support::any;
use support::intake::{claims, intake_events, news, parked_events};
use support::sync::sync_events;
use support::{KEY, envelope_events, event_id, opener, order, sealer, template, url};

proptest! {
    #[test]
    fn an_envelope_event_reads_back_as_it_was(event in any::envelope_event()) {
        let encoded = envelope::encode(&event, &event_id(), &Sealer::new(&KEY));
        let decoded =
            envelope::decode(encoded.kind, encoded.schema, &encoded.payload, &event_id(), &opener());
        prop_assert_eq!(decoded, Ok(event));
    }

    #[test]
    fn an_intake_event_reads_back_as_it_was(event in any::intake_event()) {
        let encoded = intake::encode(&event, &event_id(), &Sealer::new(&KEY));
        let decoded = intake::decode(encoded.kind, encoded.schema, &encoded.payload, &event_id(), &opener());
        prop_assert_eq!(decoded, Ok(event));
    }

    #[test]
    fn a_sync_event_reads_back_as_it_was(event in any::sync_event()) {
        let encoded = sync::encode_plain(&event);
        prop_assert_eq!(sync::decode_plain(encoded.kind, encoded.schema, &encoded.payload), Ok(event));
    }

    #[test]
    fn no_bytes_make_decoding_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let id = event_id();
        for (_, event) in envelope_events() {
            let _ = envelope::decode(envelope::kind(&event), 1, &bytes, &id, &opener());
        }
        for (_, event) in intake_events() {
            let _ = intake::decode(intake::kind(&event), 1, &bytes, &id, &opener());
            let _ = intake::group(intake::kind(&event), 1, &bytes);
        }
        for (_, event) in sync_events() {
            let _ = sync::decode_plain(sync::kind(&event), 1, &bytes);
        }
        for (_, event) in parked_events() {
            let _ = parked::decode(parked::kind(&event), 1, &bytes, &id, &opener());
        }
    }

    #[test]
    fn a_damaged_event_is_an_error_or_another_event_but_never_a_panic(
        event in any::envelope_event(),
        at in any::<prop::sample::Index>(),
        flip in 1u8..,
    ) {
        let mut encoded = envelope::encode(&event, &event_id(), &sealer());
        if !encoded.payload.is_empty() {
            let at = at.index(encoded.payload.len());
            encoded.payload[at] ^= flip;
        }
        let _ = envelope::decode(encoded.kind, encoded.schema, &encoded.payload, &event_id(), &opener());
    }

    #[test]
    fn bytes_from_outside_come_back_from_the_event_or_from_the_blob_store(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        larger in any::<bool>(),
    ) {
        let clear = if larger { [vec![7; RAW_INLINE_BYTES_MAX], bytes].concat() } else { bytes };
        let in_event = clear.len() <= RAW_INLINE_BYTES_MAX;
        let (mut store, mut asked) = (Vec::new(), 0);
        let put = |blob: Vec<u8>| {
            store = blob;
            ready(Ok::<_, DecodeError>(Digest([1; 32])))
        };
        let raw = at_once(Raw::keep(clear.clone(), &event_id(), &sealer(), put)).unwrap();
        prop_assert_eq!(store.is_empty(), in_event);
        let mut get = |_| {
            asked += 1;
            ready(Ok::<_, DecodeError>(store.clone()))
        };
        let opened = at_once(raw.clone().reveal(&event_id(), &opener(), &mut get));
        prop_assert_eq!(opened, Ok(Some(clear)));
        if !in_event {
            prop_assert_eq!(at_once(raw.clone().reveal(&event_id(), &Opener::new(None), &mut get)), Ok(None));
            prop_assert!(at_once(raw.reveal(&other_event(), &opener(), &mut get)).is_err());
            prop_assert_eq!(asked, 2, "an erased blob is not asked for");
        }
    }

    #[test]
    fn bytes_of_a_blob_open_only_under_their_own_event(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let blob = sealer().seal_blob(&event_id(), &bytes);
        prop_assert_eq!(opener().open_blob(&event_id(), &blob), Ok(Some(bytes)));
        prop_assert!(opener().open_blob(&other_event(), &blob).is_err());
        prop_assert_eq!(Opener::new(None).open_blob(&event_id(), &blob), Ok(None));
    }
}

/// The answer of a future that never waits.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("it waits"),
    }
}

fn other_event() -> EventId {
    EventId::from_bytes([0xe2; 16])
}

#[test]
fn every_claim_reads_back_as_it_was() {
    for claim in claims() {
        let event = support::intake::accepted(news(claim));
        let encoded = intake::encode(&event, &event_id(), &sealer());
        let decoded = intake::decode(encoded.kind, encoded.schema, &encoded.payload, &event_id(), &opener());
        assert_eq!(decoded, Ok(event));
    }
}

#[test]
fn without_the_key_what_is_personal_is_erased_and_the_rest_is_there() {
    let event = Event::Requested { order: Box::new(order(template())), at: support::AT };
    let encoded = envelope::encode(&event, &event_id(), &sealer());
    let erased = Opener::new(None);
    let decoded = envelope::decode(encoded.kind, 1, &encoded.payload, &event_id(), &erased).unwrap();

    let Event::Requested { order: found, at } = decoded else { panic!("another event came back") };
    assert_eq!((at, &found.flow, &found.title), (support::AT, &order(url()).flow, &order(url()).title));
    for party in found.parties.as_slice() {
        assert_eq!((&party.name, &party.email), (&Personal::Erased, &Personal::Erased));
    }
    let Document::Template { prefill, .. } = found.document else { panic!("another document came back") };
    assert_eq!(prefill.len(), 2);
    assert!(prefill.values().all(|text| *text == Personal::Erased));
}

#[test]
fn nothing_personal_lies_in_the_bytes_in_clear() {
    for (name, event) in envelope_events() {
        assert_no_secret(name, &envelope::encode(&event, &event_id(), &sealer()).payload);
    }
    for (name, event) in intake_events() {
        assert_no_secret(name, &intake::encode(&event, &event_id(), &sealer()).payload);
    }
}

fn assert_no_secret(name: &str, payload: &[u8]) {
    let text = String::from_utf8_lossy(payload);
    for secret in ["dana", "Dana", "Sam", "sam@acme", "s3cret", "1200"] {
        assert!(!text.contains(secret), "{name} shows {secret}");
    }
}

#[test]
fn with_another_key_or_under_another_event_nothing_opens() {
    let event = Event::Requested { order: Box::new(order(url())), at: support::AT };
    let encoded = envelope::encode(&event, &event_id(), &sealer());
    let refused = Err(DecodeError::Sealed { field: "parties[1].name".to_owned() });

    let wrong_key = Opener::new(Some(&[8; 32]));
    assert_eq!(envelope::decode(encoded.kind, 1, &encoded.payload, &event_id(), &wrong_key), refused);
    assert_eq!(envelope::decode(encoded.kind, 1, &encoded.payload, &other_event(), &opener()), refused);
}

#[test]
fn sealed_values_swapped_between_fields_are_refused() {
    use contracts::wire::envelope::{EnvelopeEvent, envelope_event::Fact};
    use prost::Message as _;

    let event = Event::Requested { order: Box::new(order(url())), at: support::AT };
    let encoded = envelope::encode(&event, &event_id(), &sealer());
    let mut wire = EnvelopeEvent::decode(encoded.payload.as_slice()).unwrap();
    let Some(Fact::Requested(requested)) = &mut wire.fact else { panic!("another fact") };
    let (first, second) = requested.parties.split_at_mut(1);
    std::mem::swap(&mut first[0].email, &mut second[0].email);

    let decoded = envelope::decode(encoded.kind, 1, &wire.encode_to_vec(), &event_id(), &opener());
    assert_eq!(decoded, Err(DecodeError::Sealed { field: "parties[1].email".to_owned() }));
}

#[test]
fn a_newer_kind_or_schema_is_named_in_the_error() {
    let unknown = envelope::decode("envelope.teleported", 1, &[], &event_id(), &opener());
    assert_eq!(unknown, Err(DecodeError::UnknownKind("envelope.teleported".to_owned())));
    let schema = envelope::decode("envelope.sent", 2, &[], &event_id(), &opener());
    assert_eq!(schema, Err(DecodeError::UnknownSchema { kind: "envelope.sent".to_owned(), schema: 2 }));
}

#[test]
fn a_payload_under_the_kind_of_another_event_is_refused() {
    let encoded = envelope::encode(&Event::Sent { at: support::AT }, &event_id(), &sealer());
    let decoded = envelope::decode("envelope.completed", 1, &encoded.payload, &event_id(), &opener());
    assert!(matches!(decoded, Err(DecodeError::KindMismatch { found: "envelope.sent", .. })), "{decoded:?}");
}

#[test]
fn an_unknown_value_is_named_with_its_field() {
    // fact 21 (void_requested) with reason 99
    let payload = [0x08, 0x01, 0xaa, 0x01, 0x02, 0x08, 0x63];
    let decoded = envelope::decode("envelope.void_requested", 1, &payload, &event_id(), &opener());
    assert_eq!(decoded, Err(DecodeError::UnknownValue { field: "reason".to_owned(), value: 99 }));
}

#[test]
fn the_group_of_an_intake_event_is_known_before_it_is_opened() {
    let connection = "atlas-main".parse().unwrap();
    for (name, event) in intake_events() {
        let encoded = intake::encode(&event, &event_id(), &sealer());
        let group = intake::group(encoded.kind, encoded.schema, &encoded.payload).unwrap();
        let expected = match event {
            intake::IntakeEvent::Accepted(_) => Some(intake::key_group(&connection, "env_4f2a")),
            intake::IntakeEvent::Duplicated(_) => None,
            intake::IntakeEvent::Quarantined(quarantined) if quarantined.content_bytes == 0 => {
                Some(intake::quarantine_group(&connection))
            }
            intake::IntakeEvent::Quarantined(_) => Some(intake::quarantined_group("q-00ff")),
            intake::IntakeEvent::Released(_)
            | intake::IntakeEvent::Discarded(_)
            | intake::IntakeEvent::Refused(_)
            | intake::IntakeEvent::Named(_) => None,
        };
        assert_eq!(group, expected, "{name}");
    }
}
