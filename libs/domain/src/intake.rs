//! What comes in: deliveries as they arrive, and the signals they turn out to carry.
//!
//! A delivery is bytes from a stranger. A vendor's scheme proves who sent it ([`Refusal`] when it cannot) and
//! splits it into signals; each signal has a dedupe key of its own, because a batch may be re-sent in another
//! grouping. Nothing in here changes an envelope: a signal is a claim, which `envelope::decide` weighs.

use std::fmt;

use crate::ids::ConnectionId;
use crate::time::Timestamp;

mod claim;
mod record;

pub use claim::{Claim, EnvelopeNews, PartyNews, Standing};
pub use record::{Actor, RecordChange, RecordRef};

/// Largest body taken from outside, in bytes: more than any vendor's contract allows.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Most signals one delivery may carry (the largest known batch is 100).
pub const SIGNALS_MAX: usize = 500;

/// A webhook exactly as it arrived. Nothing in it may be trusted, and it is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct RawDelivery {
    /// The connection named in the path.
    pub connection: ConnectionId,
    /// HTTP method, upper case, as received.
    pub method: String,
    /// Path and query as received, without scheme and host.
    pub path_and_query: String,
    /// Header names in lower case with their raw values, in the order received, repeated ones kept.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, byte for byte; at most [`BODY_BYTES_MAX`].
    pub body: Vec<u8>,
    /// When we had read it.
    pub received_at: Timestamp,
}

impl RawDelivery {
    /// Every value of a header, by lower-case name.
    pub fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_slice())
    }
}

impl fmt::Debug for RawDelivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawDelivery")
            .field("connection", &self.connection)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Why a delivery was not believed. Answered with 401 and kept in quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// No signature came with it.
    SignatureMissing,
    /// More than one signature came with it, so it is unclear which one counts.
    SignatureRepeated,
    /// The signature has not the form the scheme prescribes.
    SignatureMalformed,
    /// The signature fits no key in force.
    SignatureWrong,
    /// The scheme's timestamp is missing, repeated or not a number.
    TimestampMalformed,
    /// The scheme's timestamp lies too far from now: a replay, or a wrong clock.
    TimestampOutOfWindow,
    /// The path is not the one the connection is registered with.
    PathWrong,
    /// It comes from an address that is none of the vendor's.
    SourceUnexpected,
    /// It had been taken in, and its connection is not in the configuration any more: nothing can prove it now.
    ConnectionUnknown,
}

impl Refusal {
    /// The stable code, as it stands in events, metrics and `docs/errors`.
    pub const fn code(self) -> &'static str {
        match self {
            Refusal::SignatureMissing => "signature_missing",
            Refusal::SignatureRepeated => "signature_repeated",
            Refusal::SignatureMalformed => "signature_malformed",
            Refusal::SignatureWrong => "signature_wrong",
            Refusal::TimestampMalformed => "timestamp_malformed",
            Refusal::TimestampOutOfWindow => "timestamp_out_of_window",
            Refusal::PathWrong => "path_wrong",
            Refusal::SourceUnexpected => "source_unexpected",
            Refusal::ConnectionUnknown => "connection_unknown",
        }
    }
}

/// One thing a delivery says, after verification. Its bytes are never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Signal {
    /// Equal for the same news however often and in whatever batch it is sent; unique within a connection.
    /// At most 512 bytes; hashed before it is stored.
    pub dedupe: String,
    /// A second name by which the same news is known, where the first may differ from one time to the next: what shares
    /// either is the same news. It is the first as well where there is no other. As long, as unique, hashed as well.
    pub also: Option<String>,
    /// Whose personal data it may hold: the provider's envelope id or the CRM record, unique within the connection.
    pub subject: String,
    /// The vendor's own name for it, for example `envelope.signed`; at most 100 bytes.
    pub event: String,
    /// When it happened, if the vendor says so.
    pub occurred_at: Option<Timestamp>,
    /// What it means to us.
    pub meaning: Meaning,
    /// The exact bytes of this one signal within the body.
    pub raw: Vec<u8>,
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal")
            .field("event", &self.event)
            .field("occurred_at", &self.occurred_at)
            .field("raw_bytes", &self.raw.len())
            .finish_non_exhaustive()
    }
}

/// What a signal means to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A signature provider speaks of one of its envelopes.
    Envelope(EnvelopeNews),
    /// A CRM speaks of one of its records.
    Record(RecordChange),
    /// Stored, counted, without effect.
    Nothing(NoMeaning),
}

/// Why a verified signal has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoMeaning {
    /// The body is not what the vendor sends (bad JSON, wrong shape); kept for a person to look at.
    Unreadable,
    /// An event this version does not know.
    UnknownEvent,
    /// A known event without effect on envelopes (templates, quotes).
    NotOurs,
}

impl NoMeaning {
    /// The stable code, as it stands in events and metrics.
    pub const fn code(self) -> &'static str {
        match self {
            NoMeaning::Unreadable => "unreadable",
            NoMeaning::UnknownEvent => "unknown_event",
            NoMeaning::NotOurs => "not_ours",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_is_never_printed() {
        let news = EnvelopeNews {
            provider_id: "env-1".parse().unwrap(),
            claim: Claim::Sent,
            correlation: [("buyer".to_owned(), "dana@buyer.test".to_owned())].into(),
            revision: None,
            parties: Vec::new(),
            conclusive: true,
        };
        let signal = Signal {
            dedupe: "dana@buyer.test".to_owned(),
            also: None,
            subject: "dana@buyer.test".to_owned(),
            event: "envelope.sent".to_owned(),
            occurred_at: None,
            meaning: Meaning::Envelope(news.clone()),
            raw: b"dana@buyer.test".to_vec(),
        };
        let printed = format!("{signal:?} {news:?}");
        assert!(printed.contains("envelope.sent") && printed.contains("Sent"), "{printed}");
        let raw = format!("{:?}", b"dana@buyer.test".as_slice());
        assert!(!printed.contains("dana") && !printed.contains(&raw), "{printed}");
    }
}
