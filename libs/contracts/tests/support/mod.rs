//! Events of every kind, and sealing that gives the same bytes each time.
#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses a part of it")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use contracts::seal::{NonceSource, Opener, Sealer};
use domain::envelope::{
    Adoption, Attention, Correction, Correlation, CreateFailure, Detection, Digest, Document, Event,
    HoldReason, IgnoreReason, Order, SendPolicy, VoidReason,
};
use domain::ids::EventId;
use domain::intake::{PartyNews, RecordRef, Standing};
use domain::parties::Parties;
use domain::personal::Personal;
use domain::time::Timestamp;

pub mod any;
pub mod intake;
pub mod ledger;
pub mod sync;

pub const KEY: [u8; 32] = [7; 32];

pub const AT: Timestamp = Timestamp(1_760_000_000_123);

pub fn event_id() -> EventId {
    EventId::from_bytes([0xe1; 16])
}

/// Nonces that count from 0.
#[derive(Default)]
struct Counting(AtomicU64);

impl NonceSource for Counting {
    fn nonce(&self) -> [u8; 24] {
        let mut nonce = [0; 24];
        nonce[16..].copy_from_slice(&self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        nonce
    }
}

pub fn sealer() -> Sealer {
    Sealer::with_nonces(&KEY, Arc::new(Counting::default()))
}

pub fn opener() -> Opener {
    Opener::new(Some(&KEY))
}

pub fn record() -> RecordRef {
    RecordRef {
        connection: "hubspot-main".parse().unwrap(),
        object_type: "deal".to_owned(),
        object_id: "20417".to_owned(),
    }
}

pub fn order(document: Document) -> Order {
    let people = [("Customer", "Dana Buyer", "dana@buyer.test"), ("Company", "Sam Seller", "sam@acme.test")]
        .map(|(role, name, email)| (role.to_owned(), name.to_owned(), email.to_owned()));
    Order {
        operation_key: "trg_be3da5ea3a15b3d4f1a8eb96c25c2437ca898061".parse().unwrap(),
        flow: "order-form".parse().unwrap(),
        provider: "atlas-main".parse().unwrap(),
        record: Some(record()),
        document,
        title: "Order form 20417".to_owned(),
        parties: Parties::sequential(people).unwrap(),
        send: SendPolicy::Review,
        expires_after: Some(Duration::from_secs(30 * 86_400)),
        remind_after: vec![Duration::from_secs(2 * 86_400), Duration::from_secs(4 * 86_400)],
        correlation: Correlation {
            external_id: "20417".to_owned(),
            client_reference_id: "deal-20417".to_owned(),
        },
    }
}

pub fn url() -> Document {
    Document::Url(Personal::new("https://files.acme.test/20417.pdf?token=s3cret"))
}

pub fn template() -> Document {
    let prefill = [("buyer", "Dana Buyer"), ("price", "1200")];
    Document::Template {
        template_id: "tmpl_of_01".to_owned(),
        prefill: prefill.map(|(label, text)| (label.to_owned(), Personal::new(text))).into(),
    }
}

pub fn upload() -> Document {
    Document::Upload {
        digest: Digest([9; 32]),
        file_name: "order.pdf".to_owned(),
        content_type: "application/pdf".to_owned(),
    }
}

/// The name of the golden file and the event, at least one for every kind and form.
pub fn envelope_events() -> Vec<(&'static str, Event)> {
    let at = AT;
    let why = || Some(Personal::new("Dana will not sign"));
    let ordered = |document| Event::Requested { order: Box::new(order(document)), at };
    let bare = Order {
        record: None,
        expires_after: None,
        remind_after: Vec::new(),
        send: SendPolicy::Auto,
        correlation: Correlation::default(),
        ..order(upload())
    };
    let adoption = Adoption {
        provider: "pandadoc-sales".parse().unwrap(),
        provider_id: "BhVzRcxH9Z2LgfPPGXFUBa".parse().unwrap(),
        flow: "sales".parse().unwrap(),
        record: Some(record()),
    };
    let provider_id = "env_4f2a".parse().unwrap();
    let review_link = Some(Personal::new("https://atlas.test/review/s3cret"));
    let parties = vec![
        PartyNews { order: 1, standing: Standing::Signed },
        PartyNews { order: 2, standing: Standing::Pending },
    ];
    vec![
        ("requested-url", ordered(url())),
        ("requested-template", ordered(template())),
        ("requested-upload", Event::Requested { order: Box::new(bare), at }),
        ("adopted", Event::Adopted { adoption, at }),
        ("create_started", Event::CreateStarted { way: None, at }),
        ("create_started-by_way", Event::CreateStarted { way: Some("multipart".to_owned()), at }),
        ("created", Event::Created { provider_id, review_link, at }),
        ("failed", Event::Failed { failure: CreateFailure::InvalidRequest, reason: why(), at }),
        ("ready_for_review", Event::ReadyForReview { at }),
        ("attention_needed", Event::AttentionNeeded { attention: Attention::NoFields, at }),
        ("fields_changed", Event::FieldsChanged { detection: Detection::Ready, fields_version: Some(3), at }),
        ("approval_requested", Event::ApprovalRequested { at }),
        ("send_requested", Event::SendRequested { fields_version: Some(3), at }),
        ("send_held", Event::SendHeld { reason: HoldReason::CreditsExhausted, at }),
        ("send_resumed", Event::SendResumed { fields_version: None, at }),
        ("sent", Event::Sent { at }),
        ("viewed", Event::Viewed { at }),
        ("parties_progressed", Event::PartiesProgressed { parties, total: 2, at }),
        ("payment_due", Event::PaymentDue { at }),
        ("paid", Event::Paid { at }),
        ("completed", Event::Completed { confirmed: true, at }),
        ("declined", Event::Declined { reason: why(), at }),
        ("void_requested", Event::VoidRequested { reason: VoidReason::Deadline, at }),
        ("void_refused", Event::VoidRefused { at }),
        ("voided", Event::Voided { at }),
        ("expired", Event::Expired { at }),
        ("deleted", Event::Deleted { at }),
        ("reopened", Event::Reopened { at }),
        ("corrected", Event::Corrected { to: Correction::CompletedAfterVoid, at }),
        ("confirmation_requested", Event::ConfirmationRequested { at }),
        ("confirmed", Event::Confirmed { at }),
        ("artifact_ready", Event::ArtifactReady { at }),
        ("artifact_stored", Event::ArtifactStored { digest: Digest([9; 32]), bytes: 48_213, at }),
        ("artifact_unavailable", Event::ArtifactUnavailable { at }),
        ("reminder_requested", Event::ReminderRequested { number: 1, at }),
        ("fields_edited", Event::FieldsEdited { fields_version: 4, at }),
        ("reminder_started", Event::ReminderStarted { number: 1, at }),
        ("reminder_not_made", Event::ReminderNotMade { number: 1, at }),
        ("revision_moved", Event::RevisionMoved { revision: 17, at }),
        ("reconciled", Event::Reconciled { claim: "completed".to_owned(), at }),
        (
            "signal_ignored",
            Event::SignalIgnored { claim: "viewed".to_owned(), reason: IgnoreReason::Late, at },
        ),
    ]
}

pub fn correlation_entries() -> BTreeMap<String, String> {
    [("deal_id", "20417"), ("owner", "sam@acme.test")].map(|(k, v)| (k.to_owned(), v.to_owned())).into()
}
