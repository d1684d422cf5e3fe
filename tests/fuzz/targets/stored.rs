//! What lies in the log or comes by gRPC: bytes that another version, or nobody, wrote.

use contracts::seal::{Opener, Sealer};
use contracts::wire;
use contracts::{DecodeError, envelope, intake, ledger, parked, sync};
use domain::ids::EventId;
use fuzz::{Input, seeds};

use crate::fuzz;

const ID: EventId = EventId::from_bytes([9; 16]);
const KEY: [u8; 32] = [7; 32];

/// Decodes spoiled golden events under their own kind, with the key gone, and stores again what was read.
macro_rules! target {
    ($name:ident, $category:literal, $decode:expr, $encode:expr) => {
        #[test]
        fn $name() {
            let (kinds, good) = seeds::golden($category);
            let decode =
                |kind: &str, schema, bytes: &[u8], opener: &Opener| $decode(kind, schema, bytes, opener);
            for ((kind, schema), bytes) in kinds.iter().zip(&good) {
                assert!(decode(kind, *schema, bytes, &Opener::new(None)).is_ok(), "{kind} is no good seed");
            }
            fuzz!((Input, u16, u32), |(input, which, schema)| {
                let bytes = input.bytes(&good);
                let (kind, known) = &kinds[usize::from(*which) % kinds.len()];
                let schema = if schema % 8 == 0 { *schema } else { *known };
                let read = decode(kind, schema, &bytes, &Opener::new(None));
                let Ok(event) = read else { return };
                let stored = $encode(&event);
                let opener = Opener::new(Some(&KEY));
                let again = decode(&stored.kind, stored.schema, &stored.payload, &opener);
                assert_eq!(again.as_ref(), Ok(&event), "stored and read back, it is another");
            });
        }
    };
}

fn sealer() -> Sealer {
    Sealer::new(&KEY)
}

target!(
    envelope_events,
    "envelope",
    |kind: &str, schema, bytes: &[u8], opener: &Opener| envelope::decode(kind, schema, bytes, &ID, opener),
    |event| envelope::encode(event, &ID, &sealer())
);
target!(
    intake_events,
    "intake",
    |kind: &str, schema, bytes: &[u8], opener: &Opener| {
        let group = intake::group(kind, schema, bytes);
        let read = intake::decode(kind, schema, bytes, &ID, opener);
        assert!(read.is_err() || group.is_ok(), "it opens, and nobody knows with which key");
        read
    },
    |event| intake::encode(event, &ID, &sealer())
);
target!(
    parked_events,
    "parked",
    |kind: &str, schema, bytes: &[u8], opener: &Opener| {
        let group = parked::group(kind, schema, bytes);
        let read = parked::decode(kind, schema, bytes, &ID, opener);
        assert!(read.is_err() || group.is_ok(), "it opens, and nobody knows with which key");
        read
    },
    |event| parked::encode(event, &ID, &sealer())
);
target!(
    sync_events,
    "sync",
    |kind: &str, schema, bytes: &[u8], _: &Opener| sync::decode_plain(kind, schema, bytes),
    sync::encode_plain
);

target!(
    ledger_events,
    "ledger",
    |kind: &str, schema, bytes: &[u8], _: &Opener| ledger::decode(kind, schema, bytes),
    ledger::encode
);

/// A sealed blob opens as it was, or not at all.
#[test]
fn sealed_blobs() {
    let good = [sealer().seal_blob(&ID, b"the bytes of a document"), sealer().seal_blob(&ID, b"")];
    fuzz!(Input, |input| {
        let blob = input.bytes(&good);
        match Opener::new(Some(&KEY)).open_blob(&ID, &blob) {
            Ok(clear) => assert!(good.contains(&blob), "a forged blob opens: {clear:?}"),
            Err(DecodeError::Sealed { .. }) => assert!(!good.contains(&blob)),
            Err(other) => panic!("{other}"),
        }
    });
}

/// A request for an envelope is understood or refused with what is wrong; nothing in between.
#[test]
fn create_requests() {
    let good = [good_request()];
    fuzz!(Input, |input| {
        let Ok(request) = wire::decode::<wire::envelope::CreateEnvelopeRequest>(&input.bytes(&good)) else {
            return;
        };
        if let Err(violations) = envelope::create_request(request) {
            assert!(!violations.is_empty(), "refused, and nobody knows why");
        }
    });
}

#[test]
fn parked_deliveries() {
    let delivery = wire::verification::Delivery {
        connection: "atlas-main".to_owned(),
        method: "POST".to_owned(),
        path_and_query: "/v1/hooks/atlas-main".to_owned(),
        headers: vec![wire::verification::Header {
            name: "x-atlas-signature".to_owned(),
            value: b"sha256=00".to_vec(),
        }],
        body: b"{}".to_vec(),
        received_at_ms: 1_767_225_600_000,
        ..Default::default()
    };
    let good = [wire::encode(&delivery)];
    fuzz!(Input, |input| {
        let Ok(delivery) = wire::decode::<wire::verification::Delivery>(&input.bytes(&good)) else { return };
        drop(intake::delivery_from_wire(delivery));
    });
}

fn good_request() -> Vec<u8> {
    use wire::envelope::create_envelope_request::Document;
    use wire::envelope::{CreateEnvelopeRequest, NewParty};
    wire::encode(&CreateEnvelopeRequest {
        request_id: "crm:hubspot:deal:20417:order-form:v1".to_owned(),
        provider: "atlas-main".to_owned(),
        title: "Order form 20417".to_owned(),
        document: Some(Document::Url("https://files.acme.test/20417.pdf".to_owned())),
        parties: vec![NewParty {
            role: "Customer".to_owned(),
            name: "Dana Buyer".to_owned(),
            email: "dana@buyer.test".to_owned(),
        }],
        remind_after_ms: vec![172_800_000],
        expires_after_ms: 2_592_000_000,
        ..Default::default()
    })
}
