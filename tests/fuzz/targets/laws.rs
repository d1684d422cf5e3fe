//! What must be true of every signal, whatever it was read from.

use contracts::intake::{Accepted, IntakeEvent, Raw, decode, encode, key_group};
use contracts::seal::{Opener, Sealer};
use domain::envelope::Digest;
use domain::ids::{ConnectionId, EventId};
use domain::intake::{Meaning, NoMeaning, RawDelivery, SIGNALS_MAX, Signal};
use domain::time::Timestamp;
use secrecy::SecretString;
use signatures::{VerifyKey, WebhookScheme};

/// Longest dedupe key and longest event name, in bytes: what the domain promises of a signal.
const DEDUPE_BYTES_MAX: usize = 512;
const EVENT_BYTES_MAX: usize = 100;
const SEALING_KEY: [u8; 32] = [7; 32];

pub fn key(secret: &str) -> VerifyKey {
    VerifyKey::new("k1", SecretString::from(secret.to_owned())).expect("a good key")
}

pub fn delivery(path_and_query: String, headers: Vec<(String, Vec<u8>)>, body: Vec<u8>) -> RawDelivery {
    RawDelivery {
        connection: "fuzzed".parse().expect("an id"),
        method: "POST".to_owned(),
        path_and_query,
        headers,
        body,
        received_at: Timestamp(1_767_225_600_000),
    }
}

/// Splits a delivery, and holds every signal against what the rest of the house relies on.
pub fn split(scheme: &dyn WebhookScheme, delivery: &RawDelivery) {
    let signals = scheme.split(delivery);
    assert_eq!(signals, scheme.split(delivery), "reading twice is reading once");
    assert!(signals.len() <= SIGNALS_MAX);
    for signal in signals {
        holds(&signal, delivery);
    }
}

fn holds(signal: &Signal, delivery: &RawDelivery) {
    assert!(!signal.dedupe.is_empty() && signal.dedupe.len() <= DEDUPE_BYTES_MAX, "dedupe: {signal:?}");
    let also = signal.also.as_ref();
    assert!(also.is_none_or(|also| !also.is_empty() && also.len() <= DEDUPE_BYTES_MAX), "also: {signal:?}");
    assert!(!signal.event.is_empty() && signal.event.len() <= EVENT_BYTES_MAX, "event: {signal:?}");
    assert!(!signal.subject.is_empty(), "a signal belongs to somebody: {signal:?}");
    if let Meaning::Nothing(NoMeaning::Unreadable) = signal.meaning {
        assert!(signal.dedupe.starts_with("sha256:") || signal.dedupe.contains(':'), "{signal:?}");
    }
    let raw = signal.raw.as_slice();
    let is_part = raw.is_empty() || delivery.body.windows(raw.len()).any(|part| part == raw);
    assert!(is_part, "its bytes are bytes of the delivery");
    stays_itself(signal);
}

/// What is stored is what was read.
fn stays_itself(signal: &Signal) {
    let connection: ConnectionId = "fuzzed".parse().expect("an id");
    assert!(!key_group(&connection, &signal.subject).is_empty());
    let id = EventId::from_bytes([9; 16]);
    let event = IntakeEvent::Accepted(Box::new(Accepted {
        connection,
        delivery_id: "0".repeat(64),
        key_id: "k1".to_owned(),
        event: signal.event.clone(),
        dedupe: Digest([1; 32]),
        subject: signal.subject.clone(),
        occurred_at: signal.occurred_at,
        received_at: Timestamp(0),
        meaning: signal.meaning.clone(),
        replayed: false,
        raw: Raw::Inline(signal.raw.clone()),
    }));
    let stored = encode(&event, &id, &Sealer::new(&SEALING_KEY));
    let opener = Opener::new(Some(&SEALING_KEY));
    let again = decode(stored.kind, stored.schema, &stored.payload, &id, &opener).expect("it opens");
    assert_eq!(again, event, "stored and read back, it is another");
}
